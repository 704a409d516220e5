//! Long text, shortened for messages.

/// The text with its middle cut out where it has more than `most` characters; the mark says how much is gone.
pub fn shortened(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.into();
    }
    let (head, tail) = (most.div_ceil(2), most / 2);
    let at = |char: usize| text.char_indices().nth(char).map_or(text.len(), |(at, _)| at);
    let start = text.get(..at(head)).unwrap_or_default();
    let end = text.get(at(length - tail)..).unwrap_or_default();
    [start, &format!(" [... {} characters cut ...] ", length - head - tail), end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_in_the_middle_with_a_mark() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("äbcdefg", 4), "äb [... 3 characters cut ...] fg");
    }
}
