//! Checks that a state from any source is loaded whole or not at all.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use karat::{ChainOfThought, Module, State, signature};

use crate::{hostile, valid};

/// Answer.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

static FRESH: LazyLock<(ChainOfThought<Qa>, State, String)> = LazyLock::new(|| {
    let demo = Qa { question: "q".into(), answer: "a".into() };
    let module = ChainOfThought::<Qa>::new().demo(demo);
    let state = module.dump_state();
    let text = serde_json::to_string(&state).unwrap();
    (module, state, text)
});

/// Loads a text as a state.
pub fn check(bytes: &[u8]) {
    let (fresh, before, saved) = &*FRESH;
    let Some((first, rest)) = bytes.split_first() else { return };
    let text = match first % 3 {
        0 => String::from_utf8_lossy(rest).into_owned(),
        _ => damaged(saved, &mut Unstructured::new(rest)).unwrap_or_default(),
    };
    let Ok(state) = serde_json::from_str::<State>(&text) else { return };
    let mut module = fresh.clone();
    match module.load_state(&state) {
        Err(_) => assert_eq!(&module.dump_state(), before, "{text}: a part of it was loaded"),
        Ok(()) => {
            let dumped = module.dump_state();
            let written = serde_json::to_string(&dumped).unwrap();
            let again: State =
                serde_json::from_str(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
            let mut other = fresh.clone();
            other.load_state(&again).unwrap_or_else(|error| panic!("{text}: {written}: {error}"));
            assert_eq!(other.dump_state(), dumped, "{text}");
        }
    }
}

/// Replaces some values of a saved state.
fn damaged(saved: &str, u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = saved.to_owned();
    for _ in 0..u.int_in_range(0..=3)? {
        let values: Vec<_> = text.match_indices([':', ',', '[', '{']).map(|(at, _)| at + 1).collect();
        let Some(at) = values.get(u.choose_index(values.len().max(1))?).copied() else { break };
        let end = text[at..].find([',', '}', ']', ':']).map_or(text.len(), |end| at + end);
        let with = match u.int_in_range(0..=5)? {
            0 => String::new(),
            1 => hostile::one(u, &["null", "true", "[]", "{}", "\"\"", "-1", "1e308"])?.to_owned(),
            2 => serde_json::to_string(&hostile::text(u, 3)?).unwrap(),
            3 => format!("{},{}", valid::text(u)?, &text[at..end]),
            4 => format!("\"answer\":{},{}", valid::text(u)?, &text[at..end]),
            _ => valid::text(u)?,
        };
        text.replace_range(at..end, &with);
    }
    Ok(text)
}
