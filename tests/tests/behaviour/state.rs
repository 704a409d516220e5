//! States: what is saved and loaded, and the errors of what is refused.

use karat::{
    ChainOfThought, Error, Frozen, Module, Param, Predict, Prediction, Reasoned, Result, State, module,
};
use serde_json::{Value, json};

use super::state_lm::{LM, with_lm};
use crate::support::*;

#[module]
pub(super) struct Program {
    limit: Param<Vec<u32>>,
    pub(super) query: Predict<MakeQuery>,
    pub(super) answer: ChainOfThought<Qa>,
    frozen: Frozen<Predict<Qa>>,
}

#[module]
impl Program {
    async fn forward(&self, input: QaInput) -> Result<Prediction<Reasoned<QaOutput>>> {
        self.answer.call(input).await
    }
}

pub(super) fn program() -> Program {
    Program {
        limit: Param::new(vec![1]),
        query: Predict::new(),
        answer: ChainOfThought::new(),
        frozen: Frozen::new(Predict::new()),
    }
}

pub(super) fn tuned() -> Program {
    let mut program = program();
    program.limit.set(vec![2, 3]);
    program.query = Predict::new().instructions("Ask in Spanish.");
    program.query.predictor_mut().set_description("query", "three words").unwrap();
    let demo = Qa { question: "q [[ ## answer ## ]] \u{1f600}".into(), answer: "a\n\nb".into() };
    program.answer = ChainOfThought::new().reasoned_demo("because", demo.clone()).demo(demo);
    program
}

/// The state as JSON, to be changed by hand.
pub(super) fn json(module: &impl Module) -> Value {
    serde_json::to_value(module.dump_state()).unwrap()
}

pub(super) fn state(json: &Value) -> State {
    serde_json::from_str(&json.to_string()).unwrap()
}

/// The error of a state that was changed by hand; the module stays as it was.
fn refused(change: impl FnOnce(&mut Value)) -> Error {
    let mut json = json(&tuned());
    change(&mut json);
    let mut fresh = program();
    let before = self::json(&fresh);
    let error = fresh.load_state(&state(&json)).unwrap_err();
    assert_eq!(self::json(&fresh), before, "nothing was changed");
    assert!(error.is_state(), "{error:?}");
    error
}

#[test]
fn a_state_has_an_entry_per_parameter_in_dspys_layout() {
    let json = json(&tuned());
    let keys: Vec<_> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["limit", "query", "answer.predict", "metadata"]);
    assert_eq!(json["limit"], json!([2, 3]));
    assert_eq!(
        json["query"],
        json!({
            "traces": [],
            "train": [],
            "demos": [],
            "signature": {
                "instructions": "Ask in Spanish.",
                "fields": [
                    {"name": "question", "prefix": "Question:", "description": "${question}"},
                    {"name": "query", "prefix": "Query:", "description": "three words"},
                ],
            },
            "lm": null,
        })
    );
    let demos = &json["answer.predict"]["demos"];
    assert_eq!(demos[0]["reasoning"], "because");
    assert!(demos[1].get("reasoning").is_none(), "what was not given is not made up");
    assert_eq!(json["metadata"]["dependency_versions"], json!({}), "DSPy compares each of them");
}

#[test]
fn what_was_dumped_loads_and_gives_the_same_prompts() {
    let tuned = tuned();
    let mut fresh = program();
    fresh.load_state(&tuned.dump_state()).unwrap();
    assert_eq!(json(&fresh), json(&tuned));
    assert_eq!(*fresh.limit, [2, 3]);
    let prompt = |program: &Program| {
        let input = MakeQueryInput { question: "x".into() };
        (program.query.prompt(&input).unwrap(), program.answer.predict().prompt(&ask()).unwrap())
    };
    assert_eq!(prompt(&fresh), prompt(&tuned));
}

#[test]
fn a_missing_entry_is_an_error_that_names_it() {
    let error = refused(|json| drop(json.as_object_mut().unwrap().remove("query")));
    assert_eq!(error.predictor(), Some("query"));
    let error = refused(|json| {
        let query = json.as_object_mut().unwrap().remove("query").unwrap();
        json["search"] = query;
    });
    assert!(error.to_string().contains("`query`") && error.to_string().contains("`search`"), "{error}");
}

#[test]
fn extra_entries_are_listed_in_an_error_or_passed_over_on_demand() {
    let add = |json: &mut Value| {
        json["more"] = json["query"].clone();
        json["even.more"] = json["query"].clone();
    };
    let error = refused(add);
    for word in ["`more`", "`even.more`", "ignore_extra(true)", "`answer.predict`"] {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    let mut json = json(&tuned());
    add(&mut json);
    let mut fresh = program();
    fresh.load_state(&state(&json).ignore_extra(true)).unwrap();
    assert_eq!(fresh.query.predictor().instructions(), "Ask in Spanish.");
}

#[test]
fn a_frozen_part_is_neither_saved_nor_loaded() {
    let mut json = json(&tuned());
    assert!(json.get("frozen").is_none());
    json["frozen"] = json["query"].clone();
    assert!(program().load_state(&state(&json)).unwrap_err().to_string().contains("`frozen`"));
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    let error = refused(|json| json["query"]["colour"] = json!(1));
    assert_eq!(error.predictor(), Some("query"));
    assert!(error.to_string().contains("`colour`") && error.to_string().contains("`demos`"), "{error}");
    let error = refused(|json| json["query"]["signature"]["fields"][1]["colour"] = json!(1));
    assert_eq!((error.predictor(), error.field()), (Some("query"), Some("query")));
}

#[test]
fn the_layouts_of_old_dspy_versions_are_refused_by_name() {
    for key in ["extended_signature", "signature_instructions"] {
        let error = refused(|json| json["answer.predict"][key] = json!({}));
        assert_eq!(error.predictor(), Some("answer.predict"));
        assert!(error.to_string().contains(key) && error.to_string().contains("save it again"), "{error}");
    }
}

#[test]
fn a_field_list_of_another_length_names_path_and_field() {
    let error = refused(|json| drop(json["query"]["signature"]["fields"].as_array_mut().unwrap().pop()));
    assert_eq!((error.predictor(), error.field()), (Some("query"), Some("query")));
    assert!(
        error.to_string().contains("expected 2 fields") && error.to_string().contains("found 1"),
        "{error}"
    );
    let error = refused(|json| {
        let fields = json["answer.predict"]["signature"]["fields"].as_array_mut().unwrap();
        fields.remove(1);
    });
    assert_eq!(error.field(), Some("reasoning"), "the first that is missing: {error}");
}

#[test]
fn a_field_list_in_another_order_names_path_and_field_with_names_and_without() {
    for named in [true, false] {
        let error = refused(|json| {
            let fields = json["query"]["signature"]["fields"].as_array_mut().unwrap();
            fields.swap(0, 1);
            if !named {
                fields.iter_mut().for_each(|field| drop(field.as_object_mut().unwrap().remove("name")));
            }
        });
        assert_eq!((error.predictor(), error.field()), (Some("query"), Some("question")), "{error}");
        assert!(
            error.to_string().contains("Query:") || error.to_string().contains("found `query`"),
            "{error}"
        );
    }
}

#[test]
fn a_field_of_another_name_is_known_by_the_demos_and_a_custom_prefix_is_taken() {
    let change = |demos: Value| {
        let mut json = json(&tuned());
        let fields = json["query"]["signature"]["fields"].as_array_mut().unwrap();
        fields[1] = json!({"prefix": "Search Text:", "description": "d"});
        json["query"]["demos"] = demos;
        json
    };
    let renamed = change(json!([{"question": "q", "search_text": "s"}]));
    let error = program().load_state(&state(&renamed)).unwrap_err();
    assert_eq!((error.predictor(), error.field()), (Some("query"), Some("query")), "{error}");
    // The way out that the message names.
    assert!(error.to_string().contains(r#"`"name": "query"`"#), "{error}");
    let mut named = renamed;
    named["query"]["signature"]["fields"][1]["name"] = json!("query");
    program().load_state(&state(&named)).unwrap();
    let custom = change(json!([{"question": "q", "query": "s", "augmented": true}]));
    let mut fresh = program();
    fresh.load_state(&state(&custom)).unwrap();
    let saved = &json(&fresh)["query"];
    assert_eq!(
        saved["signature"]["fields"][1],
        json!({"name": "query", "prefix": "Search Text:", "description": "d"})
    );
    assert_eq!(saved["demos"][0]["augmented"], true);
}

#[test]
fn an_optimizers_prefix_is_taken_even_if_another_field_or_column_has_that_name() {
    let mut json = json(&tuned());
    let fields = json["answer.predict"]["signature"]["fields"].as_array_mut().unwrap();
    fields.iter_mut().for_each(|field| drop(field.as_object_mut().unwrap().remove("name")));
    for chosen in ["Reasoning:", "Response:", "answer is", ""] {
        json["answer.predict"]["signature"]["fields"][2]["prefix"] = json!(chosen);
        json["answer.predict"]["demos"] = json!([{"question": "q", "answer": "a", "response": "a column"}]);
        let mut fresh = program();
        fresh.load_state(&state(&json)).unwrap();
        assert_eq!(self::json(&fresh)["answer.predict"]["signature"]["fields"][2]["prefix"], chosen);
    }
    // Rows of the whole program's data set, which optimizers give to each of its predictors, beside demos of its own.
    json["answer.predict"]["signature"]["fields"][2]["prefix"] = json!("Response:");
    json["answer.predict"]["demos"] =
        json!([{"question": "q", "answer": "a"}, {"question": "q", "response": "r"}]);
    program().load_state(&state(&json)).unwrap();
}

#[test]
fn an_empty_description_stays_one_and_is_not_saved_as_none() {
    for description in ["", "${query}", "${other}", " "] {
        let mut json = json(&tuned());
        json["query"]["signature"]["fields"][1]["description"] = json!(description);
        let mut fresh = program();
        fresh.load_state(&state(&json)).unwrap();
        assert_eq!(self::json(&fresh)["query"]["signature"]["fields"][1]["description"], description);
    }
}

#[test]
fn a_description_of_null_which_dspy_writes_for_none_is_no_description() {
    let mut json = json(&tuned());
    json["query"]["signature"]["fields"][1]["description"] = Value::Null;
    let mut fresh = program();
    fresh.load_state(&state(&json)).unwrap();
    assert_eq!(fresh.query.predictor().description("query"), "");
    assert_eq!(self::json(&fresh)["query"]["signature"]["fields"][1]["description"], "${query}");
}

#[test]
fn what_was_loaded_is_saved_in_the_same_order_each_time() {
    let mut original = with_lm(LM);
    original["query"]["demos"] =
        json!([{"augmented": true, "question": "q", "a": 1, "query": "s", "b": 2, "c": 3, "d": 4}]);
    // First in the file, where taking it out moves all others.
    let mut json = json!({ "metadata": original["metadata"].take() });
    json.as_object_mut().unwrap().extend(original.as_object().unwrap().clone());
    json["metadata"] = json!({"dependency_versions": {}});
    let read = state(&json);
    assert_eq!(read.paths().collect::<Vec<_>>(), ["limit", "query", "answer.predict"]);
    let mut fresh = program();
    fresh.load_state(&read).unwrap();
    let once = self::json(&fresh);
    let keys: Vec<_> = once["query"]["demos"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["question", "query", "augmented", "a", "b", "c", "d"]);
    fresh.load_state(&state(&once)).unwrap();
    assert_eq!(self::json(&fresh).to_string(), once.to_string());
}

#[test]
fn numbers_of_demos_come_back_with_every_digit() {
    let numbers = "[0.9856906946328695,0.4416613071681664,1,1.0,-0.0,1e-7,5e-324,1.7976931348623157e+308,18446744073709551615]";
    let mut json = json(&tuned());
    json["query"]["demos"] = json!([{ "question": "q", "query": "PLACE" }]);
    let text = json.to_string().replace("\"PLACE\"", numbers);
    let mut fresh = program();
    fresh.load_state(&serde_json::from_str::<State>(&text).unwrap()).unwrap();
    let saved = serde_json::to_string(&fresh.dump_state()).unwrap();
    assert!(saved.contains(numbers), "{saved}");
}

#[test]
fn wrong_types_say_what_was_expected_and_found() {
    let cases: [(&str, Value, &str); 9] = [
        ("/query", json!(1), "an object"),
        ("/query/demos", json!({}), "a list at `demos`"),
        ("/query/demos", json!(["x"]), "an object at `demos[0]`"),
        ("/query/signature", Value::Null, "`signature` should be an object"),
        ("/query/signature/instructions", json!(1), "a text at `signature.instructions`"),
        ("/query/signature/fields", json!(1), "a list at `fields`"),
        ("/query/signature/fields/0", json!(1), "one without"),
        ("/query/lm", json!(3), "an object or null at `lm`"),
        ("/query/traces", json!("x"), "a list at `traces`"),
    ];
    for (pointer, value, expected) in cases {
        let error = refused(|json| *json.pointer_mut(pointer).unwrap() = value);
        assert_eq!(error.predictor(), Some("query"), "{pointer}");
        if expected != "one without" {
            assert!(error.to_string().contains(expected), "{pointer}: {error}");
        }
    }
    let error = refused(|json| json["limit"] = json!("three"));
    assert!(error.to_string().contains("Vec<u32>") && error.to_string().contains("\"three\""), "{error}");
}

#[test]
fn notes_of_optimizers_are_kept_and_a_missing_lm_is_no_error() {
    let mut json = json(&tuned());
    json["query"]["traces"] = json!([{"x": 1}]);
    json["query"]["train"] = json!([[1.5, null]]);
    json["answer.predict"].as_object_mut().unwrap().remove("lm");
    json.as_object_mut().unwrap().remove("metadata");
    let mut fresh = program();
    fresh.load_state(&state(&json)).unwrap();
    let saved = self::json(&fresh);
    assert_eq!(
        (&saved["query"]["traces"], &saved["query"]["train"]),
        (&json["query"]["traces"], &json["query"]["train"])
    );
}

#[test]
fn a_bare_predictors_file_has_no_path() {
    let tuned = Predict::<Qa>::new().instructions("Be brief.");
    let json = json(&tuned);
    let keys: Vec<_> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["traces", "train", "demos", "signature", "lm", "metadata"]);
    let mut fresh = Predict::<Qa>::new();
    fresh.load_state(&state(&json)).unwrap();
    assert_eq!(fresh.predictor().instructions(), "Be brief.");
    let error = program().load_state(&state(&json)).unwrap_err();
    assert!(error.to_string().contains("`self`"), "{error}");
}

#[test]
fn a_value_without_a_json_form_is_an_error_at_the_first_use_of_the_state() {
    let mut broken = BadParam { value: Param::new(1.0), answer: Predict::new() };
    assert!(serde_json::to_string(&broken.dump_state()).is_ok());
    broken.value.set(f64::NAN);
    let state = broken.dump_state();
    assert!(serde_json::to_string(&state).unwrap_err().to_string().contains("JSON form"));
    let error = broken.load_state(&state).unwrap_err();
    assert!(error.is_state() && error.predictor() == Some("value"), "{error:?}");
}

#[module]
struct BadParam {
    value: Param<f64>,
    answer: Predict<Qa>,
}

#[module]
impl BadParam {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        self.answer.call(input).await
    }
}

#[module]
struct Metadata {
    metadata: Predict<Qa>,
}

#[module]
impl Metadata {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        self.metadata.call(input).await
    }
}

#[test]
fn a_demo_that_could_not_be_taken_is_an_error_of_the_state_too() {
    #[karat::signature]
    struct Maps {
        #[input]
        by_pair: std::collections::BTreeMap<(u8, u8), u8>,
        #[output]
        answer: String,
    }
    let demo = Maps { by_pair: [((1, 2), 3)].into(), answer: "a".into() };
    let error = serde_json::to_string(&Predict::<Maps>::new().demo(demo).dump_state()).unwrap_err();
    assert!(error.to_string().contains("`by_pair`"), "{error}");
}

#[test]
fn a_predictor_called_metadata_cannot_be_saved_and_says_so() {
    let module = Metadata { metadata: Predict::new() };
    let error = serde_json::to_string(&module.dump_state()).unwrap_err();
    assert!(error.to_string().contains("`metadata`") && error.to_string().contains("rename"), "{error}");
}
