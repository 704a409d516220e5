//! Retries and timeouts over real HTTP: which requests are sent again, and what happens to the connection.

use std::{
    future::poll_fn,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use karat::{
    Error, ErrorKind, Lm, Result, Retry,
    lm::{Caller, CallerId, Response, Timeouts},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::{
    KEY, assert_no_key,
    connection::{listen, read_request},
    good_body, hi,
};

const SHORT: Duration = Duration::from_millis(100);

/// An LM that retries at once.
fn lm(uri: &str) -> Lm {
    let retry = Retry::new().backoff(Duration::ZERO, Duration::ZERO);
    Lm::new("openai/gpt-x").unwrap().base_url(uri).api_key(KEY).retry(retry)
}

/// A server whose connections are served one after another, each by the next of these; later ones get an answer.
fn serve_each(serve: Vec<fn(&mut TcpStream)>) -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let served = count.clone();
    let address = listen(move |mut stream| {
        match serve.get(served.fetch_add(1, Ordering::SeqCst)) {
            Some(serve) => serve(&mut stream),
            None => answer(&mut stream),
        };
    });
    (format!("http://{address}"), count)
}

fn answer(stream: &mut TcpStream) {
    read_request(stream);
    let body = good_body().to_string();
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
}

fn say(stream: &mut TcpStream, text: &str) {
    read_request(stream);
    let _ = stream.write_all(text.as_bytes());
}

/// Sends nothing more until the client closes.
fn silence(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 64]);
}

/// The outcome of a call whose first request gets this answer and further ones a good one, with the number of requests.
async fn after(first: ResponseTemplate) -> (Result<Response>, usize) {
    let server = MockServer::start().await;
    Mock::given(matchers::any()).respond_with(first).up_to_n_times(1).mount(&server).await;
    Mock::given(matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_json(good_body()))
        .mount(&server)
        .await;
    let outcome = lm(&server.uri()).complete(hi()).await;
    if let Err(error) = &outcome {
        assert_no_key(error);
    }
    (outcome, server.received_requests().await.unwrap().len())
}

fn refusal(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status)
        .set_body_json(json!({"error": {"message": "no rate limit, try again", "code": code}}))
}

#[tokio::test]
async fn each_status_is_retried_or_not() {
    for status in [408, 409, 425, 429, 498, 500, 502, 503, 504, 520, 529, 599] {
        let (outcome, requests) = after(ResponseTemplate::new(status)).await;
        assert_eq!((outcome.unwrap().usage.calls, requests), (2, 2), "{status}");
    }
    for status in [204, 301, 400, 401, 402, 403, 404, 405, 410, 413, 415, 422] {
        let (outcome, requests) = after(ResponseTemplate::new(status)).await;
        assert_eq!((outcome.unwrap_err().attempts(), requests), (1, 1), "{status}");
    }
}

#[tokio::test]
async fn typed_codes_decide_about_retries_and_words_do_not() {
    for (status, code, requests) in [
        (429, "insufficient_quota", 1),
        (429, "rate_limit_exceeded", 2),
        (500, "context_length_exceeded", 1),
        (503, "invalid_api_key", 1),
        (500, "content_filter", 1),
        (400, "rate_limit_exceeded", 1),
    ] {
        assert_eq!(after(refusal(status, code)).await.1, requests, "{status} {code}");
    }
}

#[tokio::test]
async fn the_headers_decide_whether_and_when_to_retry() {
    let (outcome, requests) =
        after(ResponseTemplate::new(503).insert_header("x-should-retry", "false")).await;
    assert!(outcome.is_err() && requests == 1);
    let (outcome, requests) = after(ResponseTemplate::new(404).insert_header("x-should-retry", "true")).await;
    assert!(outcome.is_ok() && requests == 2);
    for wait in ["0", "-1", "NaN", "1e308", "soon", "0.01", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        let (outcome, requests) = after(ResponseTemplate::new(429).insert_header("retry-after", wait)).await;
        assert!(outcome.is_ok() && requests == 2, "{wait}");
    }
    let far = ResponseTemplate::new(429)
        .insert_header("date", "Sun, 06 Nov 1994 08:00:00 GMT")
        .insert_header("retry-after", "Sun, 06 Nov 1994 09:00:00 GMT");
    let (outcome, requests) = after(far).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.retry_after(), requests), (Some(Duration::from_secs(3600)), 1));
    assert!(error.to_string().contains("asks to wait 3600 s"), "{error}");
}

#[tokio::test]
async fn an_invalid_answer_is_not_retried() {
    let html = ResponseTemplate::new(200).set_body_raw("<html>", "text/html");
    let cut = ResponseTemplate::new(200).set_body_raw("{\"choices\": [", "application/json");
    let gzip = ResponseTemplate::new(200)
        .set_body_raw(vec![0x1f, 0x8b], "application/json")
        .insert_header("content-encoding", "gzip");
    for template in [html, cut, gzip, ResponseTemplate::new(200)] {
        let (outcome, requests) = after(template).await;
        assert_eq!((outcome.unwrap_err().kind(), requests), (ErrorKind::BadResponse, 1));
    }
}

#[tokio::test]
async fn an_error_inside_a_success_is_retried_by_its_own_code() {
    let inside = |code: Value| ResponseTemplate::new(200).set_body_json(json!({"error": {"code": code}}));
    assert_eq!(after(inside(json!(503))).await.1, 2);
    assert_eq!(after(inside(json!(402))).await.1, 1);
}

#[tokio::test]
async fn a_broken_connection_is_retried_on_another_one() {
    let serve: Vec<fn(&mut TcpStream)> = vec![
        // A reset; an end before the answer; one in its head; a body shorter than announced; a chunked body that is cut.
        |_| {},
        |stream| say(stream, ""),
        |stream| say(stream, "HTTP/1.1 200 OK\r\ncontent-ty"),
        |stream| {
            say(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
        },
        |stream| {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
            say(stream, &format!("{head}5\r\n{{\"cho\r\n"));
        },
    ];
    for serve in serve {
        let (uri, connections) = serve_each(vec![serve]);
        let response = lm(&uri).complete(hi()).await.unwrap();
        assert_eq!((response.usage.calls, connections.load(Ordering::SeqCst)), (2, 2));
    }
}

#[tokio::test]
async fn a_server_that_does_not_run_yet_is_retried() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lm = lm(&format!("http://{address}"));
    let error = lm.complete(hi()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 4));
    assert!(error.to_string().contains("after 4 attempts"), "{error}");
    assert_no_key(&error);
}

#[tokio::test]
async fn a_silent_answer_is_given_up_and_retried() {
    let timeouts = [Timeouts::new().first_byte(SHORT), Timeouts::new().idle(SHORT)];
    let serve: [fn(&mut TcpStream); 2] = [
        |stream| {
            read_request(stream);
            silence(stream);
        },
        |stream| {
            say(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{");
            silence(stream);
        },
    ];
    for ((serve, timeouts), said) in serve.into_iter().zip(timeouts).zip(["no beginning", "was silent"]) {
        let (uri, connections) = serve_each(vec![serve]);
        let response = lm(&uri).timeouts(timeouts).complete(hi()).await.unwrap();
        assert_eq!((response.usage.calls, connections.load(Ordering::SeqCst)), (2, 2), "{said}");
        let (uri, _) = serve_each(vec![serve]);
        let error = lm(&uri).retry(Retry::none()).timeouts(timeouts).complete(hi()).await.unwrap_err();
        assert!(error.is_timeout() && error.to_string().contains(said), "{error}");
        assert_no_key(&error);
    }
}

#[tokio::test]
async fn an_endless_error_page_is_not_waited_for() {
    let (uri, connections) = serve_each(vec![|stream| {
        say(stream, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 99\r\n\r\nbusy");
        silence(stream);
    }]);
    let lm = lm(&uri).timeouts(Timeouts::new().idle(SHORT));
    assert_eq!(lm.complete(hi()).await.unwrap().usage.calls, 2);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// A server that sends a byte now and then for ever, and signals when the client closes.
fn slow_loris(head: &'static str, bytes: &'static str) -> (String, mpsc::Receiver<()>) {
    let (gone, is_gone) = mpsc::channel();
    let address = listen(move |mut stream| {
        read_request(&stream);
        stream.set_nodelay(true).unwrap();
        let gone = gone.clone();
        thread::spawn(move || {
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(bytes.as_bytes()).is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
            let _ = gone.send(());
        });
    });
    (format!("http://{address}"), is_gone)
}

async fn is_closed(closed: mpsc::Receiver<()>) -> bool {
    tokio::task::spawn_blocking(move || closed.recv_timeout(Duration::from_secs(10)).is_ok()).await.unwrap()
}

async fn streamed(lm: &Lm) -> (String, std::result::Result<Arc<Response>, Error>) {
    let mut heard = String::new();
    let caller = Caller::new("me", CallerId::unique());
    let outcome = lm.stream_for(caller, hi(), &mut |delta| heard.push_str(delta.text)).await;
    (heard, outcome)
}

#[tokio::test]
async fn a_byte_now_and_then_for_ever_ends_at_the_deadline_and_closes_the_connection() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    let (uri, gone) = slow_loris(head, " ");
    let error = lm(&uri).deadline(SHORT * 10).complete(hi()).await.unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("the deadline of 1 s"), "{error}");
    assert!(is_closed(gone).await);

    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    for (bytes, is_text) in [
        (": keep-alive\n\n", false),
        ("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n", true),
    ] {
        let (uri, gone) = slow_loris(head, bytes);
        let (heard, outcome) = streamed(&lm(&uri).deadline(SHORT * 10)).await;
        let error = outcome.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.completion().unwrap_or_default(), heard);
        assert_eq!(!heard.is_empty(), is_text);
        assert!(is_closed(gone).await);
    }
}

#[tokio::test]
async fn a_stream_is_retried_until_its_first_piece() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    const PIECE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Par\"}}]}\n\n";
    let (uri, connections) = serve_each(vec![|stream| say(stream, HEAD)]);
    let (heard, outcome) = streamed(&lm(&uri)).await;
    // The second answer comes in one piece.
    assert_eq!((heard.as_str(), outcome.unwrap().usage.calls), ("", 2));
    assert_eq!(connections.load(Ordering::SeqCst), 2);

    let (uri, connections) = serve_each(vec![|stream| say(stream, &format!("{HEAD}{PIECE}"))]);
    let (heard, outcome) = streamed(&lm(&uri)).await;
    let error = outcome.unwrap_err();
    assert_eq!((heard.as_str(), error.completion(), error.attempts()), ("Par", Some("Par"), 1));
    assert_eq!((error.kind(), connections.load(Ordering::SeqCst)), (ErrorKind::Connect, 1));

    let gzip = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n";
    let address = listen(move |mut stream| say(&mut stream, gzip));
    let (_, outcome) = streamed(&lm(&format!("http://{address}"))).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::BadResponse);
}

/// A server that begins an answer and waits; it counts the open connections, as it sees each one close.
fn half_answers(head: &'static str) -> (String, Arc<AtomicUsize>) {
    let open = Arc::new(AtomicUsize::new(0));
    let count = open.clone();
    let address = listen(move |mut stream| {
        count.fetch_add(1, Ordering::SeqCst);
        let count = count.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            let mut asked = false;
            while let Ok(1..) = stream.read(&mut buffer) {
                if !std::mem::replace(&mut asked, true) {
                    let _ = stream.write_all(head.as_bytes());
                }
            }
            count.fetch_sub(1, Ordering::SeqCst);
        });
    });
    (format!("http://{address}"), open)
}

#[tokio::test]
async fn a_call_dropped_at_any_poll_leaves_no_connection_behind() {
    let plain = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    let stream = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 999\r\n\r\n\
                  data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Par\"}}]}\n\n";
    for (head, is_streamed) in [(plain, false), (stream, true)] {
        let (uri, open) = half_answers(head);
        let lm = lm(&uri);
        for polls in 0..12 {
            let mut sink = |_: karat::lm::Delta<'_>| {};
            let caller = Caller::new("me", CallerId::unique());
            let call = async {
                match is_streamed {
                    true => lm.stream_for(caller, hi(), &mut sink).await.is_ok(),
                    false => lm.complete(hi()).await.is_ok(),
                }
            };
            {
                let mut call = pin!(call);
                for _ in 0..polls {
                    let poll = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
                    assert!(poll.is_pending());
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            }
        }
        // A connection that was being opened may still come; it is closed when the pool does not need it.
        drop(lm);
        let mut left = 500;
        while open.load(Ordering::SeqCst) > 1 && left > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            left -= 1;
        }
        assert!(open.load(Ordering::SeqCst) <= 1, "{} are open", open.load(Ordering::SeqCst));
    }
}
