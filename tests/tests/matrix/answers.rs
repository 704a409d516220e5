//! Rows 10 to 20: answers that are invalid, truncated, or refusals.

use karat::{ErrorKind, field::Repair};
use karat_tests::{
    Act, Received, Reply,
    reply::{END, event, pieces},
};
use serde_json::{Value, json};

use super::{
    fault::{Class, Fault, GOOD, PARIS, Wait, good, ok_head},
    rows::Row,
    streams,
    subject::Surface,
};

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(10, "the consumer of a stream is slow")
            .own("slow", streams::slow_consumer)
            .dash([Surface::Predict, Surface::Batch], "nobody takes events"),
        Row::new(11, "1 GiB of body; a gzip bomb").faults(large()),
        Row::new(12, "no JSON: its type, HTML, nothing, 204; events of another type").faults(no_json()),
        Row::new(13, "invalid UTF-8, BOM, UTF-16, half characters").faults(encodings()),
        Row::new(14, "a body shorter than announced, a chunked one cut").faults(short()),
        Row::new(15, "an event stream that is cut").faults(cut_streams()),
        Row::new(16, "an event stream in every form").faults(forms_of_streams()),
        Row::new(17, "no choices, one twice, too many").faults([
            choices("none", bad(), json!([])),
            choices("null", bad(), json!(null)),
            choices("no object", bad(), json!("x")),
            choices("twice", Class::Reads, json!([choice(0, GOOD), choice(0, "London")]))
                .warns("choices twice"),
            choices("more", Class::Reads, json!([choice(1, "London"), choice(0, GOOD)]))
                .warns("more than asked"),
        ]),
        Row::new(18, "the finish reason `length`").faults([
            finished("a field is missing", Class::Fail(ErrorKind::Truncated), "[[ ## answ", "length"),
            finished("no text at all", Class::Fail(ErrorKind::Truncated), "", "length"),
            finished(
                "in the last field",
                Class::Fail(ErrorKind::Truncated),
                "[[ ## answer ## ]]\nPar",
                "length",
            )
            .error(|error| {
                error.completion().is_some_and(|text| text.ends_with("Par")) || error.is_exhausted()
            }),
            finished(
                "in the end mark",
                Class::Fail(ErrorKind::Truncated),
                "[[ ## answer ## ]]\nParis\n\n[[ ## comp",
                "MAX_TOKENS",
            ),
            finished(
                "a reason of a break",
                Class::Retry(ErrorKind::Server, Wait::Own),
                GOOD,
                "insufficient_system_resource",
            ),
            finished("a reason of nobody", Class::Reads, GOOD, "unload")
                .value(|p| super::texts::has(p, Repair::Finish))
                .not_kept(),
            finished("all fields are there", Class::Reads, GOOD, "length").not_kept(),
        ]),
        Row::new(19, "a content filter, a refusal").faults([
            finished("filtered", Class::Fail(ErrorKind::Filtered), "Lond", "content_filter")
                .error(|error| error.completion() == Some("Lond") || error.is_exhausted()),
            message(
                "refused",
                Class::Fail(ErrorKind::Refused),
                json!({"content": null, "refusal": "I can't"}),
            )
            .not_kept()
            .error(|error| error.to_string().contains("I can't")),
        ]),
        Row::new(20, "null, parts, reasoning alone, a tool call").faults([
            message("null", bad(), json!({"content": null})),
            message(
                "parts",
                Class::Reads,
                json!({"content": [
                {"type": "text", "text": &GOOD[..12]}, {"type": "text", "text": &GOOD[12..]}]}),
            ),
            message("reasoning alone", bad(), json!({"content": null, "reasoning_content": "hm"})).not_kept(),
            message(
                "a tool call",
                bad(),
                json!({"content": null, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}),
            ),
        ]),
    ]
}

fn bad() -> Class {
    Class::Fail(ErrorKind::BadResponse)
}

fn broken() -> Class {
    Class::Retry(ErrorKind::Connect, Wait::Own)
}

fn choice(index: u64, text: &str) -> Value {
    json!({"index": index, "message": {"content": text}, "finish_reason": "stop"})
}

fn choices(name: &str, class: Class, choices: Value) -> Fault {
    Fault::reply(name, class, move |_| Reply::json(&json!({"choices": choices})))
}

fn message(name: &str, class: Class, message: Value) -> Fault {
    choices(name, class, json!([{"index": 0, "message": message, "finish_reason": "stop"}]))
}

fn finished(name: &str, class: Class, text: &str, reason: &str) -> Fault {
    choices(name, class, json!([{"index": 0, "message": {"content": text}, "finish_reason": reason}]))
        .not_kept()
}

fn large() -> Vec<Fault> {
    let large = Class::Fail(ErrorKind::TooLarge);
    let announced = |_: &_| Act::Bytes(ok_head("application/json", &["content-length: 1073741824"]).into());
    let endless = |start: String, bytes: Vec<u8>| {
        move |_: &Received| vec![Act::Bytes(start.clone().into()), Act::Flood(bytes.clone())].into()
    };
    // Text is streamed for ever: of no field, or of an open one.
    let streamed = |name: &'static str, start: Value, piece: Value| {
        let start = ok_head("text/event-stream", &[]) + &event(&start);
        let is_kept = |error: &karat::Error| error.completion().is_some_and(|text| text.len() > 7 << 20);
        Fault::reply(name, large, endless(start, event(&piece).into())).on_streams().heavy().error(is_kept)
    };
    let text = json!({"content": "x".repeat(1 << 16)});
    vec![
        Fault::reply("announced", large, move |request| vec![announced(request), Act::Silence].into()),
        Fault::reply("endless", large, endless(ok_head("application/json", &[]), vec![b' '; 1 << 18])),
        streamed("an endless stream", json!({}), text.clone()),
        streamed("a stream of an endless field", json!({"content": "[[ ## answer ## ]]\n"}), text),
        // Never unpacked, so nothing has to be counted.
        Fault::reply("a gzip bomb", bad(), |_| {
            Reply::json(&json!({}))
                .header("content-encoding", "gzip")
                .typed("application/json", vec![0x1f, 0x8b, 8, 0])
        })
        .error(|error| error.to_string().contains("compressed (gzip)") || error.is_exhausted()),
    ]
}

fn no_json() -> Vec<Fault> {
    let page = |content_type: &'static str, body: &'static str| {
        let name = format!("{content_type} {body}");
        Fault::reply(name, bad(), move |_| match content_type {
            "" => Reply::status(200).typed("x-none", body),
            _ => Reply::status(200).typed(content_type, body),
        })
    };
    let events = |content_type: &'static str| {
        Fault::reply(format!("events as {content_type}"), Class::Reads, move |_| {
            Reply::status(200).typed(content_type, pieces(GOOD, 7) + END)
        })
    };
    let says = |fault: Fault| {
        fault.error(|error| {
            let text = error.to_string();
            error.status().is_some_and(|status| text.contains(&format!("status {status}")))
                && text.contains("content type")
        })
    };
    vec![
        says(page("text/html", "<html>Hello</html>")).error(|error| {
            let text = error.to_string();
            text.contains("(status 200, content type `text/html`); it begins: <html>Hello</html>")
                || error.is_exhausted()
        }),
        says(page("text/plain", "{}")),
        says(page("application/json", "")),
        says(page("application/json", "{\"choices\": [")),
        says(Fault::reply("no content type", bad(), |_| {
            let head = karat_tests::reply::head("200 OK", &["content-length: 2"]);
            Act::Bytes((head + "{}").into_bytes()).into()
        })),
        says(Fault::reply("204", bad(), |_| Reply::status(204))),
        says(page("text/event-stream", "{}")),
        says(page("text/plain", " data: {}")),
        events("text/plain"),
        events("application/json"),
        Fault::reply("events of no type", Class::Reads, |_| {
            let head = karat_tests::reply::head("200 OK", &[]);
            vec![Act::Bytes((head + &pieces(GOOD, 7) + END).into_bytes()), Act::Close].into()
        }),
    ]
}

fn encodings() -> Vec<Fault> {
    let body = |name: &str, class: Class, body: Vec<u8>| {
        Fault::reply(name, class, move |_| Reply::status(200).typed("application/json", body.clone()))
    };
    let good = json!({"choices": [choice(0, GOOD)]}).to_string();
    let utf_16 = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let half = good.replace(PARIS, "Par\\ud83dis");
    vec![
        body(
            "invalid UTF-8",
            bad(),
            good.replace(PARIS, "\u{1}")
                .into_bytes()
                .iter()
                .map(|b| if *b == 1 { 0xff } else { *b })
                .collect(),
        ),
        body("BOM", bad(), ["\u{feff}", &good].concat().into_bytes()),
        body("UTF-16", bad(), utf_16),
        body("half a character", Class::Reads, half.into_bytes()).warns("half characters").value(
            |prediction| {
                let flagged =
                    prediction.repairs().iter().any(|(_, repairs)| repairs.contains(Repair::LostCharacter));
                prediction.answer == "Par\u{fffd}is" && flagged
            },
        ),
    ]
}

fn short() -> Vec<Fault> {
    let body = json!({"choices": [choice(0, GOOD)]}).to_string();
    let announced = ok_head("application/json", &["content-length: 9000"]) + &body;
    let chunked = ok_head("application/json", &["transfer-encoding: chunked"]);
    let no_end = format!("{chunked}{:x}\r\n{body}\r\n", body.len());
    let cut = |name: &str, bytes: String| {
        Fault::reply(name, broken(), move |_| vec![Act::Bytes(bytes.clone().into()), Act::Close].into())
    };
    vec![
        cut("announced", announced),
        cut("in a chunk", chunked + "3e8\r\n" + &body),
        cut("no last chunk", no_end),
    ]
}

fn cut_streams() -> Vec<Fault> {
    let whole = pieces("[[ ## answer ## ]]\nPa😀ris", 7);
    let at = |words: &str, more: usize| whole.as_bytes()[..whole.find(words).unwrap() + more].to_vec();
    let last_event = whole.rfind("data:").unwrap();
    let streamed = |name: &str, body: Vec<u8>| {
        Fault::events(name, Class::Fail(ErrorKind::Connect), body).error(|error| {
            error.is_exhausted() || error.completion().is_some_and(|text| text.starts_with("[[ ##"))
        })
    };
    vec![
        streamed("no end mark", whole.clone().into_bytes()),
        streamed("in an event", whole.as_bytes()[..last_event + 9].to_vec()),
        streamed("in a character", at("😀", 2)),
        Fault::events("before any text", broken(), &b"data: {\"choi"[..]),
        Fault::events("empty", broken(), Vec::new()),
        Fault::events("keep-alives alone", broken(), ": still here\n\n".repeat(1_000)),
    ]
}

fn forms_of_streams() -> Vec<Fault> {
    let plain = pieces(GOOD, 7) + END;
    let form = |name: &str, body: String| Fault::events(name, Class::Reads, body);
    let in_pieces = |size: usize| {
        let head = ok_head("text/event-stream", &[&format!("content-length: {}", plain.len())]);
        let body = plain.clone();
        let reply = move |_: &Received| {
            vec![Act::Bytes(head.clone().into()), Act::Pieces(body.clone().into(), size)].into()
        };
        Fault::reply(format!("by {size} bytes"), Class::Reads, reply).on_streams()
    };
    let several =
        plain.replace("data: {\"choices\"", "event: x\nid: 7\nretry: 10\n: hello\ndata:{\ndata: \"choices\"");
    let error = |code: Value| format!("data: {}\n\n", json!({"error": {"message": "no", "code": code}}));
    let inside = error(json!("insufficient_quota"));
    vec![
        form("LF", plain.clone()),
        form("CRLF", plain.replace('\n', "\r\n")),
        form("CR", plain.replace('\n', "\r")),
        form("comments and several data lines", format!("\u{feff}: hello\n\n{several}")),
        form("no space", plain.replace("data: ", "data:")),
        form("no last blank line", plain.trim_end().to_owned()),
        in_pieces(1),
        in_pieces(3),
        form("a huge event", event(&json!({"content": GOOD, "padding": "x".repeat(1 << 20)})) + END),
        Fault::events("a quota error inside 200", Class::Fail(ErrorKind::Quota), inside.clone()),
        Fault::events("an error after text", Class::Fail(ErrorKind::Quota), pieces("Lond", 7) + &inside),
        Fault::events(
            "an error without an end, which is no chunk",
            Class::Fail(ErrorKind::RateLimited),
            pieces("Lond", 7) + "data: {\"message\": \"no\", \"code\": \"429\"}\n\n" + "data: [DONE]\n\n",
        ),
        Fault::events(
            "a passing error inside 200",
            Class::Retry(ErrorKind::Server, Wait::Own),
            error(json!(503)),
        ),
        Fault::reply("an answer in one piece", Class::Reads, |_| Reply::text(GOOD)).on_streams(),
        Fault::reply("keep-alives before", Class::Reads, |request| match good(request).acts.pop() {
            Some(Act::Answer { body, .. }) => {
                let body = [": wait\n\n".repeat(100).into_bytes(), body].concat();
                Reply::status(200).typed("text/event-stream", body)
            }
            _ => Reply::status(500),
        })
        .on_streams(),
    ]
}
