//! The client settings of DSPy's LM: some are sent outside of the body, and the rest is kept for the state file.

use std::time::Duration;

use karat::{Module, Predict, Result, State, signature};
use serde_json::{Value, json};
use wiremock::{MockServer, Request, ResponseTemplate};

/// Find it.
#[signature]
struct Find {
    #[input]
    question: String,
    #[output]
    query: String,
}

fn find() -> FindInput {
    FindInput { question: "?".into() }
}

/// A server whose address a state may name.
async fn server(delay: Duration) -> MockServer {
    let body =
        json!({"choices": [{"message": {"content": "[[ ## query ## ]]\nx"}, "finish_reason": "stop"}]});
    super::server(ResponseTemplate::new(200).set_body_json(body).set_delay(delay)).await
}

/// The entry with what every LM of DSPy has.
fn entry(server: &MockServer, settings: &Value) -> Value {
    let mut entry = json!({"_dspy_lm_class": "dspy.clients.lm.LM", "model": "vllm/x", "model_type": "chat", "cache": true,
        "num_retries": 0, "finetuning_model": null, "launch_kwargs": {}, "train_kwargs": {}, "temperature": null,
        "max_tokens": null, "api_base": server.uri()});
    entry.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    entry
}

fn state(entry: &Value) -> State {
    let mut json = serde_json::to_value(Predict::<Find>::new().dump_state()).unwrap();
    json["lm"] = entry.clone();
    serde_json::from_str(&json.to_string()).unwrap()
}

fn loaded(entry: &Value) -> Result<Predict<Find>> {
    let mut fresh = Predict::new();
    fresh.load_state(&state(entry).allow_unsafe_lm_state(true))?;
    Ok(fresh)
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

#[tokio::test]
async fn settings_of_dspys_client_are_kept_for_the_file_and_not_sent() {
    let server = server(Duration::ZERO).await;
    let settings = json!({
        "engine": "litellm", "async_engine": {"class": "my:Engine", "state": {"a": 1}}, "prompt_cache": {"mode": "auto"},
        "timeout": 60, "max_retries": 2, "drop_params": true, "api_version": "2026-01-01", "organization": "org-1", "project": "p",
        "extra_query": {"a": "b"}, "custom_llm_provider": "openai", "use_developer_role": true, "num_generations": 2,
        "additional_drop_params": ["seed"], "allowed_openai_params": ["tools"], "fallbacks": ["a/b"], "base_model": "m",
        "extra_body": {"top_k": 5, "nested": {"a": null}}, "top_p": 0.5, "presence_penalty": null, "cache": false,
    });
    let entry = entry(&server, &settings);
    let fresh = loaded(&entry).unwrap();
    fresh.call(find()).await.unwrap();
    let body: Value = requests(&server).await[0].body_json().unwrap();
    let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["messages", "model", "nested", "top_k", "top_p"]);
    assert_eq!((&body["top_k"], &body["nested"]), (&json!(5), &json!({"a": null})));
    let mut saved = serde_json::to_value(fresh.dump_state().allow_unsafe_lm_state(true)).unwrap();
    assert_eq!(saved["lm"].take(), entry, "all of it is written back");
}

#[tokio::test]
async fn extra_headers_of_a_state_are_loaded_on_demand_and_never_written() {
    let server = server(Duration::ZERO).await;
    let settings = json!({
        "extra_headers": {"X-Title": "app", "x-key": "canary-1", "x-both": "extra"},
        "headers": {"x-other": "canary-2", "X-Both": "plain"},
    });
    let entry = entry(&server, &settings);
    let fresh = loaded(&entry).unwrap();
    fresh.call(find()).await.unwrap();
    let request = &requests(&server).await[0];
    let sent = ["x-title", "x-key", "x-both", "x-other"]
        .map(|name| request.headers[name].to_str().unwrap().to_owned());
    assert_eq!(sent, ["app", "canary-1", "extra", "canary-2"]);
    assert!(!String::from_utf8_lossy(&request.body).contains("headers"));
    let read = state(&entry);
    assert!(!read.get("self").unwrap().to_string().contains("canary"));
    for state in [fresh.dump_state(), read.clone()] {
        let text = serde_json::to_string(&state.allow_unsafe_lm_state(true)).unwrap();
        assert!(!text.contains("canary") && !text.contains("headers"), "{text}");
    }
    // Without the option they are not loaded, like addresses.
    let mut careful = Predict::<Find>::new();
    careful.load_state(&read).unwrap();
    assert!(careful.predictor().lm().unwrap().config().params.is_empty());
    let wrong = json!({"extra_headers": "x-a: b"});
    assert!(loaded(&self::entry(&server, &wrong)).map(|_| ()).unwrap_err().is_state());
    // They do not come back if the LM cannot be called either.
    let unknown = json!({"model": "acme/x", "extra_headers": {"x-key": "canary"}});
    let text = serde_json::to_string(&loaded(&self::entry(&server, &unknown)).unwrap().dump_state()).unwrap();
    assert!(text.contains("acme/x") && !text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_timeout_limits_the_wait_for_the_answer() {
    let server = server(Duration::from_secs(30)).await;
    let fresh = loaded(&entry(&server, &json!({"timeout": 0.2}))).unwrap();
    let start = std::time::Instant::now();
    let error = fresh.call(find()).await.unwrap_err();
    assert!(error.is_timeout() && start.elapsed() < Duration::from_secs(10), "{error}");
    for wrong in [json!("60"), json!(0), json!(-1), json!(true), json!([1]), json!(1e300)] {
        let error = loaded(&entry(&server, &json!({ "timeout": wrong }))).map(|_| ()).unwrap_err();
        assert!(error.is_state() && error.to_string().contains("`lm.timeout`"), "{error}");
    }
    for good in [json!(null), json!(1), json!(1200), json!(0.5)] {
        let fresh = loaded(&entry(&server, &json!({ "timeout": good }))).unwrap();
        assert_eq!(serde_json::to_value(fresh.dump_state()).unwrap()["lm"]["timeout"], good);
    }
}

#[tokio::test]
async fn an_lm_of_another_api_than_chat_says_so_at_the_call() {
    let server = server(Duration::ZERO).await;
    for kind in ["text", "responses", "other"] {
        let entry = entry(&server, &json!({ "model_type": kind }));
        let fresh = loaded(&entry).unwrap();
        let error = fresh.call(find()).await.unwrap_err();
        assert!(
            error.is_config() && error.to_string().contains(kind) && error.to_string().contains("set_lm"),
            "{error}"
        );
        let saved = serde_json::to_value(fresh.dump_state().allow_unsafe_lm_state(true)).unwrap();
        assert_eq!(saved["lm"], entry);
    }
    assert!(requests(&server).await.is_empty());
}
