//! What a model writes to itself before it answers.

use crate::adapter::reasoning::TAGS;

/// The reasoning with which a model's text begins, if it does, and the answer behind it. Reasoning that does not end leaves
/// no answer. A tag of which `is_field` is true is the answer's own.
pub(super) fn split(text: &str, is_field: impl Fn(&str) -> bool) -> (Option<&str>, &str) {
    let start = text.trim_start();
    let parts =
        TAGS.iter().filter(|(open, _)| !is_field(open.trim_matches(['<', '>']))).find_map(|(open, close)| {
            let inside = start.strip_prefix(open)?;
            Some(inside.split_once(close).unwrap_or((inside, "")))
        });
    match parts {
        Some((reasoning, answer)) => (Some(reasoning.trim()), answer),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    fn split(text: &str) -> (Option<&str>, &str) {
        super::split(text, |_| false)
    }

    #[test]
    fn a_fields_own_tag_begins_no_reasoning() {
        let text = "<reasoning>a</reasoning><answer>b</answer>";
        assert_eq!(super::split(text, |name| name == "reasoning"), (None, text));
    }

    #[test]
    fn reasoning_is_what_the_text_begins_with_between_its_tags() {
        assert_eq!(split("<think>\na {\"x\": 1}\n</think>\n\nParis"), (Some("a {\"x\": 1}"), "\n\nParis"));
        assert_eq!(split("  <thinking>a</thinking>b"), (Some("a"), "b"));
        assert_eq!(split("<think>no end"), (Some("no end"), ""));
        assert_eq!(split("Use <think>a</think>."), (None, "Use <think>a</think>."));
    }
}
