//! Tests the rows of docs/constraints.md.

use std::{collections::HashSet, num::NonZeroU32};

use karat::{Predict, signature};

fn is_even(number: &u8) -> bool {
    number.is_multiple_of(2)
}

fn fits(text: &str) -> Result<(), String> {
    if text.contains('!') { Err("no exclamation marks".into()) } else { Ok(()) }
}

/// Returns the type of a field in words, and the outcome of an answer.
macro_rules! row {
    ($field:expr, $answer:expr, $(#[$($rules:tt)*] $ty:ty;)*) => {{
        let squeezed = |text: &str| text.replace([' ', '\n'], "");
        $(if squeezed($field) == squeezed(stringify!(#[$($rules)*] $ty)) {
            #[signature]
            struct One {
                #[$($rules)*]
                value: $ty,
            }
            let predict = Predict::<One>::new();
            let type_text = predict.predictor().task().outputs().next().unwrap().type_text().to_owned();
            let outcome = match predict.parse(&OneInput {}, &format!("[[ ## value ## ]]\n{}", $answer)) {
                Ok(output) => serde_json::to_string(&output.value).unwrap(),
                Err(error) if error.is_violation() => {
                    error.to_string().split_once("` ").map(|(_, rest)| rest.to_owned()).unwrap()
                }
                Err(error) => {
                    assert!(error.is_parse(), "{error:?}");
                    "cannot be read".to_owned()
                }
            };
            return (type_text, outcome);
        })*
        panic!("a row of another field: {}", $field)
    }};
}

fn row(field: &str, answer: &str) -> (String, String) {
    row!(field, answer,
        #[output(range(0..=10))] u8;
        #[output(range(0.0..1.0))] f64;
        #[output(range(exclusive_min = 0))] Option<f64>;
        #[output(length(max = 5))] String;
        #[output(length(1..=2))] Vec<u8>;
        #[output(inner(range(..=5)))] Vec<u8>;
        #[output(pattern = "^[a-z]+$")] String;
        #[output(one_of("red", "blue"))] String;
        #[output(one_of(1, 2, 4))] u8;
        #[output(check(is_even, "an even number"))] u8;
        #[output(check = fits)] String;
        #[output] NonZeroU32;
        #[output] HashSet<String>;
        #[output] u8;
    )
}

#[test]
fn the_rows_of_the_page_on_rules_are_true() {
    let page = include_str!("../../../docs/constraints.md");
    let mut count = 0;
    for line in page.lines().filter(|line| line.starts_with("| `#[output")) {
        let cells: Vec<_> = line.trim_matches(['|', ' ']).split(" | ").map(str::trim).collect();
        let [field, type_text, answer, outcome] = cells[..] else { panic!("{line}") };
        let found = row(field.trim_matches('`'), answer.trim_matches('`'));
        assert_eq!((found.0.as_str(), found.1.as_str()), (type_text, outcome), "{line}");
        count += 1;
    }
    assert_eq!(count, 18);
}
