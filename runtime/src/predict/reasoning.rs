//! What a model writes to itself before it answers.

/// The tags between which models put their reasoning.
const TAGS: [(&str, &str); 3] =
    [("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>")];

/// The reasoning with which a model's text begins, if it does, and the answer behind it. Reasoning that does not end leaves
/// no answer.
pub(super) fn split(text: &str) -> (Option<&str>, &str) {
    let start = text.trim_start();
    let parts = TAGS.iter().find_map(|(open, close)| {
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
    use super::split;

    #[test]
    fn reasoning_is_what_the_text_begins_with_between_its_tags() {
        assert_eq!(split("<think>\na {\"x\": 1}\n</think>\n\nParis"), (Some("a {\"x\": 1}"), "\n\nParis"));
        assert_eq!(split("  <thinking>a</thinking>b"), (Some("a"), "b"));
        assert_eq!(split("<think>no end"), (Some("no end"), ""));
        assert_eq!(split("Use <think>a</think>."), (None, "Use <think>a</think>."));
    }
}
