//! LMs in a state: settings come back, addresses on demand, keys never.

use karat::{Lm, Module, Retry};
use serde_json::{Value, json};

use super::state::{json, program, state, tuned};
use crate::support::*;

pub(super) const LM: &str = r#"{"_dspy_lm_class": "dspy.clients.lm.LM", "model": "openai/gpt-4o-mini", "model_type": "chat", "cache": false,
    "num_retries": 7, "finetuning_model": null, "launch_kwargs": {}, "train_kwargs": {}, "temperature": 0.3,
    "max_tokens": null, "top_p": 0.9, "stop": ["x"], "n": 2, "api_base": "http://127.0.0.1:9", "api_key": "sk-canary"}"#;

pub(super) fn with_lm(lm: &str) -> Value {
    let mut json = json(&tuned());
    json["query"]["lm"] = serde_json::from_str(lm).unwrap();
    json
}

#[test]
fn an_lm_comes_back_with_its_settings_and_without_its_address() {
    let mut fresh = program();
    fresh.load_state(&state(&with_lm(LM))).unwrap();
    let lm = fresh.query.predictor().lm().unwrap();
    assert_eq!(lm.name(), "openai/gpt-4o-mini");
    let config = lm.config();
    assert_eq!((config.temperature, config.max_tokens, config.n), (Some(0.3), None, Some(2)));
    assert_eq!((config.stop.as_slice(), &config.params["top_p"]), (&["x".to_owned()][..], &json!(0.9)));
    assert_eq!(config.params.len(), 1, "what is not for the provider is not sent: {config:?}");
    let saved = &json(&fresh)["query"]["lm"];
    let mut expected: Value = serde_json::from_str(LM).unwrap();
    for key in ["api_base", "api_key"] {
        expected.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(saved, &expected, "the rest is kept for DSPy");
}

#[test]
fn addresses_are_loaded_and_written_only_on_demand_and_keys_never() {
    let mut fresh = program();
    fresh.load_state(&state(&with_lm(LM)).allow_unsafe_lm_state(true)).unwrap();
    let plain = serde_json::to_string(&fresh.dump_state()).unwrap();
    let trusted = serde_json::to_string(&fresh.dump_state().allow_unsafe_lm_state(true)).unwrap();
    assert!(!plain.contains("api_base") && trusted.contains(r#""api_base":"http://127.0.0.1:9""#));
    let secret = Lm::new("openai/x")
        .unwrap()
        .api_key("sk-canary")
        .param("extra_headers", json!({"Authorization": "sk-canary"}))
        .param("extra_body", json!({"top_k": 5, "nested": [{"Api-Key": "sk-canary"}]}));
    fresh.set_lm(&secret);
    let saved = serde_json::to_string(&fresh.dump_state().allow_unsafe_lm_state(true)).unwrap();
    assert!(!saved.contains("sk-canary") && saved.contains("top_k"), "{saved}");
    assert!(!format!("{:?}", fresh.dump_state()).contains("sk-canary"));
}

#[test]
fn an_lm_of_the_programs_own_stays_whatever_the_state_says() {
    let lm = answers([]).lm();
    let mut fresh = program();
    fresh.set_lm(&lm);
    fresh.load_state(&tuned().dump_state()).unwrap();
    assert_eq!(fresh.get_lm().unwrap(), Some(lm.clone()));
    fresh.load_state(&state(&with_lm(LM))).unwrap();
    assert_eq!(fresh.get_lm().unwrap(), Some(lm));
    assert_eq!(json(&fresh)["query"]["lm"], Value::Null, "a model of the program's own cannot be saved");
}

#[test]
fn an_lm_may_say_counts_as_pythons_floats_and_a_seed_below_zero() {
    let lm =
        r#"{"model": "openai/x", "max_tokens": 1e3, "n": 2.0, "seed": -1, "temperature": 0, "stop": "x"}"#;
    let mut fresh = program();
    fresh.load_state(&state(&with_lm(lm))).unwrap();
    let config = fresh.query.predictor().lm().unwrap().config().clone();
    assert_eq!((config.max_tokens, config.n, config.temperature), (Some(1000), Some(2), Some(0.0)));
    assert_eq!((config.seed, &config.params["seed"]), (None, &json!(-1)));
    let saved = &json(&fresh)["query"]["lm"];
    assert_eq!((&saved["max_tokens"], &saved["seed"]), (&json!(1000), &json!(-1)));
    for wrong in ["1.5", "-2.0", "1e300", "-1", "true"] {
        let lm = format!(r#"{{"model": "openai/x", "max_tokens": {wrong}}}"#);
        assert!(program().load_state(&state(&with_lm(&lm))).is_err(), "{wrong}");
    }
}

#[test]
fn an_lm_of_wrong_types_is_an_error() {
    for lm in [
        r#"{"model": 1}"#,
        r#"{"model": "openai/x", "temperature": "hot"}"#,
        r#"{"model": "openai/x", "max_tokens": -1}"#,
        r#"{"model": "openai/x", "stop": [1]}"#,
    ] {
        let error = program().load_state(&state(&with_lm(lm))).unwrap_err();
        assert!(error.is_state() && error.predictor() == Some("query"), "{lm}: {error:?}");
        let mut own = program();
        own.set_lm(&answers([]).lm());
        own.load_state(&state(&with_lm(lm))).unwrap();
    }
}

#[tokio::test]
async fn an_lm_that_karat_cannot_make_is_kept_and_says_so_at_a_call() {
    for lm in [
        r#"{"model": "anthropic/claude", "temperature": 0.5, "use_developer_role": true}"#,
        r#"{"model": "gpt-4o"}"#,
        r#"{"_dspy_lm_class": "my.Own", "model": "openai/x"}"#,
    ] {
        let mut fresh = program();
        fresh.load_state(&state(&with_lm(lm))).unwrap();
        assert_eq!(json(&fresh)["query"]["lm"], serde_json::from_str::<Value>(lm).unwrap(), "for DSPy");
        let error = fresh.query.call(MakeQueryInput { question: "x".into() }).await.unwrap_err();
        assert!(error.is_config() && error.to_string().contains("set_lm"), "{error}");
    }
}

#[test]
fn the_names_that_litellm_has_for_providers_are_known_and_given_back() {
    for (name, saved) in [
        ("hosted_vllm/m", "hosted_vllm/m"),
        ("vllm/m", "hosted_vllm/m"),
        ("together_ai/a/b", "together_ai/a/b"),
        ("ollama_chat/m", "ollama_chat/m"),
    ] {
        let mut json = with_lm(&format!(r#"{{"model": "{name}"}}"#));
        let mut fresh = program();
        fresh.load_state(&state(&json)).unwrap();
        json = self::json(&fresh);
        // What a file had stays as it was.
        assert_eq!(json["query"]["lm"]["model"], name);
        fresh.set_lm(&Lm::new(name).unwrap());
        assert_eq!(self::json(&fresh)["query"]["lm"]["model"], saved);
    }
}

#[test]
fn equal_lms_of_a_state_become_one() {
    let mut json = with_lm(LM);
    json["answer.predict"]["lm"] = json["query"]["lm"].clone();
    let mut fresh = program();
    fresh.load_state(&state(&json)).unwrap();
    assert!(fresh.query.predictor().lm() == fresh.answer.predict().predictor().lm());
}

#[test]
fn lms_that_differ_only_in_what_is_kept_for_dspy_keep_it_each() {
    let mut json = with_lm(LM);
    json["answer.predict"]["lm"] = json["query"]["lm"].clone();
    json["answer.predict"]["lm"]["num_retries"] = 8.into();
    let mut fresh = program();
    fresh.load_state(&state(&json)).unwrap();
    let saved = self::json(&fresh);
    let retries = |path: &str| saved[path]["lm"]["num_retries"].clone();
    assert_eq!((retries("query"), retries("answer.predict")), (json!(7), json!(8)));
}

#[tokio::test]
async fn an_lm_of_the_programs_own_stays_the_very_same_at_a_load() {
    let lm = paris().lm();
    let mut twins = Twins::new();
    twins.left = twins.left.lm(&lm);
    twins.right = twins.right.lm(&lm.without_history());
    twins.load_state(&Twins::new().dump_state()).unwrap();
    twins.call(ask()).await.unwrap();
    assert_eq!(twins.history().len(), 1, "one of the two is to keep no history");
}

#[tokio::test(start_paused = true)]
async fn dspys_retries_are_karats_attempts_less_one() {
    // Nobody listens there.
    let lm = |retries: &str| {
        let lm = format!(
            r#"{{"model": "llamacpp/x", "num_retries": {retries}, "api_base": "http://127.0.0.1:1/v1"}}"#
        );
        let mut fresh = program();
        fresh.load_state(&state(&with_lm(&lm)).allow_unsafe_lm_state(true)).unwrap();
        fresh
    };
    for (retries, attempts) in [("0", 1), ("2", 3), ("3", 4)] {
        let loaded = lm(retries);
        let error = loaded.query.predictor().lm().unwrap().complete(hi("hi")).await.unwrap_err();
        assert_eq!(error.attempts(), attempts, "{error}");
        assert_eq!(json(&loaded)["query"]["lm"]["num_retries"].to_string(), retries);
    }
    // What is no count is kept for DSPy.
    assert_eq!(json(&lm("null"))["query"]["lm"]["num_retries"], Value::Null);
    let mut fresh = program();
    fresh.set_lm(&Lm::new("openai/x").unwrap().retry(Retry::new().attempts(6)));
    assert_eq!(json(&fresh)["query"]["lm"]["num_retries"], 5);
}
