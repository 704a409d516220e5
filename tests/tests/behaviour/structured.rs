//! Structured output: the requested formats, the formats that a model takes, and null for absent values.

use std::{collections::BTreeMap, sync::Arc};

use karat::{
    BestOfN, ChainOfThought, ChatAdapter, ErrorKind, JsonAdapter, LanguageModel, Lm, Module, Predict,
    Prediction, Reply, Result, ScriptedLm,
    lm::{BoxFuture, Request, Response, ResponseFormat, Support},
    signature,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Qa, QaInput, Warnings, failure};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    name: String,
    #[serde(default)]
    nicknames: Vec<String>,
    age: Option<u8>,
    #[serde(default = "unknown")]
    home: String,
}

fn unknown() -> String {
    "unknown".into()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub enum Owner {
    Nobody,
    Person(Person),
    Company {
        #[serde(default)]
        seat: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct House {
    #[serde(default)]
    floors: u8,
    #[serde(flatten)]
    owner: Owner,
}

/// Read the text.
#[signature]
#[derive(PartialEq)]
pub struct Read {
    #[input]
    text: String,
    /// who it is about
    #[output]
    person: Person,
    #[output]
    owners: Vec<Owner>,
    #[output]
    house: House,
    #[output]
    scores: BTreeMap<String, u8>,
}

fn text() -> ReadInput {
    ReadInput { text: "?".into() }
}

fn fields() -> Value {
    json!({
        "person": { "name": "Ann", "nicknames": null, "age": null, "home": null },
        "owners": [
            { "kind": "Nobody" },
            { "kind": "Person", "name": "Bob", "nicknames": null, "age": 3, "home": "Rome" },
            { "kind": "Company", "seat": null },
        ],
        "house": { "kind": "Company", "seat": null, "floors": null },
        "scores": {},
    })
}

fn read() -> ReadOutput {
    let person = Person { name: "Ann".into(), home: unknown(), ..Person::default() };
    let bob = Person { name: "Bob".into(), age: Some(3), home: "Rome".into(), nicknames: vec![] };
    let seat = String::new();
    ReadOutput {
        person,
        owners: vec![Owner::Nobody, Owner::Person(bob), Owner::Company { seat: seat.clone() }],
        house: House { floors: 0, owner: Owner::Company { seat } },
        scores: BTreeMap::new(),
    }
}

#[tokio::test]
async fn null_is_the_default_of_an_optional_field_at_any_depth_and_no_repair() {
    let json = ScriptedLm::new([Reply::text(fields().to_string())]);
    let fields = fields();
    let fields = fields.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.clone()));
    let chat = ScriptedLm::new([Reply::fields(fields.collect::<Vec<_>>())]);
    for predict in [
        Predict::<Read>::new().adapter(JsonAdapter).lm(&json.lm()),
        Predict::<Read>::new().adapter(ChatAdapter).lm(&chat.lm()),
    ] {
        let prediction = predict.call(text()).await.unwrap();
        assert_eq!(*prediction, read());
        assert!(prediction.repairs().is_empty(), "{:?}", prediction.repairs());
    }
}

#[tokio::test]
async fn a_custom_model_gets_a_closed_schema_with_all_rules() {
    let lm = ScriptedLm::new([Reply::text(fields().to_string())]);
    Predict::<Read>::new().adapter(JsonAdapter).lm(&lm.lm()).call(text()).await.unwrap();
    let requests = lm.requests();
    let Some(ResponseFormat::JsonSchema { schema, strict, .. }) = &requests[0].response_format else {
        panic!("{:?}", requests[0].response_format)
    };
    assert!(!strict && schema.is_open(), "a map takes any key");
    assert_eq!(schema["properties"]["person"], json!({ "$ref": "#/$defs/Person" }));
    assert_eq!(schema["description"], "`person`: who it is about");
    let person = &schema["$defs"]["Person"];
    assert_eq!(person["required"], json!(["name", "nicknames", "age", "home"]));
    assert_eq!(person["additionalProperties"], false);
    let age = json!({ "type": ["integer", "null"], "minimum": 0, "maximum": 255 });
    assert_eq!(person["properties"]["age"], age);
    let forms = schema["$defs"]["Owner"]["anyOf"].as_array().unwrap();
    let firsts: Vec<_> = forms.iter().map(|form| form["required"][0].as_str().unwrap()).collect();
    assert_eq!(firsts, ["kind"; 3]);
    assert!(!schema.to_string().contains("oneOf"));
}

type Rule = fn(&ResponseFormat) -> Support;

/// A model that takes formats in this way.
struct Known {
    takes: Rule,
    inner: Lm,
}

impl LanguageModel for Known {
    fn name(&self) -> &str {
        "known"
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.inner.complete(request.clone()))
    }

    fn supports(&self, format: &ResponseFormat) -> Support {
        (self.takes)(format)
    }
}

fn ask() -> QaInput {
    QaInput { question: "Capital of France?".into() }
}

#[tokio::test]
async fn a_format_that_a_model_does_not_take_costs_no_call() {
    let answer = || Reply::text(r#"{"answer": "Paris"}"#);
    let rows: [(Rule, &str, bool); 4] = [
        (|_| Support::Strict, "json_schema", true),
        (|_| Support::Loose, "json_schema", false),
        (
            |format| match format {
                ResponseFormat::JsonObject => Support::Strict,
                _ => Support::None,
            },
            "json_object",
            false,
        ),
        (|_| Support::None, "prompt", false),
    ];
    for (takes, mode, strict) in rows {
        let scripted = ScriptedLm::new([answer(), answer()]);
        let lm = Lm::custom(Known { takes, inner: scripted.lm() });
        let qa = Predict::<Qa>::new().adapter(JsonAdapter).lm(&lm);
        let warnings = Warnings::default();
        let _guard = warnings.collect();
        for _ in 0..2 {
            let prediction = qa.call(ask()).await.unwrap();
            let calls = prediction.trace().steps()[0].calls().to_vec();
            assert_eq!((prediction.mode(), calls.len()), (Some(mode), 1));
            assert_eq!((calls[0].mode(), calls[0].is_strict()), (mode, strict));
        }
        let asked = &scripted.requests()[0].response_format;
        let flag = matches!(asked, Some(ResponseFormat::JsonSchema { strict: true, .. }));
        assert_eq!((asked.is_some(), flag), (mode != "prompt", strict));
        assert!(warnings.texts().is_empty());
    }
}

#[tokio::test]
async fn a_refused_rung_is_warned_of_once_for_each_predictor() {
    let lm = ScriptedLm::computed(|request| match request.response_format {
        Some(ResponseFormat::JsonSchema { .. }) => failure(ErrorKind::BadRequest),
        _ => Reply::text(r#"{"answer": "Paris"}"#),
    });
    let warnings = Warnings::default();
    let _guard = warnings.collect();
    let qa = Predict::<Qa>::new().adapter(JsonAdapter).lm(&lm.lm());
    for _ in 0..3 {
        qa.call(ask()).await.unwrap();
    }
    qa.batch((0..10).map(|_| ask()))
        .concurrency(10)
        .await
        .into_iter()
        .for_each(|row| drop(row.result.unwrap()));
    let warned = warnings.texts();
    assert_eq!(warned.len(), 1, "{warned:?}");
    for part in ["refused=\"json_schema\"", "taken=\"json_object\"", "scripted"] {
        assert!(warned[0].contains(part), "{part}: {warned:?}");
    }
}

#[tokio::test]
async fn the_prediction_keeps_the_rung_of_its_call() {
    let lm = ScriptedLm::computed(|_| Reply::text(r#"{"reasoning": "known", "answer": "Paris"}"#));
    let thought = ChainOfThought::<Qa>::new().adapter(JsonAdapter).lm(&lm.lm());
    let prediction = thought.call(ask()).await.unwrap();
    assert_eq!(prediction.mode(), Some("json_schema"));
    assert_eq!(prediction.map(|answer| answer.output.answer).mode(), Some("json_schema"));
    let best =
        BestOfN::new(thought, 2, |_, answer| answer.mode() == Some("json_schema")).call(ask()).await.unwrap();
    assert_eq!((best.mode(), best.reward()), (Some("json_schema"), Some(1.0)));
    let chat = ScriptedLm::new([Reply::fields([("answer", "Paris")])]);
    assert_eq!(Predict::<Qa>::new().lm(&chat.lm()).call(ask()).await.unwrap().mode(), Some("prompt"));
    assert_eq!(Prediction::new(1).mode(), None);
}

/// A type whose schema refers to nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Odd(Arc<str>);

impl JsonSchema for Odd {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Odd".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "$ref": "#/$defs/Nothing", "minimum": 1 })
    }
}

/// Answer.
#[signature]
pub struct OddQa {
    #[input]
    text: String,
    #[output]
    odd: Odd,
}

#[tokio::test]
async fn a_schema_that_refers_to_nothing_leaves_the_other_formats() {
    let lm = ScriptedLm::new([Reply::text(r#"{"odd": "x"}"#)]);
    let odd = Predict::<OddQa>::new().adapter(JsonAdapter).lm(&lm.lm());
    let prediction = odd.call(OddQaInput { text: "?".into() }).await.unwrap();
    assert_eq!((&*prediction.odd.0, prediction.mode()), ("x", Some("json_object")));
}
