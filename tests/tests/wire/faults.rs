//! One test for each status and each malformed answer. Every body echoes the key, which must not be in the error.

use std::time::Duration;

use karat::{ErrorKind, lm::Finish};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::{KEY, answer, error, good_body, hi, lm, server};

/// A refusal of the request, as OpenAI words it.
fn refusal(status: u16, code: Value, kind: &str) -> ResponseTemplate {
    let message = format!("you sent {KEY}");
    ResponseTemplate::new(status)
        .set_body_json(json!({"error": {"message": message, "type": kind, "code": code}}))
}

/// An answer with these choices.
fn choices(choices: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "choices": choices }))
}

#[tokio::test]
async fn a_bad_request_is_permanent_and_shows_what_the_server_said() {
    for status in [400, 413, 422] {
        let error = error(refusal(status, json!(null), "invalid_request_error")).await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::BadRequest, Some(status)));
        assert!(error.is_permanent() && error.to_string().contains("you sent [key]"), "{error}");
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_has_its_own_kind() {
    let openai = error(refusal(400, json!("context_length_exceeded"), "invalid_request_error")).await;
    let llamacpp = error(refusal(400, json!(400), "exceed_context_size_error")).await;
    for error in [openai, llamacpp] {
        assert!(error.is_context_length() && error.to_string().contains("too long"), "{error}");
    }
}

#[tokio::test]
async fn a_refused_key_is_an_auth_error_that_names_where_the_key_comes_from() {
    for status in [401, 403] {
        let error = error(refusal(status, json!("invalid_api_key"), "invalid_request_error")).await;
        assert!(error.is_auth() && error.is_permanent());
        assert!(
            error.to_string().contains("`.api_key(..)`, else the environment variable `OPENAI_API_KEY`"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_used_up_quota_is_no_rate_limit() {
    let by_status = error(refusal(402, json!(null), "")).await;
    let by_code = error(refusal(429, json!("insufficient_quota"), "insufficient_quota")).await;
    for error in [by_status, by_code] {
        assert!(error.is_quota() && !error.is_rate_limited(), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_fails_the_providers_own_check_is_a_parse_error() {
    let error = error(refusal(400, json!("json_validate_failed"), "invalid_request_error")).await;
    assert!(error.is_parse() && error.status() == Some(400), "{error}");
}

#[tokio::test]
async fn an_unknown_model_is_named() {
    let error = error(refusal(404, json!("model_not_found"), "invalid_request_error")).await;
    assert!(error.is_unknown_model() && error.to_string().contains("the model `gpt-x`"), "{error}");
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    let limited = || refusal(429, json!("rate_limit_exceeded"), "requests");
    let error_of = |template| async { error(template).await };
    let plain = error_of(limited()).await;
    assert!(plain.is_rate_limited() && plain.retry_after().is_none());
    let seconds = error_of(limited().insert_header("retry-after", "7")).await;
    assert_eq!(seconds.retry_after(), Some(Duration::from_secs(7)));
    let milliseconds =
        error_of(limited().insert_header("retry-after", "7").insert_header("retry-after-ms", "1500")).await;
    assert_eq!(milliseconds.retry_after(), Some(Duration::from_millis(1500)));
    for garbage in ["-1", "NaN", "1e400", "soon"] {
        let error = error_of(limited().insert_header("retry-after", garbage)).await;
        assert!(error.is_rate_limited() && error.retry_after().is_none(), "{garbage}");
    }
}

#[tokio::test]
async fn a_failing_server_is_a_server_error_whatever_its_body() {
    for status in [500, 502, 503, 504, 529, 408, 409, 425] {
        let page = format!("<html><h1>Bad   gateway</h1>\n{KEY}</html>");
        let error = error(ResponseTemplate::new(status).set_body_raw(page, "text/html")).await;
        assert_eq!(
            (error.kind(), error.status(), error.is_permanent()),
            (ErrorKind::Server, Some(status), false)
        );
        assert!(error.to_string().contains("<html><h1>Bad gateway</h1> [key]</html>"), "{error}");
    }
    let empty = error(ResponseTemplate::new(503)).await;
    assert!(empty.is_server() && empty.to_string().contains("empty body"), "{empty}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_goes_nowhere_else() {
    let elsewhere = server(ResponseTemplate::new(200).set_body_json(good_body())).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/v1?key={KEY}", elsewhere.uri().replace("//", "//me:canary@"));
        let error = error(ResponseTemplate::new(status).insert_header("location", location)).await;
        assert!(error.is_config() && error.to_string().contains(&elsewhere.uri()), "{error}");
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_not_json_shows_its_status_its_type_and_its_start() {
    let page = format!("<html>hello {KEY} {}", "x".repeat(1000));
    let error = error(ResponseTemplate::new(200).set_body_raw(page, "text/html; charset=utf-8")).await;
    assert!(error.is_bad_response() && error.status() == Some(200));
    let text = error.to_string();
    assert!(
        text.contains(
            "status 200, content type `text/html; charset=utf-8`); it begins: <html>hello [key] xxx"
        ),
        "{text}"
    );
    assert!(text.len() < 500, "{text}");
}

#[tokio::test]
async fn an_answer_without_a_content_type_or_without_a_body_is_a_bad_response() {
    let body = good_body().to_string();
    let untyped =
        error(ResponseTemplate::new(200).set_body_bytes(body).insert_header("content-type", "")).await;
    let empty = error(ResponseTemplate::new(200).set_body_raw("", "application/json")).await;
    let no_content = error(ResponseTemplate::new(204)).await;
    for (error, part) in [(untyped, "no content type"), (empty, "empty body"), (no_content, "status 204")] {
        assert!(error.is_bad_response() && error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn an_answer_in_another_encoding_or_cut_json_is_a_bad_response() {
    let utf_16: Vec<u8> = good_body().to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [b"\xef\xbb\xbf".as_slice(), good_body().to_string().as_bytes()].concat();
    let cut = good_body().to_string().split_off(3).into_bytes();
    for body in [b"{\"caf\xe9\": 1}".to_vec(), utf_16, with_mark, cut, b"\xff\xfe".to_vec()] {
        assert!(
            error(ResponseTemplate::new(200).set_body_raw(body, "application/json")).await.is_bad_response()
        );
    }
}

#[tokio::test]
async fn half_a_character_is_replaced() {
    let body = r#"{"choices": [{"message": {"content": "a\ud83d"}}]}"#;
    let response = answer(ResponseTemplate::new(200).set_body_raw(body, "application/json")).await.unwrap();
    assert_eq!(response.completions[0].text, "a\u{FFFD}");
}

#[tokio::test]
async fn a_compressed_answer_is_a_bad_response() {
    let gzip = ResponseTemplate::new(200).set_body_raw(vec![0x1f, 0x8b, 8, 0], "application/json");
    let error = error(gzip.insert_header("content-encoding", "gzip")).await;
    assert!(error.is_bad_response() && error.to_string().contains("compressed (gzip)"), "{error}");
}

#[tokio::test]
async fn an_answer_without_choices_is_a_bad_response() {
    for choices_given in [json!(null), json!([]), json!({}), json!(KEY)] {
        assert!(error(choices(choices_given)).await.is_bad_response());
    }
    assert!(error(ResponseTemplate::new(200).set_body_json(json!({}))).await.is_bad_response());
}

#[tokio::test]
async fn the_first_choice_of_an_index_counts_and_surplus_ones_are_left_out() {
    let choice = |index: u8, text: &str| json!({"index": index, "message": {"content": text}});
    let doubles = choices(json!([choice(1, "c"), choice(0, "a"), choice(0, "b")]));
    let response = answer(doubles).await.unwrap();
    assert_eq!(response.completions.len(), 1);
    assert_eq!(response.completions[0].text, "a");
}

#[tokio::test]
async fn an_answer_with_nothing_in_it_is_a_bad_response() {
    for message in
        [json!(null), json!({}), json!({"content": null}), json!({"content": ""}), json!({"content": []})]
    {
        assert!(
            error(choices(json!([{"message": message, "finish_reason": "stop"}]))).await.is_bad_response()
        );
    }
    let calls = json!([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let error = error(choices(
        json!([{"message": {"content": null, "tool_calls": calls}, "finish_reason": "tool_calls"}]),
    ))
    .await;
    assert!(error.is_bad_response() && error.to_string().contains("calls a tool"), "{error}");
}

#[tokio::test]
async fn parts_are_joined_and_reasoning_and_refusals_are_kept_apart() {
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    let joined =
        answer(choices(json!([{"message": {"content": parts, "reasoning_content": "hm"}}]))).await.unwrap();
    assert_eq!(
        (joined.completions[0].text.as_str(), joined.completions[0].reasoning.as_deref()),
        ("ab", Some("hm"))
    );
    let thought = answer(choices(json!([{"message": {"content": null, "reasoning": "hm"}}]))).await.unwrap();
    assert_eq!(
        (thought.completions[0].text.as_str(), thought.completions[0].reasoning.as_deref()),
        ("", Some("hm"))
    );
    let refused =
        answer(choices(json!([{"message": {"content": null, "refusal": "I can't"}}]))).await.unwrap();
    assert_eq!(refused.completions[0].refusal.as_deref(), Some("I can't"));
}

#[tokio::test]
async fn a_cut_off_answer_says_so() {
    let cut =
        answer(choices(json!([{"message": {"content": "so"}, "finish_reason": "length"}]))).await.unwrap();
    assert_eq!((cut.completions[0].text.as_str(), &cut.completions[0].finish), ("so", &Finish::Length));
}

#[tokio::test]
async fn a_filtered_answer_is_an_error_of_its_own_kind() {
    let output =
        error(choices(json!([{"message": {"content": "so"}, "finish_reason": "content_filter"}]))).await;
    assert_eq!(output.completion(), Some("so"));
    let input = error(refusal(400, json!("content_filter"), "invalid_request_error")).await;
    assert!(output.is_filtered() && input.is_filtered());
}

#[tokio::test]
async fn an_error_inside_a_success_is_an_error() {
    let inside = json!({"error": {"code": 503, "message": format!("no provider for {KEY}")}});
    let error = error(ResponseTemplate::new(200).set_body_json(inside)).await;
    assert!(error.is_server() && error.to_string().contains("no provider for [key]"), "{error}");
}

#[tokio::test]
async fn without_retries_nothing_is_sent_twice() {
    let server = MockServer::start().await;
    for status in [429, 500, 503] {
        Mock::given(matchers::any())
            .respond_with(ResponseTemplate::new(status))
            .expect(1)
            .mount(&server)
            .await;
        lm(&server.uri()).complete(hi()).await.unwrap_err();
        server.verify().await;
        server.reset().await;
    }
}
