//! A text buffer that grows without moving its text.

/// Bytes of a full piece.
const PIECE: usize = 64 << 10;

/// A text buffer of pieces: buffer never copies the text, so old and new memory are never held at once.
#[derive(Clone, Default)]
pub(crate) struct TextBuffer {
    full: Vec<String>,
    last: String,
}

impl TextBuffer {
    /// Appends a text, mostly a short one.
    #[inline]
    pub(crate) fn push(&mut self, text: &str) {
        match self.last.len() + text.len() <= PIECE {
            true => self.last.push_str(text),
            false => self.push_over(text),
        }
    }

    #[cold]
    fn push_over(&mut self, text: &str) {
        let room = PIECE.saturating_sub(self.last.len());
        let cut = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (fits, rest) = text.split_at(cut);
        self.last.push_str(fits);
        let mut next = String::with_capacity(rest.len().max(PIECE));
        next.push_str(rest);
        self.full.push(std::mem::replace(&mut self.last, next));
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // A full piece is followed by another one.
        self.last.is_empty()
    }

    /// Iterates over the pieces; none is empty.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &str> {
        let last = std::iter::once(&self.last);
        self.full.iter().chain(last).map(String::as_str).filter(|piece| !piece.is_empty())
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.full.clear();
        self.last.clear();
    }

    /// Takes the whole text out of the buffer.
    pub(crate) fn take(&mut self) -> String {
        let last = std::mem::take(&mut self.last);
        if self.full.is_empty() {
            return last;
        }
        let mut pieces = std::mem::take(&mut self.full);
        pieces.push(last);
        pieces.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_many_pieces_is_the_text() {
        for size in [1, 1_000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let (mut buffer, mut all) = (TextBuffer::default(), String::new());
            for number in 0..5 * PIECE / size + 3 {
                let piece = number.to_string() + &"ä".repeat(size / 2);
                let piece = piece.as_str();
                buffer.push(piece);
                all.push_str(piece);
            }
            let capacity: usize = buffer.full.iter().chain([&buffer.last]).map(String::capacity).sum();
            assert!(capacity <= all.len() + 2 * PIECE, "{capacity} for {}", all.len());
            assert_eq!(buffer.pieces().collect::<String>(), all, "{size}");
            assert_eq!(buffer.take(), all, "{size}");
            assert!(buffer.is_empty() && buffer.pieces().next().is_none() && buffer.take().is_empty());
            buffer.push("a");
            assert_eq!(buffer.pieces().collect::<Vec<_>>(), ["a"]);
        }
    }
}
