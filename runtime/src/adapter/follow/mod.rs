//! Reading an answer while it is written.

mod growing;
mod json;
mod lines;
mod markers;
mod tags;
mod values;

pub(crate) use self::growing::Growing;
pub(super) use self::{json::JsonFollow, lines::LineFollow, markers::MarkerFollow, tags::TagFollow};
use crate::field::FieldValue;

/// Reads one completion while it is written; what [`Adapter::follow`](super::Adapter::follow) makes.
///
/// What it tells is final: it is held back as long as the text to come could change it. It depends on the text alone and not
/// on how the text is cut.
pub trait Follow: Send {
    /// Takes the next piece of the text, cut between any two characters, and tells what is certain by now.
    fn push(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>));

    /// Tells what was only waiting for the text's end.
    fn end(&mut self, tell: &mut dyn FnMut(Followed<'_>));
}

/// What a [`Follow`] tells of an answer. Values follow one another: one ends before the next one starts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Followed<'t> {
    /// The value of this output field, counted as in [`Task::outputs`](super::Task::outputs), starts.
    Started(usize),
    /// More of its text.
    Text(&'t str),
    /// The value is whole.
    Ended(FieldValue),
}

/// Cuts the blanks at both ends off a text that comes in pieces.
#[derive(Clone, Default)]
pub(crate) struct Trimmed {
    begun: bool,
    /// Blanks that belong to the text if more comes.
    blanks: Growing,
}

impl Trimmed {
    pub(crate) fn push(&mut self, text: &str, tell: &mut dyn FnMut(&str)) {
        let text = if self.begun { text } else { text.trim_start() };
        let solid = text.trim_end();
        if solid.is_empty() {
            if self.begun {
                self.blanks.push(text);
            }
            return;
        }
        self.begun = true;
        if !self.blanks.is_empty() {
            self.blanks.pieces().for_each(&mut *tell);
            self.blanks.clear();
        }
        tell(solid);
        if solid.len() < text.len() {
            self.blanks.push(text.get(solid.len()..).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Trimmed;

    #[test]
    fn a_text_in_pieces_is_trimmed_as_a_whole() {
        for text in ["", "  ", " a", "a ", "\n a  b\u{a0}\t c \n\n", "ab"] {
            let chars: Vec<_> = text.chars().map(String::from).collect();
            for size in 1..=text.chars().count().max(1) {
                let (mut trimmed, mut told) = (Trimmed::default(), String::new());
                for piece in chars.chunks(size) {
                    trimmed.push(&piece.concat(), &mut |text| told.push_str(text));
                }
                assert_eq!(told, text.trim(), "{text:?} by {size}");
            }
        }
    }
}
