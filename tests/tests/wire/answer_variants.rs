//! Answers in forms that differ from the API: an unneeded field never fails the answer, and an error is recognized in any
//! form.

use karat::{
    Error, ErrorKind, Lm, Result, Retry, Usage,
    lm::{Caller, CallerId, Completion, DeltaPart, Response},
};
use karat_tests::{Act, Reply, Server, reply::event, server::Greeting};
use serde_json::{Value, json};

use super::{KEY, assert_no_key, hi};

const DONE: &str = "data: [DONE]\n\n";

fn lm(server: &Server) -> Lm {
    let url = format!("http://{}/v1", server.address());
    Lm::new("openai/gpt-x").unwrap().base_url(url).api_key(KEY).retry(Retry::none())
}

fn serve(reply: Reply) -> Server {
    Server::start(Greeting::Plain, move |_| reply.clone())
}

/// The outcome of a reply to a request without a stream.
async fn whole(reply: Reply) -> Result<Response> {
    lm(&serve(reply)).complete(hi()).await
}

/// The outcome of a reply to a streamed request, with the streamed text and reasoning.
async fn streamed(reply: Reply) -> (Result<Response>, [String; 2]) {
    let mut heard = [String::new(), String::new()];
    let sink = &mut |delta: karat::lm::Delta<'_>| {
        heard[usize::from(delta.part == DeltaPart::Reasoning)].push_str(delta.text);
    };
    let caller = Caller::new("me", CallerId::unique());
    let outcome = lm(&serve(reply)).stream_for(caller, hi(), sink).await;
    (outcome.map(|response| (*response).clone()), heard)
}

fn events(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn stream(body: impl Into<String>) -> Reply {
    Reply::status(200).typed("text/event-stream", body.into())
}

fn chunk(delta: Value, finish: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

/// The one completion of an event stream; checks that it was streamed as it is.
async fn completion_of(body: String) -> Completion {
    let (outcome, [text, reasoning]) = streamed(stream(body.clone())).await;
    let completion = outcome.unwrap_or_else(|error| panic!("{body}: {error}")).completions.remove(0);
    assert_eq!(
        (&text, &reasoning),
        (&completion.text, completion.reasoning.as_ref().unwrap_or(&String::new()))
    );
    completion
}

fn tokens(usage: Usage) -> [u64; 2] {
    [usage.prompt_tokens, usage.completion_tokens]
}

#[tokio::test]
async fn a_message_beside_deltas_repeats_the_text_and_counts_once() {
    let choice = |choice: Value| json!({ "choices": [choice] });
    let paris = json!({"content": "Paris it is"});
    let both = |delta: &str, all: &str| {
        choice(json!({"delta": {"content": delta}, "message": {"role": "assistant", "content": all}}))
    };
    let stop = json!("stop");
    for all in [
        vec![choice(json!({"index": 0, "finish_reason": stop, "message": paris, "delta": paris}))],
        vec![choice(json!({"index": 0, "delta": paris, "message": null, "finish_reason": stop}))],
        vec![choice(json!({"index": 0, "delta": null, "message": paris, "finish_reason": stop}))],
        vec![choice(json!({"delta": {}, "message": paris, "finish_reason": stop}))],
        vec![choice(json!({"delta": [], "message": paris, "finish_reason": stop}))],
        // Perplexity.
        vec![
            both("Paris", "Paris"),
            both(" it", "Paris it"),
            both(" is", "Paris it is"),
            choice(
                json!({"delta": {"role": "assistant", "content": ""}, "message": paris, "finish_reason": stop}),
            ),
        ],
        vec![
            both("Paris ", "Paris "),
            choice(json!({"delta": null, "message": paris, "finish_reason": stop})),
        ],
        vec![both("Paris it", "Paris it"), choice(json!({"message": paris, "finish_reason": stop}))],
        vec![
            both(" Paris", "Paris"),
            both(" it is", "Paris it is"),
            choice(json!({"message": paris, "finish_reason": stop})),
        ],
        // The whole text so far without deltas, and the last part alone.
        vec![
            choice(json!({"message": {"content": "Paris it"}})),
            choice(json!({"message": paris, "finish_reason": stop})),
        ],
        vec![
            both("Paris", "Paris"),
            choice(json!({"message": {"content": " it is"}, "finish_reason": stop})),
        ],
        vec![
            choice(json!({"message": {"content": "Paris"}})),
            choice(json!({"message": {"content": " it is"}, "finish_reason": stop})),
        ],
    ] {
        assert_eq!(completion_of(events(&all)).await.text.trim(), "Paris it is", "{all:?}");
    }
    for choice in [
        json!({"message": paris, "delta": paris, "finish_reason": "stop"}),
        json!({"message": null, "delta": paris}),
        json!({"message": {}, "delta": paris}),
        json!({"message": false, "delta": paris, "finish_reason": 0}),
    ] {
        let response = whole(Reply::json(&json!({ "choices": [choice] }))).await.unwrap();
        assert_eq!(response.completions, [Completion::new("Paris it is")], "{choice}");
    }
}

#[tokio::test]
async fn a_side_field_of_a_wrong_type_never_fails_the_answer() {
    let sides = [
        json!({"reasoning": {"content": "hm"}}),
        json!({"reasoning": []}),
        json!({"reasoning": {}}),
        json!({"reasoning": false}),
        json!({"reasoning": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}),
        json!({"reasoning": 7, "reasoning_content": {"x": [1, 2]}}),
        json!({"reasoning_content": "", "reasoning": "hm"}),
        json!({"reasoning_content": ["hm"], "refusal": false}),
        json!({"refusal": {}, "tool_calls": false, "role": 7, "annotations": "none"}),
        json!({"refusal": [], "tool_calls": {}, "audio": [[]]}),
    ];
    for side in sides {
        let mut message = side.clone();
        message["content"] = json!("Paris");
        for extra in [
            json!({"index": 0, "finish_reason": "stop"}),
            json!({"index": "0", "finish_reason": 0}),
            json!({"index": -1, "finish_reason": false}),
            json!({"index": 0.0, "finish_reason": {}, "logprobs": "none"}),
            json!({"index": null, "finish_reason": ["stop"], "usage": "none"}),
            json!({"index": {}, "error": false}),
            json!({"index": 0, "error": ""}),
            json!({"index": 0, "error": {}}),
        ] {
            let said = |name: &str| {
                let mut choice = extra.clone();
                choice[name] = message.clone();
                json!({"choices": [choice], "usage": [], "model": 7, "error": {}, "x_groq": "none", "id": null})
            };
            let response = whole(Reply::json(&said("message"))).await;
            let response = response.unwrap_or_else(|error| panic!("{side} {extra}: {error}"));
            let heard = completion_of(events(&[said("delta")]) + DONE).await;
            for completion in [&response.completions[0], &heard] {
                let hm = Some("hm").filter(|_| side.to_string().contains('h'));
                assert_eq!(
                    (&*completion.text, completion.reasoning.as_deref()),
                    ("Paris", hm),
                    "{side} {extra}"
                );
                assert_eq!(completion.refusal, None, "{side}");
            }
        }
    }
}

#[tokio::test]
async fn thinking_parts_of_a_content_list_are_reasoning() {
    let text = json!({"type": "text", "text": "Paris"});
    for thought in [
        json!({"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}),
        json!({"type": "thinking", "thinking": "hm", "signature": "x"}),
        json!({"type": "reasoning", "text": "hm"}),
        json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}),
        json!({"type": "reasoning", "reasoning": "hm"}),
        json!({"text": "hm", "thought": true}),
    ] {
        let content = json!([thought, text, {"type": "image_url", "image_url": {}}]);
        let answer = json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]});
        let response = whole(Reply::json(&answer)).await.unwrap();
        let stream = [
            chunk(json!({"content": [thought]}), json!(null)),
            chunk(json!({"content": [{"type": "text", "text": "Pa"}]}), json!(null)),
            chunk(json!({"content": "ris"}), json!("stop")),
        ];
        for completion in [&response.completions[0], &completion_of(events(&stream)).await] {
            assert_eq!(
                (&*completion.text, completion.reasoning.as_deref()),
                ("Paris", Some("hm")),
                "{thought}"
            );
        }
    }
}

#[tokio::test]
async fn the_usage_of_a_stream_is_read_from_every_known_place() {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 6});
    let text = || chunk(json!({"content": "Paris"}), json!(null));
    let end = || chunk(json!({}), json!("stop"));
    let with = |mut event: Value, usage: Value| {
        event["usage"] = usage;
        event
    };
    let in_choice = |mut event: Value, usage: &Value| {
        event["choices"][0]["usage"] = usage.clone();
        event
    };
    let zero = json!({"prompt_tokens": 0, "completion_tokens": 0});
    for all in [
        vec![with(text(), json!({})), in_choice(end(), &usage)],
        vec![text(), with(end(), usage.clone()), with(json!({"choices": []}), json!({}))],
        vec![
            text(),
            end(),
            with(json!({"choices": []}), usage.clone()),
            json!({"choices": [], "usage": null}),
        ],
        vec![text(), with(end(), usage.clone()), with(json!({"choices": []}), zero)],
        vec![with(text(), json!({"prompt_tokens": 5, "completion_tokens": 1})), with(end(), usage.clone())],
        vec![text(), end(), json!({ "usage": usage })],
        vec![text(), end(), json!({"choices": null, "usage": usage})],
        vec![text(), end(), json!({"choices": {}, "usage": usage})],
        vec![text(), json!({"choices": end()["choices"], "x_groq": {"id": "x", "usage": usage}})],
        vec![text(), with(end(), json!({"prompt_tokens": "5", "completion_tokens": 6.0}))],
        vec![text(), with(end(), json!({"input_tokens": 5, "output_tokens": 6}))],
    ] {
        let (outcome, _) = streamed(stream(events(&all) + DONE)).await;
        assert_eq!(tokens(outcome.unwrap().usage), [5, 6], "{all:?}");
    }
    let choice = json!({"message": {"content": "Paris"}, "usage": usage});
    let whole = whole(Reply::json(&json!({"choices": [choice], "usage": {}}))).await.unwrap();
    assert_eq!(tokens(whole.usage), [5, 6]);
}

#[tokio::test]
async fn an_answer_that_is_an_error_has_its_usage() {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 6});
    let choice = |choice: Value| json!({"choices": [choice], "usage": usage});
    for body in [
        choice(json!({"message": {"content": ""}})),
        choice(json!({"message": {"content": "so"}, "finish_reason": "content_filter"})),
        choice(json!({"message": {"content": null, "tool_calls": [{}]}, "finish_reason": "tool_calls"})),
        choice(json!({"message": {"content": "so"}, "error": {"code": 502}})),
        json!({"choices": [], "usage": usage}),
        json!({"choices": "?", "usage": usage}),
        json!({"error": {"code": 429, "message": "x"}, "usage": usage}),
        json!({"message": "x", "code": "500", "usage": usage}),
    ] {
        let error = whole(Reply::json(&body)).await.unwrap_err();
        assert_eq!(tokens(error.usage()), [5, 6], "{body}: {error}");
        let mut refused = body.clone();
        refused["error"] = json!({"message": "no"});
        let error =
            whole(Reply::status(400).typed("application/json", refused.to_string())).await.unwrap_err();
        assert_eq!(tokens(error.usage()), [5, 6], "{body}: {error}");
    }
    let paid = json!({"choices": [{"delta": {"content": "so"}}], "usage": usage});
    for (end, kind) in [
        (String::new(), ErrorKind::Connect),
        (events(&[json!({"error": {"code": 503}})]), ErrorKind::Server),
        (events(&[json!({"code": "429", "message": "x"})]), ErrorKind::RateLimited),
        (events(&[chunk(json!({}), json!("content_filter"))]), ErrorKind::Filtered),
        ("data: <html>\n\n".into(), ErrorKind::BadResponse),
    ] {
        let (outcome, _) = streamed(stream(events(std::slice::from_ref(&paid)) + &end)).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), tokens(error.usage()), error.completion()), (kind, [5, 6], Some("so")));
    }
}

#[tokio::test]
async fn events_are_recognized_by_their_first_line_whatever_the_content_type() {
    let body = events(&[
        chunk(json!({"content": "Pa"}), json!(null)),
        chunk(json!({"content": "ris"}), json!("stop")),
    ]) + DONE;
    for content_type in [
        "text/plain",
        "application/x-ndjson",
        "application/json",
        "application/octet-stream",
        "text/html",
        "text/event-stream",
    ] {
        for start in ["", ": wait\n\n", "event: message\n", "\n\n", "\u{feff}"] {
            let reply = || Reply::status(200).typed(content_type, format!("{start}{body}"));
            let (outcome, [text, _]) = streamed(reply()).await;
            assert_eq!(
                (&*outcome.unwrap().completions[0].text, &*text),
                ("Paris", "Paris"),
                "{content_type} {start:?}"
            );
            assert_eq!(
                whole(reply()).await.unwrap().completions[0].text,
                "Paris",
                "{content_type} {start:?}"
            );
        }
    }
    for size in [1, 3, 1_000] {
        let head = karat_tests::reply::head("200 OK", &[&format!("content-length: {}", body.len())]);
        let reply: Reply = vec![Act::Bytes(head.into()), Act::Pieces(body.clone().into(), size)].into();
        assert_eq!(whole(reply.clone()).await.unwrap().completions[0].text, "Paris");
        assert_eq!(streamed(reply).await.1[0], "Paris");
    }
}

#[tokio::test]
async fn a_body_that_is_neither_json_nor_events_is_a_bad_response() {
    let json = json!({"choices": [{"message": {"content": "Paris"}}]}).to_string();
    let id_first = format!("id: 1\n{}", event(&json!({"content": "Paris"})) + DONE);
    for (content_type, body) in [
        ("text/plain", json.clone()),
        ("text/event-stream", json.clone()),
        ("text/event-stream", "<html>data: x</html>".into()),
        ("text/plain", format!(" {}", event(&json!({"content": "Paris"})))),
        ("text/plain", format!("{json}\n")),
        ("text/plain", id_first.clone()),
        ("text/plain", "dat".into()),
        ("text/plain", "\n".repeat(5_000)),
    ] {
        for outcome in [
            whole(Reply::status(200).typed(content_type, body.clone())).await,
            streamed(Reply::status(200).typed(content_type, body.clone())).await.0,
        ] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadResponse, "{content_type} {body}: {error}");
            assert!(!error.is_transient() && !error.to_string().contains("try again"), "{error}");
        }
    }
    // With the content type of events every line may come first.
    assert_eq!(whole(stream(id_first)).await.unwrap().completions[0].text, "Paris");
}

#[tokio::test]
async fn a_whole_answer_may_come_as_an_event_and_a_stream_as_one_answer() {
    let answer = json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 6},
    });
    let pretty = serde_json::to_string_pretty(&answer).unwrap().replace('\n', "\ndata: ");
    for body in [
        events(std::slice::from_ref(&answer)),
        events(std::slice::from_ref(&answer)) + DONE,
        format!("data: {pretty}\n\n"),
    ] {
        for reply in [stream(body.clone()), Reply::status(200).typed("application/json", body)] {
            for response in [whole(reply.clone()).await, streamed(reply).await.0] {
                let response = response.unwrap();
                assert_eq!((&*response.completions[0].text, tokens(response.usage)), ("Paris", [5, 6]));
            }
        }
    }
    let (outcome, _) = streamed(Reply::json(&answer)).await;
    assert_eq!(outcome.unwrap().completions[0].text, "Paris");
}

/// The errors of an error object: inside a whole answer, bare, in a stream's event, and bare in an event after some text.
async fn errors_inside(error: &Value) -> Vec<Error> {
    let text = chunk(json!({"content": "Par"}), json!(null));
    let wrapped = json!({ "error": error });
    let mut all = Vec::new();
    for body in [&wrapped, error] {
        all.push(whole(Reply::json(body)).await.unwrap_err());
        all.push(streamed(Reply::json(body)).await.0.unwrap_err());
        for end in ["", DONE] {
            for start in ["", &events(std::slice::from_ref(&text))] {
                let (outcome, _) =
                    streamed(stream(format!("{start}{}{end}", events(std::slice::from_ref(body))))).await;
                let error = outcome.unwrap_err();
                assert_eq!(error.completion(), Some("Par").filter(|_| !start.is_empty()), "{body}");
                all.push(error);
            }
        }
    }
    all
}

#[tokio::test]
async fn an_error_inside_a_success_has_the_kind_that_it_names() {
    use ErrorKind::*;
    for (error, kind) in [
        (json!({"message": "x", "type": "None", "code": "429"}), RateLimited),
        (json!({"message": "x", "type": "None", "code": "500"}), Server),
        (json!({"message": "x", "type": "None", "code": "400"}), BadRequest),
        (json!({"message": "x", "type": "auth_error", "code": "401"}), Auth),
        (json!({"message": "x", "type": "server_error", "code": null}), Server),
        (json!({"message": "x", "code": "server_error"}), Server),
        (json!({"message": "x", "type": "tokens", "code": "rate_limit_exceeded"}), RateLimited),
        (json!({"message": "x", "type": "overloaded_error"}), Server),
        (json!({"message": "x", "type": "invalid_request_error", "code": null}), BadRequest),
        (json!({"message": "x", "type": "invalid_request_error", "code": "invalid_api_key"}), Auth),
        (json!({"message": "x", "type": "RateLimitError"}), RateLimited),
        (json!({"message": "x", "type": "litellm.InternalServerError", "code": ""}), Server),
        (json!({"message": "x", "type": "BadRequestError", "code": 400}), BadRequest),
        (json!({"message": "x", "code": 429, "status": "RESOURCE_EXHAUSTED"}), RateLimited),
        (json!({"message": "x", "status": "UNAVAILABLE"}), Server),
        (json!({"message": "x", "code": "403"}), Auth),
        (json!({"message": "x", "code": "404"}), UnknownModel),
        (json!({"message": "x", "code": "context_length_exceeded"}), ContextLength),
        (json!({"message": "x", "code": "insufficient_quota", "type": "insufficient_quota"}), Quota),
        (json!({"message": "x", "code": "billing_not_active"}), Quota),
        (json!({"message": "x", "code": "credit_balance_exhausted", "type": "insufficient_quota"}), Quota),
        (json!({"message": "x", "code": "project_spend_limit_exceeded"}), Quota),
        (json!({"message": "x"}), BadResponse),
        (json!({"message": "x", "code": 1301}), BadResponse),
    ] {
        for found in errors_inside(&error).await {
            assert_eq!(found.kind(), kind, "{error}: {found}");
            let advised = found.to_string().contains("try again") || found.to_string().contains("Wait");
            assert_eq!(advised, found.is_transient(), "{found}");
            assert_no_key(&found);
        }
    }
}

#[tokio::test]
async fn the_code_of_a_refused_request_counts_only_if_it_says_more_than_the_status() {
    use ErrorKind::*;
    for (status, error, kind) in [
        (429, json!({"code": "credit_balance_exhausted"}), Quota),
        (429, json!({"code": "organization_spend_limit_exceeded"}), Quota),
        (429, json!({"code": "organization_usage_limit_exceeded"}), Quota),
        (429, json!({"code": "project_spend_limit_exceeded", "type": "insufficient_quota"}), Quota),
        (400, json!({"code": "billing_hard_limit_reached"}), Quota),
        (429, json!({"type": "invalid_request_error", "code": "rate_limit_exceeded"}), RateLimited),
        (404, json!({"type": "invalid_request_error"}), UnknownModel),
        // Groq: larger than a minute's tokens, so that no waiting helps.
        (413, json!({"type": "tokens", "code": "rate_limit_exceeded"}), BadRequest),
        (500, json!({"type": "invalid_request_error"}), Server),
        (401, json!({"code": "401", "type": "auth_error"}), Auth),
        (503, json!({"code": "503", "type": "None"}), Server),
    ] {
        let body = json!({ "error": error }).to_string();
        let found = whole(Reply::status(status).typed("application/json", body)).await.unwrap_err();
        assert_eq!((found.kind(), found.status()), (kind, Some(status)), "{error}: {found}");
    }
    let busy = || Reply::status(503).typed("application/json", r#"{"error": {"message": "x"}}"#);
    let never = whole(busy().header("x-should-retry", "false")).await.unwrap_err();
    assert!(!never.is_transient() && !never.to_string().contains("try again"), "{never}");
    assert!(whole(busy()).await.unwrap_err().to_string().contains("try again"));
}

#[tokio::test]
async fn a_stream_without_an_end_after_an_event_that_is_an_error_is_that_error() {
    use ErrorKind::*;
    let text = events(&[chunk(json!({"content": "Par"}), json!(null))]);
    for (odd, kind) in [
        (r#"data: {"object": "error", "message": "x", "code": 500}"#, Server),
        (r#"data: {"detail": "x"}"#, BadResponse),
        (r#"data: {"detail": [{"msg": "x"}], "status": 422}"#, BadRequest),
        (r#"data: {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}"#, Server),
        (r#"data: {"id": "1", "choices": [], "code": "rate_limit_exceeded"}"#, RateLimited),
        (r#"data: {"errors": [{"code": 503, "message": "x"}]}"#, Server),
        (r#"data: [{"error": {"code": 429, "message": "x"}}]"#, RateLimited),
        (r#"data: "overloaded""#, Server),
        (r#"data: {"error": "x"}"#, BadResponse),
        (r#"data: {"error": 429}"#, RateLimited),
        (r#"data: {"error": true, "code": "502"}"#, Server),
        (r#"data: {"choices": [{"error": {"code": 502}}]}"#, Server),
        ("event: error\ndata: {\"reason\": \"x\"}", BadResponse),
        ("event: error\ndata: {\"type\": \"server_error\"}", Server),
    ] {
        for end in ["", DONE] {
            for later in ["", &text] {
                let (outcome, _) = streamed(stream(format!("{text}{odd}\n\n{later}{end}"))).await;
                let error = outcome.unwrap_err();
                assert_eq!(error.kind(), kind, "{odd}: {error}");
                assert!(error.completion().unwrap().starts_with("Par"), "{odd}");
            }
        }
    }
    let stop = events(&[chunk(json!({"content": "is"}), json!("stop"))]);
    for odd in [
        r#"data: {"message": "still here"}"#,
        r#"data: {"type": "ping"}"#,
        r#"data: {"code": 0, "msg": "ok"}"#,
        r#"data: {"error": null}"#,
        r#"data: {"error": false, "choices": []}"#,
        r#"data: {"error": "", "choices": null}"#,
        r#"data: {"error": {}}"#,
        "data: 7",
        "data: null",
    ] {
        for (stream, is_whole) in [
            (format!("{text}{odd}\n\n{stop}{DONE}"), true),
            (format!("{text}{stop}{odd}\n\n{DONE}"), true),
            (format!("{text}{stop}{odd}"), true),
            // No event is an error.
            (format!("{text}{odd}\n\n{DONE}"), !odd.contains("still")),
        ] {
            let (outcome, _) = streamed(self::stream(stream.clone())).await;
            assert_eq!(outcome.is_ok(), is_whole, "{stream}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn an_unreadable_event_with_text_is_never_skipped() {
    let text = events(&[chunk(json!({"content": "Par"}), json!(null))]);
    let stop = events(&[chunk(json!({}), json!("stop"))]);
    for odd in [r#"{"choices": [{"delta": {"content": "is"}}, 7]}"#, r#"{"choices": ["is"]}"#] {
        let (outcome, _) = streamed(stream(format!("{text}data: {odd}\n\n{stop}{DONE}"))).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::BadResponse, "{odd}");
    }
}
