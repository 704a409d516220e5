//! The label that DSPy derives from a field's name, by which its files know the field.

/// The prefix of a field in a state file, e.g. `Search Query:` for `search_query` and `searchQuery`.
///
/// The format is that of DSPy 3.3.1 (`infer_prefix`): words end at underscores, before capitals and around digits; a word
/// of capitals stays, any other is capitalized.
pub(super) fn prefix(name: &str) -> String {
    let name = split(name, |_, next, after| {
        next.is_ascii_uppercase() && after.is_some_and(|after| after.is_ascii_lowercase())
    });
    let name = split(&name, |before, next, _| {
        (before.is_ascii_lowercase() || before.is_ascii_digit()) && next.is_ascii_uppercase()
    });
    let name = split(&name, |before, next, _| before.is_ascii_alphabetic() && next.is_numeric());
    let name = split(&name, |before, next, _| before.is_numeric() && next.is_ascii_alphabetic());
    let words: Vec<_> = name.split('_').map(title).collect();
    words.join(" ") + ":"
}

/// The text with an underscore between two characters wherever the rule says so; it sees them and the one after.
fn split(text: &str, is_end: impl Fn(char, char, Option<char>) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut rest = text.chars().peekable();
    let mut before = None;
    while let Some(next) = rest.next() {
        if before.is_some_and(|before| is_end(before, next, rest.peek().copied())) {
            out.push('_');
        }
        out.push(next);
        before = Some(next);
    }
    out
}

fn title(word: &str) -> String {
    let mut cased = word.chars().filter(|c| c.is_uppercase() || c.is_lowercase()).peekable();
    if cased.peek().is_some() && cased.all(char::is_uppercase) {
        return word.into();
    }
    let mut letters = word.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters.flat_map(char::to_lowercase)).collect()
}

#[cfg(test)]
mod tests {
    use super::prefix;

    /// Each pair was printed by DSPy 3.3.1.
    #[test]
    fn prefixes_are_those_of_dspy() {
        for (name, expected) in include_str!("prefixes.txt").lines().filter_map(|line| line.split_once('\t'))
        {
            assert_eq!(prefix(name), format!("{expected}:"), "{name}");
        }
    }
}
