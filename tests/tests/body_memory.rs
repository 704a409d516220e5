//! Answers without end, and what they cost: memory counted by the allocator, in a test binary of its own.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use karat::{
    ErrorKind, Lm, Retry,
    lm::{Message, Request},
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What karat reads of an answer.
const CAP: usize = 16 << 20;

const GIB: usize = 1 << 30;

/// A server that reads a request, hands the connection over and closes it; the address.
fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(b"}") {
                let read = stream.read(&mut buffer).unwrap_or(0);
                assert!(read > 0, "the client went away");
                request.extend_from_slice(&buffer[..read]);
            }
            serve(stream);
        }
    });
    address
}

/// Sends up to 1 GiB in chunks of 64 KiB, until the client goes.
fn flood(mut stream: TcpStream, headers: &str, start: &[u8], filler: u8) {
    let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{headers}\r\n");
    let mut piece = b"10000\r\n".to_vec();
    piece.resize(piece.len() + (64 << 10), filler);
    piece.extend_from_slice(b"\r\n");
    let start = [format!("{:x}\r\n", start.len()).as_bytes(), start, b"\r\n"].concat();
    let mut open = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&start)).is_ok();
    for _ in 0..GIB / (64 << 10) {
        open = open && stream.write_all(&piece).is_ok();
    }
}

fn lm(address: &str) -> Lm {
    Lm::new("openai/gpt-x").unwrap().base_url(address).api_key("sk-x").retry(Retry::none())
}

fn hi() -> Request {
    Request::new(vec![Message::user("hi")])
}

/// The kind of the error, and the most memory that was in use beyond what was before.
async fn peak(lm: &Lm, stream: bool) -> (ErrorKind, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let outcome = if stream {
        let caller = karat::lm::Caller::new("me", karat::lm::CallerId::unique());
        lm.stream_for(caller, hi(), &mut |_| {}).await.map(drop)
    } else {
        lm.complete(hi()).await.map(drop)
    };
    (outcome.unwrap_err().kind(), ALLOCATOR.peak_usage() - before)
}

// One test: there is one allocator.
#[tokio::test]
async fn an_answer_of_a_gibibyte_takes_no_more_memory_than_twice_the_cap() {
    // The connection, the client and the certificates are there before anything is measured.
    let warm = listen(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
    });
    lm(&warm).complete(hi()).await.unwrap_err();

    let json = "content-type: application/json\r\n";
    let events = "content-type: text/event-stream\r\n";
    let gzip = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    // The beginning of what `gzip` makes of zeros. It is not unpacked, so that it is as large as it is sent.
    let bomb =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xec\xc1\x01\x01\x00\x00\x00\x80\x90\xfe\xaf\xee\x08";
    let text = b"data: {\"choices\":[{\"delta\":{\"content\":\"";
    for (name, headers, start, filler, stream, kind) in [
        ("spaces", json, b"{".as_slice(), b' ', false, ErrorKind::TooLarge),
        ("one string", json, b"{\"choices\":[{\"message\":{\"content\":\"", b'a', false, ErrorKind::TooLarge),
        ("a gzip bomb", gzip, bomb, 0, false, ErrorKind::TooLarge),
        ("an event without an end", events, text, b'a', true, ErrorKind::TooLarge),
        ("a comment without an end", events, b": ", b'a', true, ErrorKind::TooLarge),
        ("no stream though one was asked for", json, b"{", b' ', true, ErrorKind::TooLarge),
    ] {
        let address = listen(move |stream| flood(stream, headers, start, filler));
        let (got, peak) = peak(&lm(&address).deadline(Duration::from_secs(60)), stream).await;
        println!("{name}: {got:?}, at most {:.1} MiB", peak as f64 / (1 << 20) as f64);
        assert_eq!(got, kind, "{name}");
        assert!(peak <= 2 * CAP, "{name}: {peak} bytes are more than twice the cap");
    }
}
