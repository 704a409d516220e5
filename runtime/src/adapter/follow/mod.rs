//! Reads a streamed answer, and emits the field values that are certain.

mod json;
mod lines;
mod markers;
mod output_texts;
mod tags;
mod text_buffer;

pub(crate) use self::text_buffer::TextBuffer;
pub(super) use self::{json::JsonFollow, lines::LineFollow, markers::MarkerFollow, tags::TagFollow};
use crate::field::FieldValue;

/// Reads one streamed completion; made by [`Adapter::follow`](super::Adapter::follow).
///
/// Emitted events are final: text is held back while later text could change its meaning. The events depend on the text alone,
/// not on how it is cut into pieces.
pub trait Follow: Send {
    /// Takes the next piece of the text, cut between any two characters, and emits what is certain by now.
    fn push(&mut self, text: &str, emit: &mut dyn FnMut(Followed<'_>));

    /// Emits what was held back until the text's end.
    fn end(&mut self, emit: &mut dyn FnMut(Followed<'_>));
}

/// An event of a [`Follow`]. One value ends before the next one starts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Followed<'t> {
    /// A value starts: that of the output field with this index in [`Task::outputs`](super::Task::outputs).
    Started(usize),
    /// More text of the value.
    Text(&'t str),
    /// The value is complete.
    Ended(FieldValue),
}

/// Trims the blanks at both ends of a streamed text.
#[derive(Clone, Default)]
pub(crate) struct Trimmer {
    has_text: bool,
    /// Blanks that belong to the text if more text comes.
    blanks: TextBuffer,
}

impl Trimmer {
    pub(crate) fn push(&mut self, text: &str, emit: &mut dyn FnMut(&str)) {
        let text = if self.has_text { text } else { text.trim_start() };
        let solid = text.trim_end();
        if solid.is_empty() {
            if self.has_text {
                self.blanks.push(text);
            }
            return;
        }
        self.has_text = true;
        if !self.blanks.is_empty() {
            self.blanks.pieces().for_each(&mut *emit);
            self.blanks.clear();
        }
        emit(solid);
        if solid.len() < text.len() {
            self.blanks.push(text.get(solid.len()..).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Trimmer;

    #[test]
    fn a_streamed_text_is_trimmed_as_the_whole_text_is() {
        for text in ["", "  ", " a", "a ", "\n a  b\u{a0}\t c \n\n", "ab"] {
            let chars: Vec<_> = text.chars().map(String::from).collect();
            for size in 1..=text.chars().count().max(1) {
                let (mut trimmer, mut emitted) = (Trimmer::default(), String::new());
                for piece in chars.chunks(size) {
                    trimmer.push(&piece.concat(), &mut |text| emitted.push_str(text));
                }
                assert_eq!(emitted, text.trim(), "{text:?} by {size}");
            }
        }
    }
}
