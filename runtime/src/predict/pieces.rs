//! Cuts a streamed text into words, so that the provider's chunks do not show.

/// The most characters of a piece, not counting the blanks before them.
const LONGEST: usize = 16;

/// Cuts a text that comes in any chunks into pieces that depend on the text alone: a word with the blanks before it, or
/// [`LONGEST`] characters of a longer one.
#[derive(Default)]
pub(super) struct Pieces {
    held: String,
    solid: usize,
}

impl Pieces {
    /// Adds text and emits the pieces that are now whole.
    pub(super) fn push(&mut self, text: &str, mut emit: impl FnMut(String)) {
        // The start of the current piece in `text`.
        let mut start = 0;
        for (at, char) in text.char_indices() {
            let is_blank = char.is_whitespace();
            if self.solid == LONGEST || (is_blank && self.solid > 0) {
                emit(self.take(text.get(start..at).unwrap_or_default()));
                start = at;
            }
            self.solid += usize::from(!is_blank);
        }
        self.held.push_str(text.get(start..).unwrap_or_default());
    }

    /// Emits the rest.
    pub(super) fn end(&mut self, emit: impl FnOnce(String)) {
        if !self.held.is_empty() {
            emit(self.take(""));
        }
    }

    /// Takes the text that is held, with `last` behind it.
    fn take(&mut self, last: &str) -> String {
        self.solid = 0;
        let mut piece = String::with_capacity(self.held.len() + last.len());
        piece.push_str(&self.held);
        piece.push_str(last);
        self.held.clear();
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, size: usize) -> Vec<String> {
        let (mut pieces, mut emitted) = (Pieces::default(), Vec::new());
        let chars: Vec<_> = text.chars().collect();
        for chunk in chars.chunks(size) {
            pieces.push(&chunk.iter().collect::<String>(), |piece| emitted.push(piece));
        }
        pieces.end(|piece| emitted.push(piece));
        emitted
    }

    #[test]
    fn a_piece_is_a_word_with_the_blanks_before_it() {
        assert_eq!(cut("The  river\nis wide. ", 3), ["The", "  river", "\nis", " wide.", " "]);
        assert_eq!(cut("Donaudampfschifffahrt", 50), ["Donaudampfschiff", "fahrt"]);
        assert_eq!(cut("", 1), Vec::<String>::new());
    }

    #[test]
    fn the_pieces_of_a_text_are_the_same_in_any_chunks() {
        let text = "  多言語の文章には空白がないことが多い。それでも。 a\u{301}b 0123456789abcdef 0123456789abcdefg \n";
        let whole = cut(text, usize::MAX);
        assert_eq!(whole.concat(), text);
        for size in 1..60 {
            assert_eq!(cut(text, size), whole, "{size}");
        }
    }
}
