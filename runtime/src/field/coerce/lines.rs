//! Parses lists as models write them outside of JSON: one line for each item, or a word for an empty list.

use serde_json::Value;

/// A text that stands where a list is wanted.
#[derive(Debug, PartialEq)]
pub(super) enum ListText<'t> {
    /// An empty text, or a word for an empty list.
    Empty,
    /// A Markdown or numbered list, one item a line.
    Items(Vec<&'t str>),
    /// Several lines that are no such list.
    Lines,
    /// One line.
    OneLine,
}

/// Classifies a text that stands where a list is wanted.
pub(super) fn classify(text: &str) -> ListText<'_> {
    let text = text.trim();
    if is_word_for_nothing(text) {
        return ListText::Empty;
    }
    match (items(text), text.contains(['\n', '\r'])) {
        (Some(items), _) => ListText::Items(items),
        (None, true) => ListText::Lines,
        (None, false) => ListText::OneLine,
    }
}

/// True for an empty text or a word for an empty list.
pub(super) fn is_nothing(value: &Value) -> bool {
    value.as_str().is_some_and(|text| is_word_for_nothing(text.trim()))
}

fn is_word_for_nothing(text: &str) -> bool {
    let word = text.strip_suffix('.').unwrap_or(text);
    text.is_empty() || ["none", "null", "n/a"].iter().any(|nothing| word.eq_ignore_ascii_case(nothing))
}

/// Splits a Markdown list into its items: at least two lines, each behind `-`, `*` or `•`, or each behind the next number.
pub(crate) fn items(text: &str) -> Option<Vec<&str>> {
    let lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    let mut kind = None;
    let mut items = Vec::new();
    for (index, line) in lines.enumerate() {
        let (mark, item) = marked(line, index + 1)?;
        if *kind.get_or_insert(mark) != mark || item.is_empty() {
            return None;
        }
        items.push(item);
    }
    (items.len() > 1).then_some(items)
}

/// Splits a line into the item and its mark: the sign before it, or the sign behind its number.
fn marked(line: &str, number: usize) -> Option<(char, &str)> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (before, rest) = line.split_at(digits);
    let mark = rest.chars().next()?;
    let item = rest.get(mark.len_utf8()..)?;
    let kind = if digits == 0 { '-' } else { mark };
    let is_mark = match before {
        "" => matches!(mark, '-' | '*' | '•'),
        before => matches!(mark, '.' | ')') && before.parse() == Ok(number),
    };
    // `-5` and `1.5` are numbers.
    (is_mark && (mark == '•' || item.starts_with(char::is_whitespace))).then_some((kind, item.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_or_more_lines_with_marks_are_items() {
        for text in
            ["- a\n- b", "* a\n\n* b\n", "•a\r\n• b", "- a\n* b", "1. a\n2. b", " 1) a\n 2) b", "-\ta\n-  b"]
        {
            assert_eq!(classify(text), ListText::Items(vec!["a", "b"]), "{text:?}");
        }
    }

    #[test]
    fn lines_with_different_marks_or_without_one_are_no_list() {
        for text in [
            "a\nb",
            "- a\nb",
            "Here:\n- a\n- b",
            "1. a\n3. b",
            "1. a\n1. b",
            "2. a\n3. b",
            "1. a\n2) b",
            "-5\n-7",
            "1.5\n2.5",
            "- a\n-",
            "**a**\n**b**",
            "- a\n  goes on",
        ] {
            assert_eq!(classify(text), ListText::Lines, "{text:?}");
        }
        for text in ["- a", "1. a", "a", "NA", "nil", ".", "nothing", "none of them", "none.."] {
            assert_eq!(classify(text), ListText::OneLine, "{text:?}");
        }
    }

    #[test]
    fn a_word_for_nothing_or_an_empty_text_is_no_item() {
        for text in ["", "  \n", "none", "None.", "NULL", "N/A", "n/a.", " none \n"] {
            assert_eq!(classify(text), ListText::Empty, "{text:?}");
        }
    }
}
