//! Rows 1 to 9: refusals of servers, and broken connections.

use std::time::Duration;

use karat::{ErrorKind, lm::Timeouts};
use karat_tests::{Act, Certificate, Reply, reply, server::Greeting};
use serde_json::{Value, json};

use super::{
    fault::{Class, Fault, Place, Wait, millis, ok_head, seconds},
    rows::Row,
};

const GARBAGE: [&str; 6] = ["-5", "NaN", "1e308", "soon", "0", "Sun, 31 Feb 1994 08:49:37 GMT"];

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(1, "429 with `Retry-After` in every form").faults(retry_after()),
        Row::new(2, "429, the quota is used up").faults([
            refusal(429, ErrorKind::Quota, json!("insufficient_quota")),
            refusal(403, ErrorKind::Quota, json!("insufficient_quota")),
        ]),
        Row::new(3, "500, 502, 503, 504, 529, HTML or not").faults(statuses(&[500, 502, 503, 504, 529])),
        Row::new(4, "408, 409, 425").faults(statuses(&[408, 409, 425])),
        Row::new(5, "400, 401, 403, 404, 413, 422; a context that is too long").faults([
            refusal(400, ErrorKind::BadRequest, json!(null)),
            refusal(401, ErrorKind::Auth, json!("invalid_api_key")),
            refusal(403, ErrorKind::Auth, json!(null)),
            refusal(404, ErrorKind::UnknownModel, json!("model_not_found")),
            refusal(413, ErrorKind::BadRequest, json!(null)),
            refusal(422, ErrorKind::BadRequest, json!(null)),
            refusal(400, ErrorKind::ContextLength, json!("context_length_exceeded")),
        ]),
        Row::new(6, "connection refused, no such host; a bad certificate").faults([
            Fault::of("refused", Place::Gone, Class::Refused),
            Fault::of("no such host", Place::Address("http://karat.invalid/v1"), connect()).always(),
            Fault::of(
                "a bad certificate",
                Place::Connection(Greeting::Tls(Certificate::Untrusted)),
                Class::Fail(ErrorKind::Tls),
            )
            .greeting(Greeting::Tls(Certificate::Trusted)),
        ]),
        Row::new(7, "a reset, at every place; GOAWAY, REFUSED_STREAM").faults(resets()),
        Row::new(8, "a half-closed or silent connection").faults(silences()),
        Row::new(9, "a byte a second, for ever").faults(drips()),
    ]
}

fn connect() -> Class {
    Class::Retry(ErrorKind::Connect, Wait::Own)
}

fn limited(wait: Wait) -> Class {
    Class::Retry(ErrorKind::RateLimited, wait)
}

/// A refusal of the request, as OpenAI words it; it repeats the key.
fn refusal(status: u16, kind: ErrorKind, code: Value) -> Fault {
    let name = format!("{status} {}", code.as_str().unwrap_or_default());
    let body =
        json!({"error": {"message": format!("you sent {}", super::subject::KEY), "code": code}}).to_string();
    Fault::reply(name, Class::Fail(kind), move |_| {
        Reply::status(status).typed("application/json", body.clone())
    })
    .error(|error| error.status().is_some() && !error.is_transient() && error.attempts() == 1)
}

fn statuses(statuses: &[u16]) -> Vec<Fault> {
    let faults = statuses.iter().flat_map(|status| {
        let status = *status;
        let class = Class::Retry(ErrorKind::Server, Wait::Own);
        let html = move |_: &_| Reply::status(status).typed("text/html", "<html><h1>Busy</h1></html>");
        let json =
            move |_: &_| Reply::status(status).typed("application/json", r#"{"error": {"message": "busy"}}"#);
        [
            Fault::reply(format!("{status} HTML"), class, html),
            Fault::reply(format!("{status} JSON"), class, json),
        ]
    });
    faults.collect()
}

fn retry_after() -> Vec<Fault> {
    let wait = |name: &str, wait: Wait, headers: &[(&str, &str)]| {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Fault::reply(name, limited(wait), move |_| {
            headers.iter().fold(Reply::status(429), |reply, (name, value)| reply.header(name, value))
        })
    };
    let now = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");
    let after = |value| [("retry-after", value), now];
    let mut faults = vec![
        wait("in ms", Wait::Asked(millis(250)), &[("retry-after-ms", "250"), ("retry-after", "9")]),
        wait("in seconds", Wait::Asked(seconds(2)), &[("retry-after", "2")]),
        wait("a float", Wait::Asked(millis(1_500)), &[("retry-after", "1.5")]),
        wait("a date", Wait::Asked(seconds(30)), &after("Sun, 06 Nov 1994 08:49:37 GMT")),
        wait("a date of RFC 850", Wait::Asked(seconds(30)), &after("Sunday, 06-Nov-94 08:49:37 GMT")),
        wait("a date of asctime", Wait::Asked(seconds(30)), &after("Sun Nov  6 08:49:37 1994")),
        wait("a past date", Wait::Own, &after("Sun, 06 Nov 1994 08:00:00 GMT")),
        wait("twice", Wait::Asked(seconds(2)), &[("retry-after", "2"), ("retry-after", "9")]),
        wait("more than is waited", Wait::Asked(seconds(100)), &[("retry-after", "100")]),
        wait("more than there is", Wait::Asked(seconds(3_600)), &[("retry-after", "3600")]),
    ];
    faults.extend(GARBAGE.map(|value| wait(value, Wait::Own, &[("retry-after", value)])));
    faults
}

/// The first bytes of a whole or streamed answer, and then an act.
fn begun(is_streamed: bool, end: Act) -> Reply {
    let json = ok_head("application/json", &["content-length: 900"]) + "{\"choices\": [";
    let events = ok_head("text/event-stream", &[]) + &reply::pieces("[[ ## answer ## ]]\nLond", 7);
    vec![Act::Bytes(if is_streamed { events } else { json }.into_bytes()), end].into()
}

fn resets() -> Vec<Fault> {
    let cut = |name: &str, start: String| {
        let start = start.into_bytes();
        Fault::reply(name, connect(), move |_| vec![Act::Bytes(start.clone()), Act::Reset].into())
    };
    let head = || ok_head("application/json", &["content-length: 900"]);
    let chunked = ok_head("application/json", &["transfer-encoding: chunked"]) + "9\r\n{\"choi";
    vec![
        Fault::of("at once", Place::Connection(Greeting::Reset), connect()),
        cut("before the head", String::new()),
        cut("in the head", head()[..40].to_owned()),
        cut("after the head", head()),
        cut("after the head of a stream", ok_head("text/event-stream", &[])),
        cut("in a chunk", chunked),
        Fault::reply("in the body", connect(), |request| begun(request.is_streamed(), Act::Reset))
            .streamed(Class::Fail(ErrorKind::Connect)),
        Fault::reply("closed in the body", connect(), |request| begun(request.is_streamed(), Act::Close))
            .streamed(Class::Fail(ErrorKind::Connect)),
        Fault::reply("GOAWAY", connect(), |_| Act::GoAway.into()).greeting(Greeting::Http2),
        Fault::reply("REFUSED_STREAM", connect(), |_| Act::RefuseStream.into()).greeting(Greeting::Http2),
    ]
}

fn silences() -> Vec<Fault> {
    let timeout = Class::Retry(ErrorKind::Timeout, Wait::Own);
    let final_timeout = Class::Fail(ErrorKind::Timeout);
    let limits = Timeouts::new().first_byte(seconds(20)).idle(seconds(10));
    vec![
        Fault::reply("half-closed before the answer", connect(), |_| Act::HalfClose.into()),
        Fault::reply("half-closed in the body", connect(), |request| {
            begun(request.is_streamed(), Act::HalfClose)
        })
        .streamed(Class::Fail(ErrorKind::Connect)),
        Fault::reply("silent before the answer, with a limit", timeout, |_| Act::Silence.into())
            .timeouts(limits)
            .takes(seconds(20)),
        Fault::reply("silent in the body", timeout, |request| begun(request.is_streamed(), Act::Silence))
            .streamed(final_timeout)
            .timeouts(limits)
            .takes(seconds(10)),
        Fault::reply("silent for ever", final_timeout, |_| Act::Silence.into())
            .deadline(seconds(30))
            .takes(Duration::MAX),
    ]
}

fn drips() -> Vec<Fault> {
    let timeout = Class::Fail(ErrorKind::Timeout);
    let drip = |name: &str, start: String, bytes: &str| {
        let (start, bytes) = (start.into_bytes(), bytes.as_bytes().to_vec());
        Fault::reply(name, timeout, move |_| {
            vec![Act::Bytes(start.clone()), Act::Drip(bytes.clone(), seconds(1))].into()
        })
        .deadline(seconds(30))
        .takes(Duration::MAX)
    };
    let stream = || ok_head("text/event-stream", &[]);
    vec![
        drip("of the head", "HTTP/1.1 200 OK\r\nx-slow: ".into(), "x"),
        drip("of the body", ok_head("application/json", &[]), " "),
        drip("of comments", stream(), ": still here\n\n").on_streams(),
        drip("of text", stream(), &reply::pieces("x", 1)).on_streams(),
    ]
}
