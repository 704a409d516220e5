//! What the two parity tests share: the twins of DSPy's programs, and the difference of two JSON values.

pub mod programs;

use std::{
    fs,
    path::{Path, PathBuf},
};

use karat::Predictor;
use serde_json::{Map, Value, json};

use self::programs::Program;

/// `tests/parity`, the half of the proof that is Python.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity")
}

pub fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What DSPy loads from a program's state, in the form that `programs.py load` compares.
pub fn learned(program: &dyn Program) -> Value {
    let of = |predictor: &Predictor| {
        let (inputs, outputs) = predictor.field_names();
        let names = inputs.into_iter().chain(outputs);
        let descriptions: Map<_, _> =
            names.map(|name| (name.to_owned(), predictor.description(name).into())).collect();
        let demos: Vec<_> = predictor.demos().iter().map(|demo| predictor.dump_demo(demo)).collect();
        json!({ "instructions": predictor.instructions(), "descriptions": descriptions, "demos": demos })
    };
    let predictors = program.named_predictors().into_iter();
    Value::Object(predictors.map(|(path, predictor)| (path, of(predictor))).collect())
}

/// What a state file says, without what its writer alone knows: versions, and the names that karat adds to fields.
pub fn state(file: &Value) -> Value {
    let mut value = file.clone();
    value.as_object_mut().expect("an object").remove("metadata");
    without_names(&mut value);
    value
}

/// The state without the addresses of LMs, which are not trusted.
pub fn without_addresses(mut state: Value) -> Value {
    for entry in state.as_object_mut().into_iter().flatten() {
        if let Some(Value::Object(lm)) = entry.1.get_mut("lm") {
            lm.remove("api_base");
        }
    }
    state
}

fn without_names(value: &mut Value) {
    let Value::Object(object) = value else { return };
    if let Some(Value::Array(fields)) = object.get_mut("fields") {
        fields.iter_mut().filter_map(Value::as_object_mut).for_each(|field| drop(field.remove("name")));
        return;
    }
    for (key, value) in object {
        // What stands in demos is the user's own.
        if key != "demos" {
            without_names(value);
        }
    }
}

/// Every place where two values differ. 1 and 1.0 are two values, and so are 0.0 and -0.0; the order of keys does not count.
pub fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut all = Vec::new();
    differ(expected, found, "", &mut all);
    all
}

pub fn assert_same(what: &str, expected: &Value, found: &Value) {
    let all = differences(expected, found);
    assert!(all.is_empty(), "{what}:\n{}", all.join("\n"));
}

fn differ(expected: &Value, found: &Value, at: &str, all: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                match found.get(key) {
                    Some(found) => differ(value, found, &format!("{at}/{key}"), all),
                    None => all.push(format!("{at}/{key}: missing, expected {value}")),
                }
            }
            let more = found.iter().filter(|(key, _)| !expected.contains_key(*key));
            all.extend(more.map(|(key, value)| format!("{at}/{key}: not expected, found {value}")));
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                differ(expected, found, &format!("{at}/{index}"), all);
            }
        }
        // As text, where every digit shows.
        _ if expected.to_string() != found.to_string() => {
            all.push(format!("{at}: expected {expected}, found {found}"));
        }
        _ => {}
    }
}
