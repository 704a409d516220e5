//! Every known form of servers' answers.

use serde_json::json;

use super::*;
use crate::{providers::chat_completions::with_call, report::Usage};

const TWO: Asked = Asked { completions: 2, tools: false };

fn read_bytes(body: &[u8], headers: &[(HeaderName, &str)]) -> Result<Response> {
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
    with_call(|call| read(call, &HttpReply { status: 200, headers, body: body.to_vec() }, TWO))
}

fn read_json(body: &Value) -> Result<Response> {
    read_bytes(body.to_string().as_bytes(), &[(CONTENT_TYPE, "application/json; charset=utf-8")])
}

fn read_choice(choice: Value) -> Result<Completion> {
    read_json(&json!({ "choices": [choice] })).map(|mut response| response.completions.remove(0))
}

fn read_content(content: Value) -> Result<Completion> {
    read_choice(json!({"message": {"content": content}, "finish_reason": "stop"}))
}

fn assert_bad(result: Result<impl std::fmt::Debug>, part: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadResponse, "{error}");
    assert!(error.to_string().contains(part), "{error}");
    assert_eq!(error.status(), Some(200));
}

#[test]
fn a_whole_answer_is_read() {
    let response = read_json(&json!({
        "model": "x-2",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi", "refusal": null}, "finish_reason": "length"}],
        "usage": {
            "prompt_tokens": 9, "completion_tokens": 7.0, "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }));
    let usage = Usage {
        calls: 1,
        prompt_tokens: 9,
        completion_tokens: 7,
        cached_tokens: 4,
        reasoning_tokens: 5,
        ..Usage::default()
    };
    let completions = vec![Completion { finish: Finish::Length, ..Completion::new("hi") }];
    assert_eq!(
        response.unwrap(),
        Response { completions, usage, model: Some("x-2".into()), rate_limit: None }
    );
}

#[test]
fn usage_that_is_missing_or_null_or_odd_counts_as_zero_tokens_and_one_call() {
    let one = Usage { calls: 1, ..Usage::default() };
    for given in [
        json!(null),
        json!({}),
        json!({"prompt_tokens": null, "prompt_tokens_details": null}),
        json!("?"),
        json!({"prompt_tokens": -1}),
    ] {
        let response =
            read_json(&json!({"choices": [{"message": {"content": "hi"}}], "usage": given})).unwrap();
        assert_eq!(response.usage, one, "{given}");
    }
    let tokens = |usage: Value| serde_json::from_value::<Tokens>(usage).unwrap().usage();
    assert_eq!(tokens(json!({"prompt_cache_hit_tokens": 3})).cached_tokens, 3);
    let odd = json!({
        "prompt_tokens": [1], "completion_tokens": 7.0, "prompt_tokens_details": "many", "x": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": true},
    });
    assert_eq!(tokens(odd), Usage { completion_tokens: 7, ..one });
}

#[test]
fn choices_come_by_index_the_first_of_doubles_and_no_more_than_asked_for() {
    let choice = |index: Option<u8>, text: &str| json!({"index": index, "message": {"content": text}});
    let texts = |choices: Value| -> Vec<String> {
        let response = read_json(&json!({ "choices": choices })).unwrap();
        response.completions.into_iter().map(|completion| completion.text).collect()
    };
    assert_eq!(texts(json!([choice(Some(1), "b"), choice(Some(0), "a")])), ["a", "b"]);
    assert_eq!(texts(json!([choice(Some(0), "a"), choice(Some(0), "b"), choice(Some(1), "c")])), ["a", "c"]);
    assert_eq!(texts(json!([choice(None, "a"), choice(None, "b"), choice(None, "c")])), ["a", "b"]);
    assert_eq!(texts(json!([choice(None, " "), choice(None, "b")])), ["b"]);
}

#[test]
fn content_in_parts_is_joined_and_other_parts_are_left_out() {
    let parts = json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"text": "b"}, "c",
    ]);
    assert_eq!(read_content(parts).unwrap().text, "abc");
    let refusal = json!([{"type": "refusal", "refusal": "I can't"}]);
    assert_eq!(read_content(refusal).unwrap().refusal.as_deref(), Some("I can't"));
}

#[test]
fn a_refusal_and_reasoning_are_kept_apart_from_the_text() {
    let refused = read_choice(json!({"message": {"content": null, "refusal": "I can't"}})).unwrap();
    assert_eq!((refused.text.as_str(), refused.refusal.as_deref()), ("", Some("I can't")));
    for name in ["reasoning_content", "reasoning"] {
        let thought = read_choice(json!({"message": {"content": "42", "refusal": "", name: "hm"}})).unwrap();
        assert_eq!(
            (thought.text.as_str(), thought.refusal, thought.reasoning.as_deref()),
            ("42", None, Some("hm"))
        );
    }
}

#[test]
fn an_answer_that_was_cut_off_before_its_first_word_is_no_bad_response() {
    let cut = read_choice(json!({"message": {"content": ""}, "finish_reason": "length"})).unwrap();
    assert_eq!(cut.finish, Finish::Length);
}

#[test]
fn no_choices_and_empty_content_are_bad_responses() {
    for body in [json!({}), json!({"choices": null}), json!({"choices": []})] {
        assert_bad(read_json(&body), "no choices");
    }
    assert_bad(read_json(&json!({"choices": "?"})), "cannot be read");
    assert_bad(read_json(&json!("?")), "cannot be read");
    for content in [json!(null), json!(""), json!("\n "), json!([]), json!(5)] {
        assert_bad(read_content(content), "is empty");
    }
    assert_bad(read_choice(json!({"message": null})), "is empty");
    assert_bad(read_choice(json!({"message": {"content": null, "tool_calls": [{}]}})), "calls a tool");
}

#[test]
fn a_filtered_answer_is_an_error_that_keeps_the_text_so_far() {
    let error =
        read_choice(json!({"message": {"content": "so"}, "finish_reason": "content_filter"})).unwrap_err();
    assert_eq!((error.kind(), error.completion()), (ErrorKind::Filtered, Some("so")));
    let half = json!([
        {"index": 0, "message": {"content": "a"}, "finish_reason": "content_filter"},
        {"index": 1, "message": {"content": "b"}, "finish_reason": "stop"},
    ]);
    let response = read_json(&json!({ "choices": half })).unwrap();
    assert_eq!(response.completions[0].finish, Finish::ContentFilter);
}

#[test]
fn an_error_inside_a_success_is_an_error() {
    let error = read_json(&json!({"error": {"code": 502, "message": "no provider"}})).unwrap_err();
    assert!(error.is_server() && error.to_string().contains("no provider"), "{error}");
    let error =
        read_choice(json!({"error": {"code": 429, "message": "slow down"}, "finish_reason": "error"}))
            .unwrap_err();
    assert!(error.is_rate_limited(), "{error}");
}

#[test]
fn a_body_that_is_not_json_in_utf_8_is_a_bad_response_that_shows_its_start() {
    let json = [(CONTENT_TYPE, "application/json")];
    let good = br#"{"choices": [{"message": {"content": "hi"}}]}"#;
    assert!(
        read_bytes(good, &json).is_ok() && read_bytes(good, &[(CONTENT_TYPE, "application/x+json")]).is_ok()
    );
    assert_bad(read_bytes(good, &[]), "no content type");
    assert_bad(
        read_bytes(b"<html>down</html>", &[(CONTENT_TYPE, "text/html")]),
        "content type `text/html`); it begins: <html>down",
    );
    assert_bad(read_bytes(b" \n", &json), "empty body");
    assert_bad(read_bytes(b"{\"caf\xe9\": 1}", &json), "UTF-8");
    assert_bad(read_bytes(&[b"\xef\xbb\xbf", good.as_slice()].concat(), &json), "cannot be read");
    let utf_16: Vec<u8> = String::from_utf8_lossy(good).encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_bad(read_bytes(&utf_16, &json), "cannot be read");
    assert_bad(read_bytes(b"{\"choices\": [", &json), "cannot be read");
    assert_bad(read_bytes(b"\x1f\x8b", &[json[0].clone(), (CONTENT_ENCODING, "gzip")]), "compressed (gzip)");
    assert_bad(read_bytes(br#"{"choices": "sk-canary"}"#, &json), "[key]");
}

#[test]
fn half_characters_become_the_replacement_character() {
    let body = br#"{"choices": [{"message": {"content": "a\ud83d b \ud83d\ude00"}}]}"#;
    let response = read_bytes(body, &[(CONTENT_TYPE, "application/json")]).unwrap();
    assert_eq!(response.completions[0].text, "a\u{FFFD} b \u{1F600}");
}

#[test]
fn tool_calls_are_read_where_the_request_had_tools() {
    let body = json!({"choices": [{
        "message": {"content": "Let me see.", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": {"x": 1}}},
        ]},
        "finish_reason": "stop",
    }]});
    let reply = HttpReply { status: 200, headers: HeaderMap::new(), body: body.to_string().into_bytes() };
    let reply = HttpReply {
        headers: [(CONTENT_TYPE, "application/json".parse().unwrap())].into_iter().collect(),
        ..reply
    };
    let asked = Asked { completions: 1, tools: true };
    let response = with_call(|call| read(call, &reply, asked)).unwrap();
    let calls = [ToolCall::new("a", "f", "{}"), ToolCall::new("b", "g", r#"{"x":1}"#)];
    let parts = std::iter::once(Part::from("Let me see.")).chain(calls.map(Part::from));
    assert_eq!(response.completions, [Completion::of_parts(parts)]);
}
