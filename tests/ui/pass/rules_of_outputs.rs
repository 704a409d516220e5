//! What the values of outputs have to keep: every word, constants, fns at any path, names that shadow.
#![deny(warnings, missing_docs, unreachable_pub, rust_2018_idioms)]

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

const LEAST: u8 = 1;
const NAMES: &str = "^[A-Z]";
const LONGEST: usize = 40;
const OTHER: &str = "other";

mod checks {
    pub(crate) fn is_short(text: &str) -> bool {
        text.len() < 9
    }

    pub(crate) struct Limit;

    impl Limit {
        pub(crate) fn holds<const MOST: usize>(items: &[String]) -> Result<(), super::TooMany> {
            if items.len() > MOST { Err(super::TooMany) } else { Ok(()) }
        }
    }
}

struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many")
    }
}

fn has_votes(votes: &Votes) -> Result<(), String> {
    if votes.0 > 0 { Ok(()) } else { Err("nobody voted".into()) }
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Votes(u32);

/// Everything.
#[karat::signature]
struct Everything {
    #[input]
    text: String,
    /// a score
    #[output(range(LEAST..=10), desc = "points", alias = "points")]
    score: u8,
    #[output(range(min = -0.5, exclusive_max = 5_000_000_000))]
    share: Option<f64>,
    #[output(range(0..), default)]
    large: u64,
    #[output(length(max = LONGEST), pattern = NAMES, check = checks::is_short)]
    name: String,
    #[output(length(..=3), inner(length(1..=8), pattern = r"^\w+$", one_of("a", 'b', OTHER)), check(checks::Limit::holds::<2>, "few"))]
    tags: Vec<String>,
    #[output(inner(inner(range(..=3))))]
    table: Vec<Vec<i64>>,
    #[output(length(equal = 1))]
    counts: BTreeMap<String, u8>,
    #[output(length(2..,), default)]
    set: HashSet<String>,
    #[output(range(1..=9), check = has_votes)]
    votes: Votes,
    #[output(one_of(1, -2, 3.5, 18_446_744_073_709_551_615,))]
    factor: f64,
}

/// Names of the expansion as names of the user.
#[karat::signature]
struct Shadowed {
    #[output(check = __r, range(__v()..=3))]
    value: u8,
}

fn __r(value: &u8) -> bool {
    *value > 0
}

fn __v() -> u8 {
    1
}

macro_rules! rated {
    ($name:ident, $ty:ty, $most:expr, $pattern:literal, $check:path) => {
        /// Rated.
        #[karat::signature]
        struct $name {
            #[output(range(0..=$most))]
            value: $ty,
            #[output(pattern = $pattern, check = $check, one_of("cd", $pattern))]
            name: Option<String>,
        }
    };
}

rated!(Rated, Option<u8>, 5, "ab", checks::is_short);

fn main() {
    let lm = karat::ScriptedLm::new([
        "[[ ## score ## ]]\n3\n[[ ## share ## ]]\n1\n[[ ## name ## ]]\nAda\n[[ ## tags ## ]]\n[a]\n[[ ## table ## ]]\n[[1], \
         [2]]\n[[ ## counts ## ]]\n{\"a\": 1}\n[[ ## votes ## ]]\n1\n[[ ## factor ## ]]\n3.5",
    ]);
    let everything = karat::Predict::<Everything>::new().lm(&lm.lm());
    let call = karat::blocking::call(&everything, EverythingInput { text: "x".into() });
    let output = call.unwrap();
    assert_eq!((output.score, output.tags.len(), output.votes.0, output.factor), (3, 1, 1, 3.5));
    let shadowed = karat::Predict::<Shadowed>::new();
    assert!(shadowed.parse(&ShadowedInput {}, "[[ ## value ## ]]\n4").unwrap_err().is_violation());
    let rated = karat::Predict::<Rated>::new();
    assert!(rated.parse(&RatedInput {}, "[[ ## value ## ]]\n6").unwrap_err().is_violation());
    assert_eq!(rated.parse(&RatedInput {}, "[[ ## name ## ]]\nab").unwrap().name.as_deref(), Some("ab"));
}
