//! Structured output over HTTP: how each provider is asked for an answer of a schema, and what happens if it refuses.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use karat::{
    ChainOfThought, ErrorKind, JsonAdapter, Lm, Module, Predict, Prediction, Result, lm::ResponseFormat,
    signature,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::{KEY, hi};

/// Review the text.
#[signature]
pub struct Review {
    #[input]
    text: String,
    #[output]
    stars: Stars,
    /// how it sounds
    #[output]
    tone: Tone,
    #[output]
    span: (u8, String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stars {
    #[schemars(range(min = 1, max = 5))]
    count: u8,
    #[schemars(length(max = 40))]
    #[serde(default)]
    why: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Tone {
    Warm,
    /// without any warmth
    Cold,
}

fn text() -> ReviewInput {
    ReviewInput { text: "a fine book".into() }
}

const ANSWER: &str = r#"{"stars": {"count": 4, "why": null}, "tone": "Warm", "span": [1, "fine"]}"#;

fn good(content: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "choices": [{ "message": { "content": content } }] }))
}

fn refused() -> ResponseTemplate {
    ResponseTemplate::new(400).set_body_json(json!({ "error": { "message": "no such response_format" } }))
}

/// A server that answers requests whose form is accepted by `answers`, and refuses all others.
async fn server(answers: fn(&Value) -> bool, content: &'static str) -> MockServer {
    let server = MockServer::start().await;
    let respond = move |request: &wiremock::Request| {
        let body: Value = request.body_json().unwrap();
        if answers(&body) { good(content) } else { refused() }
    };
    Mock::given(matchers::any()).respond_with(respond).mount(&server).await;
    server
}

fn lm(name: &str, server: &MockServer) -> Lm {
    Lm::new(name).unwrap().base_url(server.uri()).api_key(KEY)
}

async fn bodies(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().map(|request| request.body_json().unwrap()).collect()
}

/// The only body that a call sends to this model, and the prediction.
async fn sent(name: &str) -> (Value, Prediction<ReviewOutput>) {
    let server = server(|_| true, ANSWER).await;
    let review = Predict::<Review>::new().adapter(JsonAdapter).lm(&lm(name, &server));
    let prediction = review.call(text()).await.unwrap();
    let mut bodies = bodies(&server).await;
    assert_eq!(bodies.len(), 1);
    (bodies.remove(0), prediction)
}

/// The schema with these parts, which differ by provider.
fn schema(stars: Value, span: Value) -> Value {
    json!({
        "description": "`tone`: how it sounds",
        "type": "object",
        "properties": {
            "stars": { "$ref": "#/$defs/Stars" },
            "tone": { "$ref": "#/$defs/Tone" },
            "span": span,
        },
        "required": ["stars", "tone", "span"],
        "additionalProperties": false,
        "$defs": {
            "Stars": {
                "type": "object",
                "properties": stars,
                "required": ["count", "why"],
                "additionalProperties": false,
            },
            "Tone": {
                "description": "Cold: without any warmth",
                "type": "string",
                "enum": ["Warm", "Cold"],
            },
        },
    })
}

/// The dialect in which numbers may have bounds, but texts no lengths and lists no types by position.
fn openai() -> Value {
    schema(
        json!({
            "count": { "type": "integer", "minimum": 1, "maximum": 5 },
            "why": { "description": "default: \"\"; at most 40 characters", "type": ["string", "null"] },
        }),
        json!({
            "description": "the items, in this order: integer, string",
            "type": "array",
            "items": { "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 255 },
                { "type": "string" },
            ] },
            "minItems": 2,
            "maxItems": 2,
        }),
    )
}

/// The dialect of types alone.
fn plain() -> Value {
    schema(
        json!({
            "count": { "description": "at least 1; at most 5", "type": "integer" },
            "why": {
                "description": "default: \"\"; at most 40 characters",
                "anyOf": [{ "type": "string" }, { "type": "null" }],
            },
        }),
        json!({
            "description": "the items, in this order: integer, string",
            "type": "array",
            "items": { "anyOf": [
                { "description": "at least 0; at most 255", "type": "integer" },
                { "type": "string" },
            ] },
        }),
    )
}

/// The dialect that becomes a grammar.
fn grammar() -> Value {
    schema(
        json!({
            "count": { "type": "integer", "minimum": 1, "maximum": 5 },
            "why": { "description": "default: \"\"", "type": ["string", "null"], "maxLength": 40 },
        }),
        json!({
            "type": "array",
            "prefixItems": [{ "type": "integer", "minimum": 0, "maximum": 255 }, { "type": "string" }],
            "minItems": 2,
            "maxItems": 2,
        }),
    )
}

#[tokio::test]
async fn each_provider_is_asked_in_its_own_way() {
    let by_flag = |strict: bool, schema: Value| json!({ "type": "json_schema", "json_schema": { "name": "Review", "schema": schema, "strict": strict } });
    let always = |schema: Value| json!({ "type": "json_schema", "json_schema": { "name": "Review", "schema": schema } });
    for (name, key, expected) in [
        ("openai/gpt-x", "response_format", by_flag(true, openai())),
        ("openai/ft:gpt-x", "response_format", by_flag(true, plain())),
        ("groq/openai/gpt-oss-20b", "response_format", by_flag(true, openai())),
        ("groq/llama-x", "response_format", by_flag(false, openai())),
        ("openrouter/a/b", "response_format", by_flag(true, plain())),
        ("together/a/b", "response_format", always(plain())),
        ("vllm/a/b", "structured_outputs", json!({ "json": grammar() })),
        ("sglang/a/b", "response_format", always(grammar())),
        ("llamacpp/a", "response_format", always(grammar())),
        ("ollama/a", "response_format", always(grammar())),
        ("deepseek/a", "response_format", json!({ "type": "json_object" })),
    ] {
        let (body, prediction) = sent(name).await;
        assert_eq!(body[key], expected, "{name}");
        let others: Vec<_> = body.as_object().unwrap().keys().filter(|other| *other != key).collect();
        assert_eq!(others, ["model", "messages"], "{name}");
        // Null for an optional field is its default.
        assert_eq!(prediction.stars, Stars { count: 4, why: String::new() });
        let mode = if name.starts_with("deepseek") { "json_object" } else { "json_schema" };
        assert_eq!(prediction.mode(), Some(mode), "{name}");
        let call = &prediction.trace().steps()[0].calls()[0];
        assert_eq!(call.is_strict(), mode == "json_schema" && name != "groq/llama-x", "{name}");
    }
}

#[tokio::test]
async fn a_response_format_of_the_program_is_sent_alone() {
    for (name, param) in
        [("openai/a", "response_format"), ("vllm/a", "response_format"), ("vllm/a", "structured_outputs")]
    {
        let server = server(|_| true, ANSWER).await;
        let lm = lm(name, &server).param(param, json!({ "own": 1 }));
        Predict::<Review>::new().adapter(JsonAdapter).lm(&lm).call(text()).await.unwrap();
        let body = bodies(&server).await.remove(0);
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((keys, &body[param]), (vec!["model", "messages", param], &json!({ "own": 1 })), "{name}");
    }
}

/// The form that a body asks for.
fn form(body: &Value) -> &str {
    match body.get("structured_outputs") {
        Some(_) => "structured_outputs",
        None => body["response_format"]["type"].as_str().unwrap_or("prompt"),
    }
}

#[tokio::test]
async fn a_refused_rung_is_left_for_the_next_one_and_not_asked_again() {
    let rungs: [fn(&Value) -> bool; 3] = [
        |_| true,
        |body| form(body) == "json_object" || form(body) == "prompt",
        |body| form(body) == "prompt",
    ];
    for (name, first) in [("openai/a", "json_schema"), ("vllm/a", "structured_outputs")] {
        let forms = [first, "json_object", "prompt"];
        let modes = ["json_schema", "json_object", "prompt"];
        for (taken, answers) in rungs.iter().enumerate() {
            let server = server(*answers, ANSWER).await;
            let review = Predict::<Review>::new().adapter(JsonAdapter).lm(&lm(name, &server));
            let prediction = review.call(text()).await.unwrap();
            assert_eq!(prediction.mode(), Some(modes[taken]));
            let tried: Vec<_> =
                prediction.trace().steps()[0].calls().iter().map(|call| call.mode().to_owned()).collect();
            assert_eq!(tried, modes[..=taken]);
            review.call(text()).await.unwrap();
            let sent: Vec<_> = bodies(&server).await.iter().map(|body| form(body).to_owned()).collect();
            let mut expected = forms[..=taken].to_vec();
            expected.push(forms[taken]);
            assert_eq!(sent, expected, "{name}");
        }
    }
}

/// A server that answers 400 with these words to the requests at these positions, and answers all others well.
async fn refusing(places: &'static [usize], words: &'static str) -> MockServer {
    let (server, asked) = (MockServer::start().await, AtomicUsize::new(0));
    let respond = move |_: &wiremock::Request| match places.contains(&asked.fetch_add(1, Ordering::Relaxed)) {
        true => ResponseTemplate::new(400).set_body_json(json!({ "error": { "message": words } })),
        false => good(ANSWER),
    };
    Mock::given(matchers::any()).respond_with(respond).mount(&server).await;
    server
}

async fn modes(server: &MockServer, calls: usize) -> Vec<String> {
    let review = Predict::<Review>::new().adapter(JsonAdapter).lm(&lm("openai/a", server));
    let mut modes = Vec::new();
    for _ in 0..calls {
        let mode = review.call(text()).await.map(|answer| answer.mode().unwrap_or_default().to_owned());
        modes.push(mode.unwrap_or_else(|error| format!("{:?}", error.kind())));
    }
    modes
}

#[tokio::test]
async fn a_temporary_400_does_not_lower_the_rung_for_good() {
    let (schema, object) = ("json_schema", "json_object");
    for words in ["upstream hiccup", "Bad Request", "", "Unsupported parameter: 'foo'"] {
        // Once; twice in a row; at all rungs, as for a request that is wrong by itself.
        assert_eq!(modes(&refusing(&[0], words).await, 3).await, [object, schema, schema], "{words}");
        assert_eq!(
            modes(&refusing(&[0, 2], words).await, 5).await,
            [object, object, object, schema, schema],
            "{words}"
        );
        assert_eq!(modes(&refusing(&[0, 1, 2], words).await, 2).await, ["BadRequest", schema], "{words}");
        assert_eq!(modes(&refusing(&[0, 1], words).await, 2).await, ["prompt", schema], "{words}");
    }
}

#[tokio::test]
async fn a_400_that_names_the_form_lowers_the_rung_if_the_next_one_is_taken() {
    let (schema, object) = ("json_schema", "json_object");
    for words in [
        "Invalid parameter: 'response_format'",
        "json_schema is not supported",
        "Unknown: structured_outputs",
    ] {
        assert_eq!(modes(&refusing(&[0], words).await, 3).await, [object; 3], "{words}");
        assert_eq!(modes(&refusing(&[0, 1], words).await, 3).await, ["prompt"; 3], "{words}");
        // If no rung is taken, the form was not at fault.
        assert_eq!(
            modes(&refusing(&[0, 1, 2], words).await, 3).await,
            ["BadRequest", schema, schema],
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_form_refused_without_a_reason_is_asked_for_less_and_less_often() {
    let server = MockServer::start().await;
    let respond = move |request: &wiremock::Request| {
        let body: Value = request.body_json().unwrap();
        if form(&body) == "prompt" { good(ANSWER) } else { ResponseTemplate::new(400) }
    };
    Mock::given(matchers::any()).respond_with(respond).mount(&server).await;
    assert_eq!(modes(&server, 40).await, ["prompt"; 40]);
    // Two refusals each at calls 0, 1, 3, 7, 15 and 31.
    assert_eq!(bodies(&server).await.len(), 40 + 12);
}

/// Count the words.
#[signature]
pub struct Count {
    #[input]
    text: String,
    #[output]
    counts: BTreeMap<String, u32>,
}

async fn count(name: &str) -> (Value, Prediction<karat::Reasoned<CountOutput>>) {
    let server = server(|_| true, r#"{"reasoning": "one of each", "counts": {"a": 1}}"#).await;
    let count = ChainOfThought::<Count>::new().adapter(JsonAdapter).lm(&lm(name, &server));
    let prediction = count.call(CountInput { text: "a".into() }).await.unwrap();
    let mut bodies = bodies(&server).await;
    assert_eq!(bodies.len(), 1, "no call is wasted");
    (bodies.remove(0), prediction)
}

#[tokio::test]
async fn a_type_beyond_a_strict_mode_gets_the_best_other_form_without_a_wasted_call() {
    for (name, strict) in
        [("openai/a", false), ("openrouter/a/b", false), ("vllm/a", true), ("llamacpp/a", true)]
    {
        let (body, prediction) = count(name).await;
        let schema = match body.get("structured_outputs") {
            Some(own) => &own["json"],
            None => &body["response_format"]["json_schema"]["schema"],
        };
        assert_eq!(schema["properties"]["counts"]["additionalProperties"]["type"], "integer", "{name}");
        if !strict {
            assert_eq!(body["response_format"]["json_schema"]["strict"], false, "{name}");
        }
        assert_eq!((prediction.mode(), prediction.counts["a"]), (Some("json_schema"), 1));
        assert_eq!(prediction.trace().steps()[0].calls()[0].is_strict(), strict, "{name}");
    }
}

/// An endless list of names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Species(String);

impl JsonSchema for Species {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Species".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = (0..1_200).map(|index| format!("species {index}")).collect();
        schemars::json_schema!({ "type": "string", "enum": names })
    }
}

/// Name the animal.
#[signature]
pub struct Animal {
    #[input]
    text: String,
    #[output]
    animal: Species,
}

#[tokio::test]
async fn a_type_beyond_the_providers_limits_is_a_config_error_and_nothing_is_sent() {
    let server = server(|_| true, r#"{"animal": "species 7"}"#).await;
    let animal = Predict::<Animal>::new().adapter(JsonAdapter);
    let input = || AnimalInput { text: "?".into() };
    let error = animal.clone().lm(&lm("openai/a", &server)).call(input()).await.unwrap_err();
    assert!(error.is_config(), "{error}");
    let text = error.to_string();
    for part in ["`Species`", "1200 enum values", "at most 1000", "`ChatAdapter`", "not sent"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(bodies(&server).await.is_empty());
    // Other providers have no such limit.
    animal.lm(&lm("llamacpp/a", &server)).call(input()).await.unwrap();
}

#[tokio::test]
async fn a_custom_schema_beyond_the_dialect_is_an_error_and_nothing_is_sent() {
    let server = server(|_| true, "{}").await;
    let any = json!({ "type": "object", "properties": { "a": {} }, "required": ["a"] });
    let ask = |strict: bool, schema: &Value| {
        hi().response_format(ResponseFormat::json_schema("a", schema.clone(), strict))
    };
    let error = lm("openai/a", &server).complete(ask(true, &any)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    assert!(
        error.to_string().contains("not sent: `a`") && error.to_string().contains("strict: false"),
        "{error}"
    );
    let error = lm("deepseek/a", &server).complete(ask(false, &any)).await.unwrap_err();
    assert!(error.to_string().contains("`ResponseFormat::JsonObject`"), "{error}");
    let error = lm("llamacpp/a", &server).complete(ask(true, &json!({ "type": "array" }))).await.unwrap_err();
    assert!(error.to_string().contains("is no object"), "{error}");
    assert!(bodies(&server).await.is_empty());
    lm("openai/a", &server).complete(ask(false, &any)).await.unwrap();
}

#[tokio::test]
async fn simultaneous_calls_find_the_rung_that_is_taken() {
    static REFUSED: AtomicUsize = AtomicUsize::new(0);
    let server = server(
        |body| {
            let good = form(body) == "json_object";
            if !good {
                REFUSED.fetch_add(1, Ordering::Relaxed);
            }
            good
        },
        ANSWER,
    )
    .await;
    let review = Predict::<Review>::new().adapter(JsonAdapter).lm(&lm("openai/a", &server));
    let inputs: Vec<_> = (0..10).map(|_| text()).collect();
    let answers: Vec<Result<_>> =
        review.batch(inputs).concurrency(10).await.into_iter().map(|row| row.result).collect();
    assert!(
        answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.mode() == Some("json_object")))
    );
    assert!(REFUSED.load(Ordering::Relaxed) <= 10);
}
