//! Keys and addresses from the environment. Each test runs itself again in a process of its own with the variables it needs:
//! a process cannot safely change its own.

use std::process::Command;

use karat::{Lm, Result, lm::Response};
use wiremock::ResponseTemplate;

use super::{KEY, assert_no_key, good_body, hi, server};

const CHILD: &str = "KARAT_TESTS_CHILD";

pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test of this name again with these variables, and none other that the client reads.
pub(crate) fn run_child(test: &str, vars: &[(&str, &str)]) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
    for var in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"] {
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
async fn an_address_that_is_none_is_a_config_error() {
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
