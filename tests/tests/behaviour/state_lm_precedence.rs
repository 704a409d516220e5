//! Which LM a predictor has after a load, the program's or the state's; and the warning where several answers are asked for.

use std::time::Duration;

use karat::{Cache, Lm, Module, Predict, Retry, State};
use serde_json::{Value, json};

use super::{
    state::{program, state},
    state_lm::{LM, with_lm},
};
use crate::support::*;

#[tokio::test]
async fn an_lm_that_the_program_has_set_stays_with_all_that_it_has() {
    let cache = Cache::memory();
    let own =
        paris().lm().cache(cache.clone()).deadline(Duration::from_secs(7)).retry(Retry::new().attempts(9));
    let state = state(&with_lm(LM));
    let mut by_set_lm = program();
    by_set_lm.set_lm(&own);
    let mut by_lm = program();
    by_lm.query = Predict::new().lm(&own);
    for program in [&mut by_set_lm, &mut by_lm] {
        program.load_state(&state).unwrap();
        assert!(program.query.predictor().lm() == Some(&own));
        assert_eq!(program.query.predictor().instructions(), "Ask in Spanish.", "the rest is loaded");
        // A copy has it as the module has.
        let mut copy = program.deepcopy();
        copy.load_state(&state).unwrap();
        assert!(copy.query.predictor().lm() == Some(&own));
        program.load_state(&state.clone().take_lm(true)).unwrap();
        assert_eq!(program.query.predictor().lm().unwrap().name(), "openai/gpt-4o-mini");
    }
}

#[test]
fn an_lm_that_a_file_brought_gives_way_to_the_next_files_and_to_the_programs() {
    let named = |model: &str| state(&with_lm(&json!({ "model": model }).to_string()));
    let mut program = program();
    let name =
        |program: &super::state::Program| program.query.predictor().lm().map(|lm| lm.name().to_owned());
    program.load_state(&named("openai/one")).unwrap();
    program.load_state(&named("openai/two")).unwrap();
    assert_eq!(name(&program).as_deref(), Some("openai/two"));
    let mut copy = program.deepcopy();
    copy.load_state(&named("openai/three")).unwrap();
    assert_eq!(name(&copy).as_deref(), Some("openai/three"));
    program.set_lm(&Lm::new("openai/own").unwrap());
    program.load_state(&named("openai/three")).unwrap();
    assert_eq!(name(&program).as_deref(), Some("openai/own"));
    // Where the program takes its own away, there is room for a file's.
    let mut program = program.reset_copy();
    program.load_state(&named("openai/four")).unwrap();
    assert_eq!(name(&program).as_deref(), Some("openai/four"));
}

#[test]
fn of_two_predictors_the_one_without_an_lm_takes_the_files() {
    let mut json = with_lm(LM);
    json["answer.predict"]["lm"] = json["query"]["lm"].clone();
    let own = answers([]).lm();
    let mut program = program();
    program.query = Predict::new().lm(&own);
    program.load_state(&state(&json)).unwrap();
    assert!(program.query.predictor().lm() == Some(&own));
    assert_eq!(program.answer.predict().predictor().lm().unwrap().name(), "openai/gpt-4o-mini");
    // Both take it, and then have one between them.
    program.load_state(&state(&json).take_lm(true)).unwrap();
    assert!(program.query.predictor().lm() == program.answer.predict().predictor().lm());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    std::fs::write(&path, json.to_string()).unwrap();
    let mut fresh = self::program();
    fresh.set_lm(&own);
    fresh.load(&path).unwrap();
    assert!(fresh.get_lm().unwrap() == Some(own));
    fresh.load_state(&State::read(&path).unwrap().take_lm(true)).unwrap();
    assert_eq!(fresh.query.predictor().lm().unwrap().name(), "openai/gpt-4o-mini");
}

#[tokio::test]
async fn several_completions_without_a_temperature_above_0_are_warned_of_once() {
    let warned = async |lm: Lm, calls: usize| {
        let warnings = Warnings::default();
        let _guard = warnings.collect();
        for _ in 0..calls {
            let _ = lm.clone().complete(hi("hi")).await;
        }
        warnings.texts().iter().filter(|text| text.contains("several completions")).count()
    };
    let n = |lm: Lm, n: u32| lm.param("n", n);
    let lm = || answers(["a", "b", "c"]).lm();
    assert_eq!(warned(n(lm(), 2), 3).await, 1, "unset, and once for all clones");
    assert_eq!(warned(n(lm().temperature(0.0), 2), 3).await, 1);
    assert_eq!(warned(n(lm().param("temperature", 0), 2), 1).await, 1);
    assert_eq!(warned(lm().param("extra_body", json!({"n": 3})), 1).await, 1);
    for quiet in [
        n(lm().temperature(0.7), 2),
        n(lm().param("temperature", 0.7), 2),
        n(lm().temperature(0.0), 1),
        n(lm(), 2).param("n", Value::Null),
        lm().temperature(0.0),
        lm(),
    ] {
        assert_eq!(warned(quiet, 2).await, 0);
    }
}
