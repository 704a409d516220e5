//! Where in a reply its values stand, before it is read.

use std::ops::Range;

/// Where the values of a reply stand, as far as marks of fields show it; what [`Adapter::outline`](super::Adapter::outline) makes.
///
/// By it the engine tells a tag of the model's reasoning from one that a value speaks of, and the draft of an answer in the
/// reasoning from the answer.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outline {
    /// Each value with its mark, in order.
    pub values: Vec<Range<usize>>,
    /// True if text outside of them is read as a value too.
    pub is_open: bool,
}

impl Outline {
    /// The outline of a form in which each value has a mark.
    ///
    /// ```
    /// use karat::adapter::Outline;
    ///
    /// let reply = "So: <answer>Paris</answer>";
    /// assert!(!Outline::new(vec![4..reply.len()]).is_open);
    /// ```
    pub fn new(values: Vec<Range<usize>>) -> Self {
        Self { values, is_open: false }
    }

    /// True if a value stands at this place.
    pub(crate) fn has(&self, place: usize) -> bool {
        let next = self.values.partition_point(|value| value.end <= place);
        self.values.get(next).is_some_and(|value| value.start <= place)
    }

    /// True if a value begins before this place.
    pub(crate) fn has_before(&self, place: usize) -> bool {
        self.values.first().is_some_and(|value| value.start < place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_a_value_from_its_mark_to_its_end() {
        let outline = Outline::new(vec![2..4, 4..6, 9..10]);
        let has: Vec<_> = (0..11).filter(|place| outline.has(*place)).collect();
        assert_eq!(has, [2, 3, 4, 5, 9]);
        assert!(!outline.has_before(2) && outline.has_before(3) && !Outline::default().has_before(9));
    }
}
