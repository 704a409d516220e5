//! Memory for text that comes in pieces, up to a cap.

/// The most bytes that are kept of a streamed answer's texts, and of an event that has not ended.
pub const STREAM_CAP: usize = 8 << 20;

/// How far what comes in pieces grows by doubling. Beyond, it is given all the room that it may ever need: while it grows, its old
/// memory is held beside the new.
const STEPWISE: usize = 1 << 20;

/// Adds to a text, which holds `most` bytes at most in the end.
pub fn append(text: &mut String, more: &str, most: usize) {
    let length = text.len().saturating_add(more.len());
    if length > text.capacity() {
        text.reserve_exact(grown(length, most) - text.len());
    }
    text.push_str(more);
}

/// The capacity to give to what is this long by now and holds `most` bytes in the end: never less than it needs.
pub(crate) fn grown(length: usize, most: usize) -> usize {
    if (STEPWISE..=most).contains(&length) { most } else { length.saturating_mul(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_grows_by_doubling_and_then_to_all_that_it_may_need() {
        let cap = 16 << 20;
        let mut text = String::new();
        let piece = "x".repeat(100_000);
        while text.len() + piece.len() <= cap {
            append(&mut text, &piece, cap);
            assert!(text.capacity() <= cap && (text.len() > STEPWISE || text.capacity() <= 2 * STEPWISE));
        }
        assert_eq!(text.capacity(), cap);
    }

    #[test]
    fn a_text_beyond_its_cap_grows_by_doubling_again() {
        let mut text = "x".repeat(101);
        append(&mut text, "y", 100);
        assert!(text.capacity() >= 204);
    }
}
