//! The key is in the `Authorization` header and nowhere else: in no printed text and in no log.

use serde_json::json;
use wiremock::ResponseTemplate;

use super::{
    KEY, assert_no_key,
    environment::{is_child, run_child},
    good_body, hi, lm,
    log::Log,
    server,
};

#[tokio::test]
async fn the_key_is_in_no_log_whatever_the_server_answers() {
    // In a child process: another test's thread could switch an event off for all.
    if !is_child() {
        return run_child("secrets::the_key_is_in_no_log_whatever_the_server_answers", &[]);
    }
    let log = Log::of_the_process();
    let echo = json!({"error": {"message": KEY, "code": KEY, "type": KEY}});
    for template in [
        ResponseTemplate::new(200).set_body_json(good_body()),
        ResponseTemplate::new(200)
            .set_body_json(json!({"choices": [{"message": {"content": "\u{1F600}"}}, {}]})),
        ResponseTemplate::new(200)
            .set_body_raw(format!(r#"{{"choices": "{KEY}\ud83d"}}"#), "application/json"),
        ResponseTemplate::new(307).insert_header("location", format!("http://{KEY}/")),
        ResponseTemplate::new(401).set_body_json(echo),
        ResponseTemplate::new(500).set_body_string(KEY),
    ] {
        let server = server(template).await;
        if let Err(error) = lm(&server.uri()).complete(hi()).await {
            assert_no_key(&error);
        }
    }
    let text = log.text();
    // The log does hold karat's events; an empty log would prove nothing.
    assert!(text.contains("openai/gpt-x") && text.contains("status=401"), "{text}");
    assert!(!text.contains(KEY) && !text.contains("7f3a"), "{text}");
}

#[test]
fn the_key_is_not_in_an_lm_that_is_printed() {
    let lm = lm("http://127.0.0.1:1/v1?token=canary").temperature(0.5);
    let text = format!("{lm:?} {lm:#?} {}", lm.name());
    assert!(text.contains("openai/gpt-x") && text.contains("0.5"), "{text}");
    assert!(!text.contains("canary") && !text.contains("7f3a"), "{text}");
}
