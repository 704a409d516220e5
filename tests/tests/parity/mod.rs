//! Helpers of the two parity tests: the twins of DSPy's programs, and the difference of two JSON values.

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

/// The golden files of DSPy's, a folder for each version that writes them in another way. The last one's count for the DSPy that runs.
pub const WRITERS: [&str; 2] = ["dspy", "dspy-3.4"];

/// Each of these folders with the programs that have a file there.
pub fn golden_of_dspy() -> Vec<(PathBuf, &'static str)> {
    let folders = WRITERS.map(|writer| folder().join("golden").join(writer));
    let of = |folder: PathBuf| {
        let names = programs::NAMES.into_iter().filter(|name| folder.join(format!("{name}.json")).exists());
        names.map(|name| (folder.clone(), name)).collect::<Vec<_>>()
    };
    folders.into_iter().flat_map(of).collect()
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
            names.map(|name| (name.to_string(), predictor.description(&name).into())).collect();
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

/// Asserts that each predictor's prompt has what `programs.py prompts` says: instructions, fields, demos.
pub fn assert_same_prompts(name: &str, program: &dyn Program, prompts: &Value) {
    let predictors = program.named_predictors();
    assert_eq!(predictors.len(), prompts.as_object().expect("an object").len(), "{name}");
    for (path, predictor) in predictors {
        let prompt = prompts.get(&path).unwrap_or_else(|| panic!("{name} has no `{path}`"));
        same_prompt(&format!("{name}, {path}"), predictor, prompt);
    }
}

fn same_prompt(at: &str, predictor: &Predictor, expected: &Value) {
    let task = predictor.task();
    assert_eq!(task.instructions(), expected["instructions"], "{at}");
    // karat shows a conversation's turns as messages of their own, not as a field.
    let fields = |role: &str| -> Vec<(&str, &str)> {
        let fields = expected[role].as_array().unwrap().iter();
        let fields =
            fields.map(|field| (field["name"].as_str().unwrap(), field["description"].as_str().unwrap()));
        fields.filter(|(name, _)| *name != "history").collect()
    };
    let inputs: Vec<_> = task.inputs().map(|field| (field.name(), field.description())).collect();
    let outputs: Vec<_> = task.outputs().map(|field| (field.name(), field.description())).collect();
    assert_eq!((&inputs, &outputs), (&fields("inputs"), &fields("outputs")), "{at}");

    let index_of = |demo| task.demos().iter().position(|other| std::ptr::eq(other, demo)).unwrap();
    let shown: Vec<_> = task.shown_demos().map(|(demo, complete)| (index_of(demo), complete)).collect();
    let demos = expected["demos"].as_array().unwrap();
    let order =
        demos.iter().map(|demo| (demo["demo"].as_u64().unwrap() as usize, demo["kind"] == "complete"));
    assert_eq!(shown, order.collect::<Vec<_>>(), "{at}");
    let left_out: Vec<_> =
        (0..task.demos().len()).filter(|index| !shown.iter().any(|(at, _)| at == index)).collect();
    assert_eq!(Value::from(left_out), expected["dropped"], "{at}");

    for ((demo, _), expected) in task.shown_demos().zip(demos) {
        let roles = [("inputs", &inputs, demo.inputs()), ("outputs", &outputs, demo.outputs())];
        for (role, fields, values) in roles {
            for ((field, _), value) in fields.iter().zip(values) {
                match value {
                    Some(Value::String(text)) => assert_eq!(expected[role][field], *text, "{at}"),
                    Some(_) => assert!(expected[role][field].is_string(), "{at}, `{field}`"),
                    None if role == "inputs" => {
                        assert!(expected[role].get(field).is_none(), "{at}, `{field}`")
                    }
                    None => assert_eq!(
                        expected[role][field], "Not supplied for this particular example. ",
                        "{at}"
                    ),
                }
            }
        }
    }
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
        _ => {
            let [expected, found] = [expected, found].map(Value::to_string);
            if expected != found {
                all.push(format!("{at}: expected {expected}, found {found}"));
            }
        }
    }
}
