//! The outline of a reply: the places of its values, before it is read.

use std::ops::Range;

/// Places of the values in a reply, by the marks of their fields; made by [`Adapter::outline`](super::Adapter::outline).
///
/// With it the engine distinguishes a tag of the model's reasoning from one that a value mentions, and the draft of an answer within
/// the reasoning from the answer.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outline {
    /// Each value with its mark, in order.
    pub values: Vec<Range<usize>>,
    /// True if text outside of these values is read as a value too.
    pub is_open: bool,
}

impl Outline {
    /// Takes the places of the values, in a form in which each value has a mark.
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

    /// True if this byte is part of a value.
    pub(crate) fn has(&self, place: usize) -> bool {
        let next = self.values.partition_point(|value| value.end <= place);
        self.values.get(next).is_some_and(|value| value.start <= place)
    }

    /// True if a value begins before this byte.
    pub(crate) fn has_before(&self, place: usize) -> bool {
        self.values.first().is_some_and(|value| value.start < place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reaches_from_its_mark_to_its_end() {
        let outline = Outline::new(vec![2..4, 4..6, 9..10]);
        let has: Vec<_> = (0..11).filter(|place| outline.has(*place)).collect();
        assert_eq!(has, [2, 3, 4, 5, 9]);
        assert!(!outline.has_before(2) && outline.has_before(3) && !Outline::default().has_before(9));
    }
}
