//! The example `otel` against a tiny collector: what it exports is what the GenAI conventions say.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Command, Output},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

/// Runs the example; gives what it printed and the spans that its collector was sent.
fn exported(args: &[&str]) -> (Output, Vec<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.expect("a connection"));
            let mut head = String::new();
            while reader.read_line(&mut head).expect("a line") > 2 {}
            let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
            });
            let mut body = vec![0; length.expect("a length").expect("a number")];
            reader.read_exact(&mut body).expect("a body");
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            reader.get_mut().write_all(answer).expect("it listens");
            let path = head.split(' ').nth(1).expect("a path").to_owned();
            sender.send((path, body)).expect("the test waits");
        }
    });
    let output = Command::new(env!("CARGO_BIN_EXE_otel"))
        .args(args)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .env_remove("OTEL_EXPORTER_OTLP_PROTOCOL")
        .env_remove("KARAT_MODEL")
        .env_remove("OPENAI_API_KEY")
        .output()
        .expect("it starts");
    let mut spans = Vec::new();
    while let Ok((path, body)) = requests.recv_timeout(Duration::from_millis(200)) {
        assert_eq!(path, "/v1/traces");
        let batch: Value = serde_json::from_slice(&body).expect("JSON");
        let scopes = batch["resourceSpans"].as_array().into_iter().flatten();
        let scopes = scopes.flat_map(|resource| resource["scopeSpans"].as_array().into_iter().flatten());
        spans.extend(scopes.flat_map(|scope| scope["spans"].as_array().into_iter().flatten()).cloned());
    }
    (output, spans)
}

/// A span's or event's attribute, as JSON of its type.
fn attribute<'a>(of: &'a Value, key: &str) -> &'a Value {
    let all = of["attributes"].as_array().expect("attributes");
    all.iter().find(|attribute| attribute["key"] == key).map_or(&Value::Null, |attribute| &attribute["value"])
}

#[test]
fn a_collector_gets_the_spans_of_the_genai_conventions() {
    let (output, spans) = exported(&[]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    assert!(err.contains("the trace is sent"), "{err}");
    let names = |name: &str| spans.iter().filter(|span| span["name"] == name).count();
    for (name, count) in [
        ("invoke_workflow BestOfN<Editor>", 1),
        ("rollout", 2),
        ("invoke_workflow Editor", 2),
        ("invoke_agent module.subject", 2),
        ("invoke_agent module.headline.predict", 2),
        ("chat scripted", 4),
        ("reward", 2),
    ] {
        assert_eq!(
            names(name),
            count,
            "{name}: {:?}",
            spans.iter().map(|span| &span["name"]).collect::<Vec<_>>()
        );
    }
    let chat = spans.iter().find(|span| span["name"] == "chat scripted").expect("a chat");
    assert_eq!(chat["kind"], 3, "client");
    assert_eq!(attribute(chat, "gen_ai.operation.name")["stringValue"], "chat");
    assert_eq!(attribute(chat, "gen_ai.provider.name")["stringValue"], "custom");
    assert!(attribute(chat, "gen_ai.usage.input_tokens")["intValue"].is_string(), "a number: {chat}");
    assert_eq!(attribute(chat, "gen_ai.request.temperature")["doubleValue"], 1.0);
    assert!(attribute(chat, "gen_ai.input.messages").is_null());
    // All of one trace, and each below the one that it is a part of.
    assert!(spans.iter().all(|span| span["traceId"] == chat["traceId"]));
    let agent = spans.iter().find(|span| span["spanId"] == chat["parentSpanId"]).expect("a parent");
    assert!(agent["name"].as_str().is_some_and(|name| name.starts_with("invoke_agent ")), "{agent}");
    let labels = spans.iter().filter(|span| span["name"] == "rollout").map(|rollout| {
        let event = &rollout["events"][0];
        assert_eq!(event["name"], "gen_ai.evaluation.result", "{rollout}");
        assert_eq!(attribute(event, "gen_ai.evaluation.name")["stringValue"], "brief");
        attribute(event, "gen_ai.evaluation.score.label")["stringValue"].as_str().expect("a label").to_owned()
    });
    let mut labels: Vec<_> = labels.collect();
    labels.sort();
    assert_eq!(labels, ["fail", "pass"]);
}

#[test]
fn content_is_exported_on_demand() {
    let (_, spans) = exported(&["--content"]);
    let chat = spans.iter().find(|span| span["name"] == "chat scripted").expect("a chat");
    let messages =
        attribute(chat, "gen_ai.input.messages")["stringValue"].as_str().expect("messages").to_owned();
    assert!(messages.contains("hydrogen"), "{messages}");
    let explained = spans.iter().any(|span| {
        let Some(event) = span["events"].get(0) else { return false };
        let explanation = attribute(event, "gen_ai.evaluation.explanation");
        explanation["stringValue"] == "7 words"
    });
    assert!(explained);
}
