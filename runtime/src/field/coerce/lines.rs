//! A list as models write it outside of JSON: a line for each item, or a word for none.

use serde_json::Value;

/// What a text says where a list is wanted.
#[derive(Debug, PartialEq)]
pub(super) enum Said<'t> {
    /// There are no items.
    Nothing,
    /// A line with a mark before it for each item.
    Items(Vec<&'t str>),
    /// Several lines that are no such list.
    Lines,
    /// One line.
    One,
}

/// What a text says where a list is wanted.
pub(super) fn said(text: &str) -> Said<'_> {
    let text = text.trim();
    if is_word_for_nothing(text) {
        return Said::Nothing;
    }
    match (items(text), text.contains(['\n', '\r'])) {
        (Some(items), _) => Said::Items(items),
        (None, true) => Said::Lines,
        (None, false) => Said::One,
    }
}

/// True for a text that says that there are no items.
pub(super) fn is_nothing(value: &Value) -> bool {
    value.as_str().is_some_and(|text| is_word_for_nothing(text.trim()))
}

fn is_word_for_nothing(text: &str) -> bool {
    let word = text.strip_suffix('.').unwrap_or(text);
    text.is_empty() || ["none", "null", "n/a"].iter().any(|nothing| word.eq_ignore_ascii_case(nothing))
}

/// The items of a Markdown list: at least two lines, each with `-`, `*` or `•` before it, or each with the next number. Where each item
/// is a JSON text, what stands between the quotes.
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

/// The mark before an item, or the sign behind its number, and the item.
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
    fn two_lines_or_more_with_marks_are_items() {
        for text in
            ["- a\n- b", "* a\n\n* b\n", "•a\r\n• b", "- a\n* b", "1. a\n2. b", " 1) a\n 2) b", "-\ta\n-  b"]
        {
            assert_eq!(said(text), Said::Items(vec!["a", "b"]), "{text:?}");
        }
    }

    #[test]
    fn lines_of_which_one_has_another_mark_or_none_are_no_list() {
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
            assert_eq!(said(text), Said::Lines, "{text:?}");
        }
        for text in ["- a", "1. a", "a", "NA", "nil", ".", "nothing", "none of them", "none.."] {
            assert_eq!(said(text), Said::One, "{text:?}");
        }
    }

    #[test]
    fn a_word_alone_or_no_text_at_all_is_no_item() {
        for text in ["", "  \n", "none", "None.", "NULL", "N/A", "n/a.", " none \n"] {
            assert_eq!(said(text), Said::Nothing, "{text:?}");
        }
    }
}
