//! What a model writes to itself is taken off the beginning of its text, and nothing else is.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use karat::{Predict, signature};

use crate::{hostile, whole::Whole};

#[signature]
struct Echo {
    #[input]
    none: (),
    #[output]
    text: String,
}

const PIECES: &[&str] = &[
    "<think>",
    "</think>",
    "<thinking>",
    "</thinking>",
    "<reasoning>",
    "</reasoning>",
    "<think",
    "</",
    " ",
    "\n",
    "\u{feff}",
    "own words",
    "🦀",
];

/// Takes the reasoning off a text.
pub fn check(bytes: &[u8]) {
    static READER: LazyLock<Predict<Echo>> =
        LazyLock::new(|| Predict::new().adapter(Whole::without_reasoning()));
    let mut u = Unstructured::new(bytes);
    let text = match u.arbitrary() {
        Ok(true) => hostile::either(u.take_rest()),
        _ => {
            let count = u.int_in_range(0..=12).unwrap_or(0);
            (0..count).filter_map(|_| u.choose(PIECES).ok().copied()).collect()
        }
    };
    let read = READER.parse(&EchoInput { none: () }, &text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let answer = read.text;
    let start = text.trim_start();
    let tag =
        ["think", "thinking", "reasoning"].into_iter().find(|tag| start.starts_with(&format!("<{tag}>")));
    let Some(tag) = tag else {
        assert_eq!(answer, text, "text without reasoning at its beginning");
        return;
    };
    assert!(text.ends_with(&answer), "{text}: {answer}");
    let close = format!("</{tag}>");
    let taken = &text[..text.len() - answer.len()];
    match start.contains(&close) {
        true => assert_eq!(taken.matches(&close).count(), 1, "{text}: {answer}"),
        false => assert_eq!(answer, "", "{text}: reasoning without an end is no answer"),
    }
}
