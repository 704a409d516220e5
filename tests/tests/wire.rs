//! The client over real HTTP: its requests, and how it reads every known answer of servers.

#[path = "wire/answer_variants.rs"]
mod answer_variants;
#[path = "wire/blocking.rs"]
mod blocking;
#[path = "wire/cancellation.rs"]
mod cancellation;
#[path = "wire/client.rs"]
mod client;
#[path = "wire/client_settings.rs"]
mod client_settings;
#[path = "wire/connection.rs"]
mod connection;
#[path = "wire/environment.rs"]
mod environment;
#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/headers.rs"]
mod headers;
#[path = "wire/limits.rs"]
mod limits;
mod log;
#[path = "wire/retry.rs"]
mod retry;
#[path = "wire/secrets.rs"]
mod secrets;
#[path = "wire/slow_servers.rs"]
mod slow_servers;
#[path = "wire/stream.rs"]
mod stream;
#[path = "wire/structured.rs"]
mod structured;

use std::error::Error as _;

use karat::{
    Error, Lm, Result, Retry,
    lm::{Completion, Message, Request, Response, ResponseFormat, Usage},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

/// A key that must never show up anywhere but in the `Authorization` header.
const KEY: &str = "sk-canary/7f3a";

/// An LM without retries; `retry.rs` has those with retries.
fn lm(uri: &str) -> Lm {
    Lm::new("openai/gpt-x").unwrap().base_url(uri).api_key(KEY).retry(Retry::none())
}

fn hi() -> Request {
    Request::new(vec![Message::user("hi")])
}

fn good_body() -> Value {
    json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]})
}

async fn server(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(matchers::any()).respond_with(template).mount(&server).await;
    server
}

/// The client's outcome for an answer.
async fn answer(template: ResponseTemplate) -> Result<Response> {
    let server = server(template).await;
    lm(&server.uri()).complete(hi()).await
}

/// The client's error for an answer; checks that it names the model and the host, and hides the key.
async fn error(template: ResponseTemplate) -> Error {
    let server = server(template).await;
    let error = lm(&server.uri()).complete(hi()).await.unwrap_err();
    let place = format!("`openai/gpt-x` at {}: ", server.address());
    assert!(error.to_string().starts_with(&place), "{error}");
    assert_no_key(&error);
    error
}

/// Checks that neither the key nor a large part of it is in any text of the error or its sources.
fn assert_no_key(error: &Error) {
    let mut texts = vec![format!("{error} {error:?} {error:#?} {:?}", error.completion())];
    let mut source = error.source();
    while let Some(inner) = source {
        texts.push(format!("{inner} {inner:?}"));
        source = inner.source();
    }
    for text in texts {
        assert!(!text.contains("canary") && !text.contains("7f3a"), "{text}");
    }
}

/// The body of the one request that a call sent.
async fn sent(call: impl AsyncFnOnce(Lm)) -> Value {
    let server = server(ResponseTemplate::new(200).set_body_json(good_body())).await;
    call(lm(&server.uri())).await;
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    requests[0].body_json().unwrap()
}

#[tokio::test]
async fn the_request_has_the_settings_and_nothing_else() {
    let body = sent(async |lm| {
        let lm = lm.temperature(0.5).max_tokens(300).seed(7).param("top_k", 5).rollout_id(3);
        let prompt = vec![
            Message::system("be brief"),
            Message::user("hi"),
            Message::assistant("?"),
            Message::user("hi!"),
        ];
        let mut request = Request::new(prompt);
        request.config.n = Some(2);
        request.config.stop = vec!["END".into()];
        lm.complete(request).await.unwrap();
    });
    let expected = json!({
        "model": "gpt-x",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "?"},
            {"role": "user", "content": "hi!"},
        ],
        "temperature": 0.5,
        "max_completion_tokens": 300,
        "n": 2,
        "seed": 7,
        "stop": ["END"],
        "top_k": 5,
    });
    assert_eq!(body.await, expected);
    assert_eq!(
        sent(async |lm| drop(lm.complete(hi()).await)).await,
        json!({"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}]})
    );
}

#[tokio::test]
async fn a_response_format_is_sent_in_the_apis_form() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": false,
    });
    for (format, expected) in [
        (ResponseFormat::JsonObject, json!({"type": "json_object"})),
        (
            ResponseFormat::json_schema("Qa", schema.clone(), true),
            json!({"type": "json_schema", "json_schema": {"name": "Qa", "schema": schema, "strict": true}}),
        ),
    ] {
        let body = sent(async |lm| drop(lm.complete(hi().response_format(format)).await)).await;
        assert_eq!(body["response_format"], expected);
    }
}

#[tokio::test]
async fn only_openai_gets_the_newer_name_of_the_token_limit() {
    let server = server(ResponseTemplate::new(200).set_body_json(good_body())).await;
    for provider in ["ollama", "vllm", "sglang", "llamacpp", "openrouter", "groq", "deepseek", "together"] {
        let lm = Lm::new(&format!("{provider}/some/model")).unwrap().base_url(server.uri()).api_key(KEY);
        lm.max_tokens(9).complete(hi()).await.unwrap();
    }
    for request in server.received_requests().await.unwrap() {
        let expected =
            json!({"model": "some/model", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9});
        assert_eq!(request.body_json::<Value>().unwrap(), expected);
    }
}

#[tokio::test]
async fn the_key_goes_into_the_authorization_header_and_karat_names_itself() {
    let server = server(ResponseTemplate::new(200).set_body_json(good_body())).await;
    lm(&format!("{}/v1/?version=1", server.uri())).complete(hi()).await.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(request.headers["content-type"], "application/json");
    assert!(request.headers["user-agent"].to_str().unwrap().starts_with("karat/"));
    assert!(!request.headers.contains_key("accept-encoding"));
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/v1/chat/completions"));
    assert_eq!(request.url.query(), Some("version=1"));
}

#[tokio::test]
async fn a_local_server_without_a_key_gets_no_authorization() {
    let server = server(ResponseTemplate::new(200).set_body_json(good_body())).await;
    let lm = Lm::new("llamacpp/x").unwrap().base_url(server.uri()).api_key("");
    lm.complete(hi()).await.unwrap();
    assert!(!server.received_requests().await.unwrap()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_whole_answer_is_read() {
    let mut body = good_body();
    body["model"] = json!("gpt-x-2026");
    body["usage"] =
        json!({"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}});
    let response = answer(ResponseTemplate::new(200).set_body_json(body)).await.unwrap();
    assert_eq!(response.completions, [Completion::new("hello")]);
    assert_eq!(response.model.as_deref(), Some("gpt-x-2026"));
    let usage = Usage::new().calls(1).prompt_tokens(3).completion_tokens(2).cached_tokens(1);
    assert_eq!(response.usage, usage);
}

#[tokio::test]
async fn several_requests_at_once_each_get_their_own_answer() {
    let server = MockServer::start().await;
    let echo = |request: &wiremock::Request| {
        let body: Value = request.body_json().unwrap();
        let content = &body["messages"][0]["content"];
        ResponseTemplate::new(200).set_body_json(json!({"choices": [{"message": {"content": content}}]}))
    };
    Mock::given(matchers::any()).respond_with(echo).mount(&server).await;
    let lm = lm(&server.uri());
    let calls: Vec<_> = (0..20)
        .map(|i| {
            let lm = lm.clone();
            tokio::spawn(async move { lm.complete(Request::new(vec![Message::user(format!("{i}"))])).await })
        })
        .collect();
    for (i, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap().completions[0].text, i.to_string());
    }
}
