//! Text in prompts and messages.

use std::collections::HashMap;

use crate::error::Error;

/// The text with its middle cut out where it has more than `most` characters; the mark says how much is gone.
pub(crate) fn shortened(text: &str, most: usize) -> String {
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

/// What each of several things failed of, equal causes said once: `all 5: no connection`, or
/// `item 0: no answer; items 1, 2 and 4: no connection`. Of a cause that many share, the first few are named.
pub(crate) fn said_once<'e>(noun: &str, causes: impl IntoIterator<Item = (usize, &'e Error)>) -> String {
    let mut groups: Vec<(&Error, Vec<usize>)> = Vec::new();
    // By text, for there may be thousands of items and as many causes.
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, error) in causes {
        let group = *known.entry(error.cause()).or_insert(groups.len());
        match groups.get_mut(group) {
            Some((_, indices)) => indices.push(index),
            None => groups.push((error, vec![index])),
        }
    }
    let told = |(error, indices): &(&Error, Vec<usize>)| match indices.as_slice() {
        [only] => format!("{noun} {only}: {error}"),
        all if groups.len() == 1 => format!("all {}: {}", all.len(), error.cause()),
        several => format!("{}: {}", numbered(noun, several), error.cause()),
    };
    groups.iter().map(told).collect::<Vec<_>>().join("; ")
}

/// How many are named of those that share a cause.
const NAMED: usize = 10;

/// `item 3`, `items 1, 2 and 4`, `items 0, 1, .. (500 in all)`.
fn numbered(noun: &str, indices: &[usize]) -> String {
    let named: Vec<_> = indices.iter().take(NAMED).map(ToString::to_string).collect();
    match named.as_slice() {
        _ if indices.len() > NAMED => format!("{noun}s {}, .. ({} in all)", named.join(", "), indices.len()),
        [others @ .., last] => format!("{noun}s {} and {last}", others.join(", ")),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_causes_are_said_once() {
        let (down, odd) = (Error::parse("down"), Error::parse("odd"));
        let told = |errors: &[&Error]| said_once("item", errors.iter().copied().enumerate());
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[&down]), "item 0: down");
        assert_eq!(told(&[&down; 5]), "all 5: down");
        assert_eq!(told(&[&down, &odd, &down]), "items 0 and 2: down; item 1: odd");
        assert_eq!(told(&[&odd, &down, &down, &down]), "item 0: odd; items 1, 2 and 3: down");
        let mut many = vec![&down; 1000];
        many.push(&odd);
        let text = told(&many);
        assert_eq!(text, "items 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, .. (1000 in all): down; item 1000: odd");
    }

    #[test]
    fn long_text_is_cut_in_the_middle_with_a_mark() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("äbcdefg", 4), "äb [... 3 characters cut ...] fg");
    }
}
