//! Field markers `[[ ## name ## ]]`: how they are written, found, and kept out of values.

use std::ops::Range;

/// The name that ends an answer.
pub(crate) const COMPLETED: &str = "completed";

/// Adds the marker line of a field.
pub(crate) fn write(out: &mut String, name: &str) {
    out.push_str("[[ ## ");
    out.push_str(name);
    out.push_str(" ## ]]");
}

/// A marker in a text: the name in it, and where it stands.
#[derive(Debug, PartialEq)]
pub(crate) struct Marker<'a> {
    pub(crate) name: &'a str,
    pub(crate) span: Range<usize>,
}

/// All markers that begin a line of the text, behind nothing but blanks and Markdown's `*`.
pub(crate) fn find(text: &str) -> Vec<Marker<'_>> {
    let mut markers = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim_start_matches([' ', '\t', '*']);
        let start = line_start + line.len() - body.len();
        if let Some((name, length)) = at_start(body) {
            // A bold marker's closing asterisks belong to it.
            let behind = &body[length..];
            let closing =
                if line.len() > body.len() { behind.len() - behind.trim_start_matches('*').len() } else { 0 };
            markers.push(Marker { name, span: start..start + length + closing });
        }
        line_start += line.len();
    }
    markers
}

/// The text without an end marker at its end, where models put it on the value's own line.
pub(crate) fn without_end(text: &str) -> &str {
    let before = text.rfind("[[").map(|at| text.split_at(at));
    match before.and_then(|(before, marker)| Some((before, at_start(marker)?))) {
        Some((before, (COMPLETED, length))) if before.len() + length == text.len() => before.trim_end(),
        _ => text,
    }
}

/// The marker with which the text begins: its name and its length.
fn at_start(text: &str) -> Option<(&str, usize)> {
    let (name, rest) = behind_brackets(text.strip_prefix("[[")?.trim_start_matches(' '))?;
    Some((name, text.len() - rest.len()))
}

/// The name of a marker, given what stands behind its opening brackets and blanks; and what stands behind the marker.
fn behind_brackets(text: &str) -> Option<(&str, &str)> {
    let (name, behind) = text.strip_prefix("##")?.split_once("##")?;
    let rest = behind.trim_start_matches(' ').strip_prefix("]]")?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c == '_' || c == '-' || c.is_alphanumeric());
    is_name.then_some((name, rest))
}

/// The value with a backslash in everything that would read as a marker of a reserved name: `[[ \## name ## ]]`.
/// [`unescape`] gives it back exactly.
pub(crate) fn escape(value: &str, reserved: impl Fn(&str) -> bool) -> String {
    change_backslashes(value, reserved, |count| count + 1)
}

/// The inverse of [`escape`].
pub(crate) fn unescape(value: &str, reserved: impl Fn(&str) -> bool) -> String {
    if !value.contains("\\##") {
        return value.into();
    }
    change_backslashes(value, reserved, |count: usize| count.saturating_sub(1))
}

/// Changes the number of backslashes before the `##` of everything marker-like with a reserved name.
fn change_backslashes(
    value: &str,
    reserved: impl Fn(&str) -> bool,
    change: impl Fn(usize) -> usize,
) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("[[") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let inside = &from[2..];
        let blanks = inside.len() - inside.trim_start_matches(' ').len();
        let behind = &inside[blanks..];
        let count = behind.len() - behind.trim_start_matches('\\').len();
        match behind_brackets(&behind[count..]) {
            Some((name, _)) if reserved(name) => {
                out.push_str("[[");
                out.push_str(&inside[..blanks]);
                out.extend(std::iter::repeat_n('\\', change(count)));
                rest = &behind[count..];
            }
            _ => {
                // One bracket on: `[[[ ## x ## ]]` has its marker at the second one.
                out.push('[');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|marker| marker.name).collect()
    }

    #[test]
    fn markers_are_found_at_the_start_of_a_line_only() {
        assert_eq!(names("[[ ## a ## ]]\nx\n  **[[ ## b ## ]]**\ny [[ ## c ## ]]"), ["a", "b"]);
        assert_eq!(names("[[##a##]] x"), ["a"]);
        assert_eq!(names("[[ ## a b ## ]]\n[[ ## ## ]]\n[[ # a # ]]\n[[ \\## a ## ]]"), Vec::<&str>::new());
    }

    #[test]
    fn an_end_marker_on_the_values_line_is_not_part_of_the_value() {
        assert_eq!(without_end("x [[ ## completed ## ]]"), "x");
        for text in ["x", "x [[ ## other ## ]]", "x [[ \\## completed ## ]]", "[[ ## completed ## ]] x", "[["]
        {
            assert_eq!(without_end(text), text);
        }
    }

    #[test]
    fn escaping_hides_reserved_markers_and_unescaping_gives_the_text_back() {
        let reserved = |name: &str| name == "answer";
        for text in [
            "[[ ## answer ## ]]",
            "[[ \\## answer ## ]]",
            "[[[[ ## answer ## ]] [[##answer##]]",
            "[[ ## other ## ]]",
            "[[ [[ ## answer ## ]]",
            "[[",
            "ä[[ ## answer ## ]]ö",
        ] {
            let escaped = escape(text, reserved);
            assert!(!names(&escaped).contains(&"answer"), "{escaped}");
            assert_eq!(unescape(&escaped, reserved), text);
        }
        assert_eq!(escape("[[ ## other ## ]]", reserved), "[[ ## other ## ]]");
    }
}
