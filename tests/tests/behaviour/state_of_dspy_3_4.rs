//! States of DSPy 3.4, with what 3.3 did not save: configured decisions, and programs that a model wrote.

use std::fs;

use karat::{Module, Predict, State};
use serde_json::{Value, json};

use crate::support::*;

fn entry() -> Value {
    let state = serde_json::to_value(Predict::<Qa>::new().dump_state()).unwrap();
    let mut entry = state.as_object().unwrap().clone();
    entry.remove("metadata");
    Value::Object(entry)
}

fn decisions() -> Value {
    json!({ "answer": { "criteria": { "yes": "It is so.", "no": null }, "weights": { "yes": 2.0, "no": 0.5 } } })
}

/// The predictor with what was loaded, and the warnings.
fn loaded(entry: Value) -> (karat::Result<Predict<Qa>>, Vec<String>) {
    let warnings = Warnings::default();
    let _guard = warnings.collect();
    let mut qa = Predict::<Qa>::new();
    let outcome = serde_json::from_value::<State>(entry).map(|state| qa.load_state(&state)).expect("a state");
    (outcome.map(|()| qa), warnings.texts())
}

#[test]
fn configured_decisions_are_kept_given_back_and_warned_of() {
    let mut file = entry();
    file["fields"] = decisions();
    let (qa, warnings) = loaded(file.clone());
    let qa = qa.unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].contains("answer") && warnings[0].contains("Qa"),
        "{warnings:?}"
    );
    let mut saved = serde_json::to_value(qa.dump_state()).unwrap();
    saved.as_object_mut().unwrap().remove("metadata");
    assert_eq!(saved, file);
    assert!(
        saved.to_string().find("\"fields\":{\"answer\"") < saved.to_string().find("\"lm\""),
        "in DSPy's order"
    );

    let copy = serde_json::to_value(qa.deepcopy().dump_state()).unwrap();
    assert_eq!(copy["fields"], decisions());
    assert!(serde_json::to_value(qa.reset_copy().dump_state()).unwrap().get("fields").is_none());
}

#[test]
fn without_decisions_there_is_no_key_for_them_and_an_empty_one_warns_of_nothing() {
    assert!(entry().get("fields").is_none());
    let mut file = entry();
    file["fields"] = json!({});
    let (qa, warnings) = loaded(file);
    assert!(qa.is_ok() && warnings.is_empty(), "{warnings:?}");
    for odd in [json!([]), json!("answer"), json!(3), Value::Null] {
        let mut file = entry();
        file["fields"] = odd.clone();
        let error = loaded(file).0.unwrap_err();
        assert!(error.is_state() && error.to_string().contains("`fields`"), "{odd}: {error}");
    }
}

#[test]
fn a_later_load_without_decisions_forgets_them() {
    let mut file = entry();
    file["fields"] = decisions();
    let mut qa = loaded(file).0.unwrap();
    qa.load_state(&serde_json::from_value(entry()).unwrap()).unwrap();
    assert!(serde_json::to_value(qa.dump_state()).unwrap().get("fields").is_none());
}

#[test]
fn a_flex_is_refused_by_name() {
    let flex = json!({ "module_src": "class Program(dspy.Module):\n    pass", "lm": null });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flex.json");
    let metadata = json!({ "dependency_versions": { "dspy": "3.4.1" } });
    for source in [flex["module_src"].clone(), Value::Null] {
        let file = json!({ "module_src": source, "lm": null, "metadata": metadata });
        fs::write(&path, file.to_string()).unwrap();
        let errors = [
            Predict::<Qa>::new().load(&path).unwrap_err(),
            TwoSteps::new().load(&path).unwrap_err(),
            best_two_steps().load(&path).unwrap_err(),
        ];
        for error in errors {
            assert!(error.is_state() && error.to_string().contains("dspy.Flex"), "{error}");
        }
    }
    // As the entry of a predictor of the program.
    let mut file = serde_json::to_value(TwoSteps::new().dump_state()).unwrap();
    file["query"] = flex.clone();
    fs::write(&path, file.to_string()).unwrap();
    let error = TwoSteps::new().load(&path).unwrap_err();
    assert!(error.to_string().contains("dspy.Flex") && error.predictor() == Some("query"), "{error}");
    // As one that the program does not have.
    let mut file = serde_json::to_value(TwoSteps::new().dump_state()).unwrap();
    file["writer"] = flex;
    fs::write(&path, file.to_string()).unwrap();
    assert!(TwoSteps::new().load(&path).unwrap_err().to_string().contains("writer"));
    TwoSteps::new().load_state(&State::read(&path).unwrap().ignore_extra(true)).unwrap();
}

fn best_two_steps() -> karat::BestOfN<TwoSteps> {
    karat::BestOfN::new(TwoSteps::new(), 2, |_, _| true)
}
