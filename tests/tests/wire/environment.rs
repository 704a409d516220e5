//! Keys and addresses from the environment. Each test runs itself again in a child process with the variables that it needs,
//! since a process cannot safely change its own.

use std::process::Command;

use karat::{ErrorKind, Lm, Module, Predict, Result, Retry, State, lm::Response, signature};
use serde_json::json;
use wiremock::ResponseTemplate;

use super::{KEY, assert_no_key, good_body, hi, server};

const CHILD: &str = "KARAT_TESTS_CHILD";

pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test of this name again with these variables, and no others that the client reads.
pub(crate) fn run_child(test: &str, vars: &[(&str, &str)]) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
    for var in [
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_API_BASE",
        "KARAT_MODEL",
        "KARAT_BASE_URL",
        "HTTP_PROXY",
        "http_proxy",
    ] {
        child.env_remove(var);
    }
    let output = child.envs(vars.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn call() -> Result<Response> {
    Lm::new("openai/gpt-x").unwrap().complete(hi()).await
}

#[tokio::test]
async fn a_missing_key_names_the_variable_and_the_setter() {
    if !is_child() {
        return run_child(
            "environment::a_missing_key_names_the_variable_and_the_setter",
            &[("OPENAI_API_KEY", " ")],
        );
    }
    let error = call().await.unwrap_err();
    assert!(error.is_auth() && error.is_config() && error.is_permanent());
    assert!(error.to_string().contains("`OPENAI_API_KEY`, or call `.api_key(..)`"), "{error}");
}

#[tokio::test]
async fn key_and_address_are_read_from_the_environment() {
    if is_child() {
        return drop(call().await.unwrap());
    }
    let server = server(ResponseTemplate::new(200).set_body_json(good_body())).await;
    let address = format!("{}/v1", server.uri());
    run_child(
        "environment::key_and_address_are_read_from_the_environment",
        &[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &address)],
    );
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.url.path(), "/v1/chat/completions");
    assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
}

#[tokio::test]
async fn the_lm_that_the_environment_names_is_asked() {
    if is_child() {
        let lm = Lm::from_env().unwrap();
        assert_eq!(lm.name(), "openai/gpt-y");
        return drop(lm.complete(hi()).await.unwrap());
    }
    let server = server(ResponseTemplate::new(200).set_body_json(good_body())).await;
    let address = format!("{}/v7", server.uri());
    run_child(
        "environment::the_lm_that_the_environment_names_is_asked",
        &[("KARAT_MODEL", "openai/gpt-y"), ("KARAT_BASE_URL", &address), ("OPENAI_API_KEY", KEY)],
    );
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.url.path(), "/v7/chat/completions");
    assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
}

#[tokio::test]
async fn an_error_names_the_variable_that_the_address_comes_from() {
    if is_child() {
        let error =
            Lm::from_env().unwrap().retry(Retry::none()).complete(hi()).await.unwrap_err().to_string();
        assert!(
            error.contains("the address: it is `KARAT_BASE_URL`") && !error.contains("base_url("),
            "{error}"
        );
        return;
    }
    run_child(
        "environment::an_error_names_the_variable_that_the_address_comes_from",
        &[("KARAT_MODEL", "ollama/x"), ("KARAT_BASE_URL", "http://127.0.0.1:9/v1")],
    );
}

#[tokio::test]
async fn the_environments_key_is_sent_in_clear_to_no_other_machine() {
    if is_child() {
        let lm = Lm::new("openai/gpt-x").unwrap().base_url("http://192.0.2.1:9/v1");
        for lm in [lm.clone(), lm.param("extra_headers", json!({"x-a": "b"}))] {
            let error = lm.complete(hi()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains("`.allow_key_over_http(true)`"), "{error}");
            assert_no_key(&error);
        }
        return;
    }
    run_child(
        "environment::the_environments_key_is_sent_in_clear_to_no_other_machine",
        &[("OPENAI_API_KEY", KEY)],
    );
}

#[tokio::test]
async fn the_environments_key_is_sent_in_clear_to_no_proxy_on_another_machine() {
    if is_child() {
        let lm = Lm::new("openai/gpt-x").unwrap().base_url("http://127.0.0.1:9/v1");
        let error = lm.clone().complete(hi()).await.unwrap_err();
        assert!(error.is_config() && error.to_string().contains("proxy"), "{error}");
        assert_no_key(&error);
        return;
    }
    run_child(
        "environment::the_environments_key_is_sent_in_clear_to_no_proxy_on_another_machine",
        &[("OPENAI_API_KEY", KEY), ("HTTP_PROXY", "http://192.0.2.1:9")],
    );
}

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[tokio::test]
async fn the_environments_key_is_never_sent_to_an_address_of_a_state_file() {
    let loaded = |model: &str, address: &str| {
        let saved = Predict::<Qa>::new().lm(&Lm::new(model).unwrap().base_url(address).retry(Retry::none()));
        let text = serde_json::to_string(&saved.dump_state().allow_unsafe_lm_state(true)).unwrap();
        let state: State = serde_json::from_str(&text).unwrap();
        let mut loaded = Predict::<Qa>::new();
        loaded.load_state(&state.allow_unsafe_lm_state(true)).unwrap();
        loaded.get_lm().unwrap().unwrap()
    };
    if let Ok(address) = std::env::var("KARAT_TESTS_ADDRESS") {
        let error = loaded("openai/gpt-x", &address).complete(hi()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingKey, "{error}");
        assert!(error.to_string().contains("state file"), "{error}");
        loaded("vllm/x", &address).complete(hi()).await.unwrap();
        loaded("openai/gpt-x", &address).api_key("of this server").complete(hi()).await.unwrap();
        return;
    }
    let server = server(ResponseTemplate::new(200).set_body_json(good_body())).await;
    run_child(
        "environment::the_environments_key_is_never_sent_to_an_address_of_a_state_file",
        &[("OPENAI_API_KEY", KEY), ("VLLM_API_KEY", KEY), ("KARAT_TESTS_ADDRESS", &server.uri())],
    );
    let requests = server.received_requests().await.unwrap();
    let keys: Vec<_> = requests.iter().map(|request| request.headers.get("authorization")).collect();
    assert_eq!(keys, [None, Some(&"Bearer of this server".parse().unwrap())]);
}

#[tokio::test]
async fn credentials_in_an_address_are_neither_sent_nor_shown() {
    let server = server(ResponseTemplate::new(200).set_body_json(good_body())).await;
    let address = server.uri().replace("//", "//me:canary@");
    let lm = Lm::new("openai/gpt-x").unwrap().base_url(&address).api_key(KEY);
    let error = lm.complete(hi()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("user name or password"), "{error}");
    assert_no_key(&error);
    assert!(!format!("{lm:?} {lm:#?}").contains("canary"));
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_invalid_address_is_a_config_error() {
    for address in ["", "localhost:8080/v1", "127.0.0.1:8080", "ftp://127.0.0.1/v1", "http://"] {
        let lm = Lm::new("vllm/x").unwrap().base_url(address);
        let error = lm.complete(hi()).await.unwrap_err();
        assert!(error.is_config() && error.to_string().contains("`.base_url(..)`"), "{address}: {error}");
    }
}

#[tokio::test]
async fn a_key_that_no_header_can_hold_is_a_config_error() {
    let error = Lm::new("openai/gpt-x").unwrap().api_key("sk-canary\n7f3a").complete(hi()).await.unwrap_err();
    assert!(error.is_config(), "{error}");
    assert_no_key(&error);
}
