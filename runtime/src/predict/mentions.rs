//! Finds the reasoning tags that a text only quotes.

use std::ops::Range;

use crate::adapter::{Outline, reasoning::Tag};

/// Which of the tags stand between quotes on one line, as in JSON, in a block of code, or between backticks. No pair of quotes or
/// fences goes from one value into another.
pub(super) fn find(text: &str, tags: &[Tag], outline: &Outline) -> Vec<bool> {
    let mut pairs = Pairs { are_mentions: vec![false; tags.len()], next: 0, quote: None, fence: None };
    let edges = outline.values.iter().flat_map(|value| [value.start, value.end]);
    let mut start = 0;
    for end in edges.chain([text.len()]) {
        pairs.read(text, start..end, tags);
        start = end;
    }
    pairs.are_mentions
}

/// The quotes and fences of a text, of which two make a pair.
struct Pairs {
    are_mentions: Vec<bool>,
    /// The tag that comes next.
    next: usize,
    /// The first tag behind a quote that is open.
    quote: Option<usize>,
    /// The same for a block of code.
    fence: Option<usize>,
}

impl Pairs {
    fn read(&mut self, text: &str, part: Range<usize>, tags: &[Tag]) {
        self.fence = None;
        let mut start = part.start;
        for line in text.get(part).unwrap_or_default().split_inclusive('\n') {
            let end = start + line.len();
            self.quote = None;
            if line.trim_start().starts_with("```") {
                Self::toggle(&mut self.fence, self.next, &mut self.are_mentions);
            }
            while let Some(tag) = tags.get(self.next).filter(|tag| tag.span.start < end) {
                self.quotes(text.get(start..tag.span.start).unwrap_or_default());
                let has_ticks = text.get(..tag.span.start).is_some_and(|before| before.ends_with('`'))
                    && text.get(tag.span.end..).is_some_and(|behind| behind.starts_with('`'));
                if let Some(is_mention) = self.are_mentions.get_mut(self.next).filter(|_| has_ticks) {
                    *is_mention = true;
                }
                self.next += 1;
                start = tag.span.end;
            }
            self.quotes(text.get(start..end).unwrap_or_default());
            start = end;
        }
    }

    /// Opens or closes a pair at each quote of the text that has no backslash.
    fn quotes(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(offset) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
            at += offset + 1;
            match bytes.get(at - 1) {
                Some(b'"') => Self::toggle(&mut self.quote, self.next, &mut self.are_mentions),
                _ => at += 1,
            }
        }
    }

    /// Opens a pair before the next tag, or closes it, with all tags since between its ends.
    fn toggle(open: &mut Option<usize>, next: usize, are_mentions: &mut [bool]) {
        match open.take() {
            None => *open = Some(next),
            Some(from) => are_mentions.iter_mut().take(next).skip(from).for_each(|is| *is = true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::reasoning::Tags;

    fn mentions(text: &str, outline: &Outline) -> Vec<bool> {
        find(text, &Tags::except(|_| false).find(text), outline)
    }

    #[test]
    fn tags_between_quotes_fences_and_backticks_are_mentions() {
        let none = Outline::default();
        for (text, expected) in [
            (r#"{"a": "x </think> y"}"#, vec![true]),
            (r#"["<think>", "</think>"] </think>"#, vec![true, true, false]),
            (r#""say \" </think> \"" </think>"#, vec![true, false]),
            ("\"Is it Lyon? </think>\nHe said \"no\"", vec![false]),
            ("```\n</think>\n```\n</think>", vec![true, false]),
            ("```\n</think>\nno end", vec![false]),
            ("I end with `</think>`, so </think>", vec![true, false]),
        ] {
            assert_eq!(mentions(text, &none), expected, "{text}");
        }
    }

    #[test]
    fn no_pair_goes_from_one_value_into_another() {
        let text = "a \" b </think> c \" d";
        assert_eq!(mentions(text, &Outline::default()), [true]);
        assert_eq!(mentions(text, &Outline::new(vec![0..6, 6..text.len()])), [false]);
    }
}
