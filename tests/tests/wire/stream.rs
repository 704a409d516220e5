//! Event streams: read by the standard in any chunks, and never taken for complete when they are not.

use std::{
    io::{Read, Write},
    sync::mpsc,
    thread,
    time::Duration,
};

use karat::{
    ErrorKind, JsonAdapter, Module, OnParseError, Predict, Result,
    lm::{Caller, CallerId, Completion, DeltaPart, Finish, Response, ToolCall, ToolSpec},
    signature,
    stream::StreamEvent,
};
use serde_json::json;

use super::{
    KEY, assert_no_key,
    connection::{listen, read_request},
    hi, lm,
};

/// Parts of an event stream's body, each sent on its own.
fn serve(body: Vec<Vec<u8>>) -> String {
    serve_as("text/event-stream; charset=utf-8", body)
}

fn serve_as(content_type: &'static str, body: Vec<Vec<u8>>) -> String {
    let address = listen(move |mut stream| {
        read_request(&stream);
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        let mut send = |bytes: &[u8]| stream.write_all(bytes).and_then(|()| stream.flush());
        let _ = send(head.as_bytes());
        for part in body.iter().filter(|part| !part.is_empty()) {
            let _ = send(format!("{:x}\r\n", part.len()).as_bytes());
            let _ = send(part).and_then(|()| send(b"\r\n"));
        }
        let _ = send(b"0\r\n\r\n");
    });
    format!("http://{address}")
}

/// The streamed text and reasoning, joined for each completion, and the outcome.
async fn streamed(uri: &str, n: u32) -> (Vec<[String; 2]>, Result<Response>) {
    let mut heard: Vec<[String; 2]> = vec![Default::default(); 4];
    let mut request = hi();
    request.config.n = (n > 1).then_some(n);
    let caller = Caller::new("me", CallerId::unique());
    let sink = &mut |delta: karat::lm::Delta<'_>| {
        let part = usize::from(delta.part == DeltaPart::Reasoning);
        heard[delta.completion][part].push_str(delta.text);
    };
    let outcome = lm(uri).stream_for(caller, request, sink).await;
    heard.retain(|parts| parts.iter().any(|part| !part.is_empty()));
    (heard, outcome.map(|response| (*response).clone()))
}

fn event(delta: serde_json::Value) -> String {
    format!(
        "data: {}\n\n",
        json!({"model": "gpt-x-1", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    )
}

const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                   data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n\
                   data: [DONE]\n\n";

fn paris() -> String {
    event(json!({"role": "assistant", "content": ""}))
        + &event(json!({"content": "Pä"}))
        + &event(json!({"content": "ris 😀"}))
        + END
}

#[tokio::test]
async fn a_stream_comes_in_pieces_and_gives_the_whole_answer() {
    let (heard, response) = streamed(&serve(vec![paris().into()]), 1).await;
    assert_eq!(heard, [["Päris 😀".to_owned(), String::new()]]);
    let response = response.unwrap();
    assert_eq!(response.completions, [Completion::new("Päris 😀")]);
    assert_eq!((response.usage.prompt_tokens, response.usage.completion_tokens), (5, 7));
    assert_eq!(response.model.as_deref(), Some("gpt-x-1"));
}

#[tokio::test]
async fn line_ends_comments_and_chunks_make_no_difference() {
    let plain = paris();
    let odd = format!(
        "\u{feff}: hello\n\n{}",
        plain
            .replace("data: {\"model\"", "event: x\nid: 7\nretry: 10\n: keep-alive\ndata:{\ndata: \"model\"")
    );
    let expected = streamed(&serve(vec![plain.clone().into()]), 1).await;
    for stream in [plain.replace('\n', "\r\n"), plain.replace('\n', "\r"), odd, plain.trim_end().to_owned()] {
        for size in [1, 2, 7, 100_000] {
            let body = stream.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
            let (pieces, response) = streamed(&serve(body), 1).await;
            assert_eq!(pieces, expected.0, "{stream:?}");
            assert_eq!(response.unwrap(), *expected.1.as_ref().unwrap(), "{stream:?}");
        }
    }
}

#[tokio::test]
async fn a_truncated_stream_is_an_error_with_the_text_so_far() {
    let whole = paris();
    let end = whole.find("data: {\"choices\":[{\"index\":0,\"delta\":{},").unwrap();
    let inside_an_event = whole.find("ris").unwrap() + 1;
    let inside_a_character = whole.find('😀').unwrap() + 2;
    for (cut, text) in [
        (end, Some("Päris 😀")),
        (inside_an_event, Some("Pä")),
        (inside_a_character, Some("Pä")),
        (3, None),
        (0, None),
    ] {
        let body = whole.as_bytes()[..cut].to_vec();
        let (_, outcome) = streamed(&serve(vec![body]), 1).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains("the stream ended before the answer did"), "{error}");
        assert_eq!(error.completion(), text);
        assert_no_key(&error);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_a_stream_is_an_error_with_the_text_so_far() {
    let address = listen(move |mut stream| {
        read_request(&stream);
        let body = event(json!({"content": "Par"}));
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
            body.len()
        );
    });
    let (pieces, outcome) = streamed(&format!("http://{address}"), 1).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.completion()), (ErrorKind::Connect, Some("Par")));
    assert_eq!(pieces[0][0], "Par");
}

#[tokio::test]
async fn the_end_mark_or_the_finish_reason_ends_a_stream() {
    let text = event(json!({"content": "Paris"}));
    let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    for (end, expected) in
        [("data: [DONE]\n\n", Finish::Stop), (finish, Finish::Length), ("data:[DONE]", Finish::Stop)]
    {
        let (_, response) = streamed(&serve(vec![format!("{text}{end}").into()]), 1).await;
        assert_eq!(response.unwrap().completions[0].finish, expected, "{end}");
    }
}

#[tokio::test]
async fn an_error_inside_a_stream_is_that_error() {
    let error = "data: {\"error\": {\"message\": \"no more\", \"type\": \"insufficient_quota\", \"code\": \"insufficient_quota\"}}\n\n";
    for stream in [error.to_owned(), error.trim_end().to_owned(), event(json!({"content": "Par"})) + error] {
        let (_, outcome) = streamed(&serve(vec![stream.into()]), 1).await;
        let error = outcome.unwrap_err();
        assert!(error.is_quota() && error.to_string().contains("no more"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_is_taken_too() {
    let body = super::good_body().to_string();
    let (pieces, response) = streamed(&serve_as("application/json", vec![body.into()]), 1).await;
    assert!(pieces.is_empty());
    assert_eq!(response.unwrap().completions[0].text, "hello");
}

#[tokio::test]
async fn reasoning_refusals_and_several_completions_are_put_together() {
    let choice = |index: u64, delta: serde_json::Value| {
        format!("data: {}\n\n", json!({"choices": [{"index": index, "delta": delta}]}))
    };
    let stream = [
        choice(1, json!({"content": "b1"})),
        choice(0, json!({"reasoning_content": "hm"})),
        choice(0, json!({"reasoning_content": "\n", "content": null})),
        choice(0, json!({"reasoning": "m", "content": ""})),
        choice(1, json!({"content": [{"type": "text", "text": "b2"}]})),
        choice(0, json!({"content": "a"})),
        choice(2, json!({"content": "not asked for"})),
        "data: [DONE]\n\n".into(),
    ];
    let (pieces, response) = streamed(&serve(vec![stream.concat().into()]), 2).await;
    assert_eq!(pieces, [["a", "hm\nm"], ["b1b2", ""]].map(|parts| parts.map(str::to_owned)));
    let completions = response.unwrap().completions;
    assert_eq!(completions.len(), 2);
    assert_eq!((&*completions[0].text, completions[0].reasoning.as_deref()), ("a", Some("hm\nm")));
    assert_eq!(completions[1].text, "b1b2");

    let refused =
        choice(0, json!({"refusal": "I ca"})) + &choice(0, json!({"refusal": "n't"})) + "data: [DONE]\n\n";
    let (_, response) = streamed(&serve(vec![refused.into()]), 1).await;
    assert_eq!(response.unwrap().completions[0].refusal.as_deref(), Some("I can't"));
}

#[tokio::test]
async fn a_body_that_is_no_event_stream_is_a_bad_response() {
    for (stream, what) in [
        ("data: <html>\n\ndata: [DONE]\n\n".as_bytes().to_vec(), "cannot be read"),
        (b"data: {\"choices\": \"\xff\"}\n\n".to_vec(), "not UTF-8"),
        (b"data: [DONE]\n\n".to_vec(), "has no choices"),
        (": keep-alive\n\n".repeat(1000).into_bytes(), "ended before"),
    ] {
        let (_, outcome) = streamed(&serve(vec![stream]), 1).await;
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert_no_key(&error);
    }
}

#[tokio::test]
async fn a_huge_event_is_read_and_an_endless_one_is_not() {
    let long = "x".repeat(3 << 20);
    let body: Vec<Vec<u8>> =
        (event(json!({"content": long})) + END).as_bytes().chunks(1 << 16).map(<[u8]>::to_vec).collect();
    let (_, response) = streamed(&serve(body), 1).await;
    assert_eq!(response.unwrap().completions[0].text.len(), 3 << 20);

    let endless = std::iter::once(b"data: {\"choices\": [{\"delta\": {\"content\": \"".to_vec());
    let (_, outcome) = streamed(&serve(endless.chain(vec![vec![b'x'; 1 << 20]; 20]).collect()), 1).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TooLarge);
}

/// Answer the question.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
    #[output]
    why: String,
}

fn qa(uri: &str) -> Predict<Qa> {
    Predict::new().adapter(JsonAdapter).on_parse_error(OnParseError::Fail).lm(&lm(uri))
}

fn ask() -> QaInput {
    QaInput { question: "Capital of France?".into() }
}

#[tokio::test]
async fn a_module_streams_over_http_and_a_truncated_stream_has_its_whole_fields() {
    let answer = r#"{"answer": "Paris", "why": "Every atlas has it"}"#;
    let events: Vec<String> = answer.chars().map(|c| event(json!({"content": c.to_string()}))).collect();
    let whole: Vec<Vec<u8>> = events.iter().map(|event| event.clone().into()).chain([END.into()]).collect();
    let mut stream = qa(&serve(whole)).stream(ask());
    let mut words = Vec::new();
    let prediction = loop {
        match stream.next().await.unwrap().unwrap() {
            StreamEvent::Progress(progress) => words.extend(progress.delta_of("why").map(str::to_owned)),
            StreamEvent::Done(prediction) => break prediction,
            _ => {}
        }
    };
    assert_eq!(words, ["Every", " atlas", " has", " it"]);
    assert_eq!((&*prediction.answer, prediction.usage().prompt_tokens), ("Paris", 5));

    let cut = events.iter().take(35).map(|event| event.clone().into()).collect();
    let error = qa(&serve(cut)).stream(ask()).finish().await.unwrap_err();
    assert_eq!(error.outputs(), [("answer".into(), json!("Paris"))]);
    assert!(!format!("{error:?}").contains(KEY));
}

#[tokio::test]
async fn a_dropped_stream_closes_its_connection() {
    let (closed, was_closed) = mpsc::channel();
    let address = listen(move |mut stream| {
        read_request(&stream);
        let body = event(json!({"content": "{\"answer\": \"Paris\", "}));
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
            body.len()
        )
        .unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        closed.send(matches!(stream.read(&mut [0]), Ok(0) | Err(_))).unwrap();
    });
    let mut stream = qa(&format!("http://{address}")).stream(ask());
    assert!(matches!(stream.next().await, Some(Ok(StreamEvent::Progress(_)))));
    drop(stream);
    let was_closed = tokio::task::spawn_blocking(move || was_closed.recv_timeout(Duration::from_secs(5)));
    assert!(was_closed.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_slow_reader_gets_the_whole_stream() {
    let answer = format!(r#"{{"answer": "{}", "why": "x"}}"#, "word ".repeat(2000).trim_end());
    let events: Vec<Vec<u8>> = answer
        .as_bytes()
        .chunks(50)
        .map(|text| event(json!({"content": std::str::from_utf8(text).unwrap()})).into())
        .chain([END.into()])
        .collect();
    let mut stream = qa(&serve(events)).stream(ask());
    let mut count = 0;
    while let Some(event) = stream.next().await {
        event.unwrap();
        count += 1;
        if count % 200 == 0 {
            thread::sleep(Duration::from_millis(5));
        }
    }
    assert!(count > 2000, "{count}");
}

#[tokio::test]
async fn streamed_tool_calls_are_put_together_if_the_request_had_tools() {
    let piece = |piece: serde_json::Value| event(json!({"tool_calls": [piece]}));
    let body = event(json!({"content": "Let me see."}))
        + &piece(
            json!({"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": ""}}),
        )
        + &piece(json!({"index": 0, "function": {"arguments": "{\"city\":"}}))
        + &piece(json!({"index": 0, "function": {"arguments": "\"Paris\"}"}}))
        + &piece(json!({"index": 1, "id": "b", "function": {"name": "time", "arguments": "{}"}}))
        + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let tools = [ToolSpec::new("weather", "", json!({"type": "object"}))];
    let mut heard = Vec::new();
    let caller = Caller::new("me", CallerId::unique());
    let uri = serve(vec![body.clone().into_bytes()]);
    let hear = &mut |delta: karat::lm::Delta<'_>| heard.push((delta.part, delta.text.to_owned()));
    let response = lm(&uri).stream_for(caller, hi().tools(tools), hear).await.unwrap();
    let calls = [ToolCall::new("a", "weather", r#"{"city":"Paris"}"#), ToolCall::new("b", "time", "{}")];
    let completion = &response.completions[0];
    assert!(completion.tool_calls().eq(&calls), "{completion:?}");
    assert_eq!((&*completion.text, &completion.finish), ("Let me see.", &Finish::ToolCalls));
    assert_eq!(heard[1], (DeltaPart::ToolName(0), "weather".to_owned()));
    let arguments = heard.iter().filter(|(part, _)| *part == DeltaPart::ToolArguments(0));
    assert_eq!(arguments.map(|(_, text)| &**text).collect::<String>(), calls[0].arguments);
    // Without tools in the request they are left out.
    let (_, outcome) = streamed(&serve(vec![body.into_bytes()]), 1).await;
    assert_eq!(outcome.unwrap().completions[0].tool_calls().count(), 0);
}
