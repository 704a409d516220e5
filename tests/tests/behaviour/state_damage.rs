//! Damaged state files: each is an error that leaves the module as it was, or a state that is what the file says.

use std::{
    cell::Cell,
    fs, io,
    path::Path,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

use karat::{ChainOfThought, Error, Module, Param, Predict, Prediction, Reasoned, Result, State, module};
use serde_json::{Map, Value, json};

use crate::support::*;

#[module]
struct Program {
    limits: Param<Vec<f64>>,
    query: Predict<MakeQuery>,
    answer: ChainOfThought<Qa>,
}

#[module]
impl Program {
    async fn forward(&self, input: QaInput) -> Result<Prediction<Reasoned<QaOutput>>> {
        self.answer.call(input).await
    }
}

fn program() -> Program {
    Program { limits: Param::new(vec![]), query: Predict::new(), answer: ChainOfThought::new() }
}

/// A small state with something of everything.
fn small() -> Value {
    let mut program = program();
    program.limits.set(vec![1.5, -2e-7, 10.0]);
    program.query = Predict::new().instructions("Ask \u{e4}\u{1f600}.");
    program.answer =
        ChainOfThought::new().reasoned_demo("so", Qa { question: "q".into(), answer: "\n".into() });
    let mut json = serde_json::to_value(program.dump_state()).unwrap();
    json["query"]["lm"] = json!({"_dspy_lm_class": "dspy.clients.lm.LM", "model": "openai/x", "cache": false,
        "temperature": 0.5, "max_tokens": 9, "n": 2, "seed": 7, "stop": ["a"], "top_p": 0.25, "x": {"y": [true, null]}});
    json["query"]["traces"] = json!([[1, {"k": null}]]);
    json["query"]["demos"] = json!([{"question": "a", "query": {"b": [1]}, "augmented": true}]);
    json["metadata"]["dependency_versions"]["dspy"] = json!("3.3.1");
    json
}

/// Loads the bytes from a file. After an error the module is as it was; else its state is what the bytes say to a plain reader
/// of JSON.
fn outcome(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).unwrap();
    let text = String::from_utf8_lossy(bytes);
    let mut module = program();
    if let Err(error) = module.load(path) {
        assert!(error.is_state(), "{error:?}: {text}");
        assert!(error.to_string().len() < 6_000, "a message is for people");
        assert!(module.dump_state() == program().dump_state(), "nothing was changed: {text}");
        return Err(error);
    }
    let mut said: Map<String, Value> = serde_json::from_slice(bytes).expect("what was loaded is JSON");
    let mut loaded = serde_json::to_value(module.dump_state()).unwrap();
    said.remove("metadata");
    for (path, said) in &mut said {
        let loaded = loaded.get_mut(path).expect("every entry was loaded");
        if let Some(said) = said.as_object_mut() {
            let lm = said.remove("lm").unwrap_or_default();
            assert!(is_the_lm(&lm, &loaded["lm"]), "{lm} was loaded as {}", loaded["lm"]);
            loaded.as_object_mut().unwrap().remove("lm");
        }
        assert!(is_same(said, loaded), "{said} was loaded as {loaded}");
    }
    Ok(())
}

/// Equal, where 1 and 1.0 are one number, and null is one of the forms of no description.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        // What DSPy writes of a description that is `None` is loaded as none.
        (Value::Null, Value::String(placeholder)) => placeholder.starts_with("${"),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let has = |(key, left)| right.get(key).is_some_and(|right| is_same(left, right));
            left.len() == right.len() && left.iter().all(has)
        }
        _ => left == right,
    }
}

/// True if it is what was said, and otherwise DSPy's defaults.
fn is_the_lm(said: &Value, loaded: &Value) -> bool {
    let (Some(said), Some(loaded)) = (said.as_object(), loaded.as_object()) else { return said == loaded };
    let defaults = json!({"_dspy_lm_class": "dspy.clients.lm.LM", "model_type": "chat", "cache": true, "num_retries": 3,
        "finetuning_model": null, "launch_kwargs": {}, "train_kwargs": {}, "temperature": null, "max_tokens": null});
    let is_kept = |(key, said): (&String, &Value)| match (key.as_str(), loaded.get(key), said) {
        // One text to stop at may stand without a list, and no text is as no such key.
        ("stop", Some(loaded), Value::String(_)) => *loaded == json!([said]),
        ("stop", None, Value::Array(said)) => said.is_empty(),
        (_, loaded, _) => loaded.is_some_and(|loaded| is_same(said, loaded)),
    };
    let is_said = |(key, loaded): (&String, _)| said.contains_key(key) || defaults.get(key) == Some(loaded);
    said.iter().all(is_kept) && loaded.iter().all(is_said)
}

#[test]
fn a_file_cut_off_at_any_byte_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    let bytes = small().to_string().into_bytes();
    outcome(&path, &bytes).unwrap();
    for end in 0..bytes.len() {
        outcome(&path, &bytes[..end]).unwrap_err();
    }
    // As it is written, and longer than any buffer.
    let demo = |index: usize| Qa { question: format!("{index} ä"), answer: "x".repeat(30) };
    let mut large = program();
    large.answer = ChainOfThought::new().demos((0..500).map(demo).collect());
    large.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 32 * 1024);
    for end in (0..bytes.len() - 1).step_by(64) {
        let error = outcome(&path, &bytes[..end]).unwrap_err();
        assert!(end == 0 || error.to_string().contains("cut off"), "{end}: {error}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_or_loaded_as_the_file_now_says() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = small().to_string().into_bytes();
    let (loaded, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for bits in [0..4, 4..8] {
            let path = folder.path().join(format!("{}.json", bits.start));
            let (mut bytes, loaded, refused) = (bytes.clone(), &loaded, &refused);
            scope.spawn(move || {
                for (index, bit) in
                    (0..bytes.len()).flat_map(|index| bits.clone().map(move |bit| (index, bit)))
                {
                    bytes[index] ^= 1 << bit;
                    let count = if outcome(&path, &bytes).is_ok() { loaded } else { refused };
                    count.fetch_add(1, Ordering::Relaxed);
                    bytes[index] ^= 1 << bit;
                }
            });
        }
    });
    assert_eq!(loaded.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed), 8 * bytes.len());
    assert!(loaded.into_inner() > 100 && refused.into_inner() > 100);
}

/// A pointer to each node.
fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| pointers(item, format!("{at}/{index}"), found));
        }
        Value::Object(object) => {
            object.iter().for_each(|(key, item)| pointers(item, format!("{at}/{key}"), found))
        }
        _ => {}
    }
    found.push(at);
}

#[test]
fn a_wrong_type_is_an_error_with_its_place_or_loaded_as_the_file_now_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    let mut all = Vec::new();
    pointers(&small(), String::new(), &mut all);
    assert!(all.len() > 60);
    for pointer in all {
        let entry = pointer.split('/').nth(1).unwrap_or_default();
        for wrong in
            [json!(null), json!(true), json!(1), json!(-1.5), json!(""), json!("x"), json!([]), json!({})]
        {
            let mut json = small();
            *json.pointer_mut(&pointer).unwrap() = wrong;
            let Err(error) = outcome(&path, json.to_string().as_bytes()) else { continue };
            assert!(
                !pointer.contains("/demos/0/") && !pointer.contains("/traces/"),
                "any value may stand here"
            );
            let is_whole = matches!(entry, "" | "metadata");
            assert!(is_whole || error.predictor() == Some(entry), "{pointer}: {error}");
        }
        let mut json = small();
        let (above, key) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(Value::Object(above)) = json.pointer_mut(above) {
            above.remove(key);
            above.insert("new".into(), json!(1));
            let _ = outcome(&path, json.to_string().as_bytes());
        }
    }
}

#[test]
fn a_bare_predictors_file_says_where_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    for (key, wrong, words) in [
        ("demos", json!(null), "a list at `demos`, found null"),
        ("signature", json!(1), "`signature` should be an object, found a number"),
        ("signature", json!({}), "a text at `signature.instructions`"),
        ("extended_signature", json!({}), "DSPy 2.5"),
        ("colour", json!(1), "`colour`"),
    ] {
        let mut json = serde_json::to_value(Predict::<Qa>::new().dump_state()).unwrap();
        json[key] = wrong;
        fs::write(&path, json.to_string()).unwrap();
        let error = Predict::<Qa>::new().load(&path).unwrap_err();
        assert!(error.predictor() == Some("self") && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_key_twice_is_an_error_at_every_level() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    let text = small().to_string();
    let starts: Vec<_> = text.match_indices("{\"").map(|(index, _)| index + 1).collect();
    assert!(starts.len() > 15);
    for start in starts {
        let length = text[start + 1..].find('"').unwrap() + 2;
        let twice = format!("{}{}:0,{}", &text[..start], &text[start..start + length], &text[start..]);
        let error = outcome(&path, twice.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("stands twice"), "{error}");
    }
}

#[test]
fn nesting_is_read_up_to_127_levels_and_refused_beyond() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    let with_demo = |value: &str| {
        let mut json = small();
        json["query"]["demos"][0]["question"] = json!("HERE");
        json.to_string().replace("\"HERE\"", value)
    };
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    for nested in [lists, objects] {
        outcome(&path, with_demo(&nested(100)).as_bytes()).unwrap();
        for depth in [130, 1_000, 1_000_000] {
            let error = outcome(&path, with_demo(&nested(depth)).as_bytes()).unwrap_err();
            assert!(error.to_string().contains("recursion limit"), "{error}");
        }
    }
}

/// The same bytes without end; counts what was read.
struct Endless(&'static [u8], Rc<Cell<usize>>);

impl io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = self.0[(self.1.get() + index) % self.0.len()];
        }
        self.1.set(self.1.get() + buffer.len());
        Ok(buffer.len())
    }
}

#[test]
fn nesting_without_end_is_refused_before_a_hundredth_of_a_megabyte_is_read() {
    for unit in [&b"["[..], b"{\"a\":", b"[{\"a\":[", b"[0,"] {
        let read = Rc::new(Cell::new(0));
        let reader = io::BufReader::new(Endless(unit, read.clone()));
        serde_json::from_reader::<_, State>(reader).unwrap_err();
        assert!(read.get() < 10_000, "{} bytes of {unit:?}", read.get());
    }
}

#[test]
fn a_message_stays_short_whatever_the_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    let long = "x".repeat(1 << 16);
    let places = [
        "/limits",
        "/limits/0",
        "/query",
        "/query/demos",
        "/query/demos/0",
        "/query/signature",
        "/query/signature/fields/0",
        "/query/signature/fields/0/name",
        "/query/lm",
        "/query/lm/temperature",
        "/query/traces",
        "/metadata",
    ];
    for pointer in places {
        let mut json = small();
        *json.pointer_mut(pointer).unwrap() = json!(long);
        outcome(&path, json.to_string().as_bytes()).unwrap_err();
    }
    for pointer in ["", "/query", "/query/signature/fields/0"] {
        let mut json = small();
        for index in 0..50 {
            json.pointer_mut(pointer).unwrap()[format!("{index}{long}")] = json!(1);
        }
        outcome(&path, json.to_string().as_bytes()).unwrap_err();
    }
    outcome(&path, format!("{{\"{long}\": 1, \"{long}\": 1}}").as_bytes()).unwrap_err();
}
