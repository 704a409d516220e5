//! Servers that break off, and the errors that a user sees: over raw sockets, since an HTTP server would behave too well.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use karat::{Error, ErrorKind, lm::Timeouts};
use rustls::{ServerConfig, ServerConnection, pki_types::PrivateKeyDer};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{assert_no_key, good_body, hi, lm};

/// A server that hands each connection to `serve`; its address without the scheme.
pub(super) fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

/// Reads a request to the end of its body, which is JSON and so ends with a brace.
pub(super) fn read_request(mut stream: &TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.ends_with(b"}") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the client went away");
        request.extend_from_slice(&buffer[..read]);
    }
}

async fn error_at(uri: &str) -> Error {
    let error = lm(uri).complete(hi()).await.unwrap_err();
    assert_no_key(&error);
    error
}

/// The error of a server that reads the request, writes these bytes and closes.
async fn error_after(head: &'static str, body: Vec<u8>) -> Error {
    let address = listen(move |mut stream| {
        read_request(&stream);
        // The client may have gone away, which some tests are about.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    });
    error_at(&format!("http://{address}")).await
}

#[tokio::test]
async fn a_server_that_does_not_run_is_a_connect_error() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = error_at(&format!("http://{address}")).await;
    assert_eq!(error.kind(), ErrorKind::Connect);
    let text = error.to_string();
    assert!(
        text.contains(&address.to_string()) && text.contains("refused") && text.contains("`.base_url(..)`"),
        "{text}"
    );
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn a_server_that_takes_no_connection_is_a_connect_error_at_the_limit() {
    // A listener with a full queue drops further connections: a black hole.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            Ok(stream) => waiting.push(stream),
            Err(_) => break,
        }
        assert!(waiting.len() < 100, "the queue does not get full");
    }
    let limit = Duration::from_millis(100);
    let lm = lm(&format!("http://{address}")).timeouts(Timeouts::new().connect(limit));
    let started = Instant::now();
    let error = lm.complete(hi()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(error.to_string().contains("no connection"), "{error}");
    assert!(started.elapsed() >= limit);
    println!("a limit of {limit:?} ended it after {:?}: {error}", started.elapsed());
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_a_connect_error() {
    let error = error_at("http://karat.invalid/v1?key=canary").await;
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("`openai/gpt-x` at karat.invalid: no connection"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_headers_is_a_connect_error() {
    // Closing with unread data resets the connection.
    let reset = error_at(&format!("http://{}", listen(drop))).await;
    let closed = error_after("", Vec::new()).await;
    let half = error_after("HTTP/1.1 200 OK\r\ncontent-ty", Vec::new()).await;
    for error in [reset, closed, half] {
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("broke before the answer"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_connect_error() {
    let body = || good_body().to_string().into_bytes();
    let length = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    let chunked =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n3e8\r\n";
    for error in [error_after(length, body()).await, error_after(chunked, body()).await] {
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("broke in the middle of the answer"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_a_connect_error() {
    assert_eq!(error_after("SSH-2.0-OpenSSH_9.6\r\n", Vec::new()).await.kind(), ErrorKind::Connect);
}

#[tokio::test]
async fn an_answer_larger_than_the_cap_is_not_read_to_its_end() {
    let announced = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1073741824\r\n\r\n";
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    for error in [error_after(announced, Vec::new()).await, error_after(endless, vec![b' '; 20 << 20]).await]
    {
        assert_eq!((error.kind(), error.status()), (ErrorKind::TooLarge, Some(200)));
        assert!(error.to_string().contains("16 MiB"), "{error}");
    }
}

#[tokio::test]
async fn an_endless_error_page_is_not_read_to_its_end() {
    let head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n";
    let (closed, mut gone) = mpsc::unbounded_channel();
    let address = listen(move |mut stream| {
        read_request(&stream);
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(&[b'x'; 1 << 16]).is_ok() {}
        let _ = closed.send(());
    });
    assert!(error_at(&format!("http://{address}")).await.is_server());
    timeout(Duration::from_secs(10), gone.recv()).await.expect("the client closes the connection");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_a_tls_error() {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = include_bytes!("../../support/certificates/untrusted.cert.der").to_vec().into();
    let key =
        PrivateKeyDer::Pkcs8(include_bytes!("../../support/certificates/untrusted.key.der").to_vec().into());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let address = listen(move |mut stream| {
        // Fails as soon as the client has seen the certificate.
        let _ = ServerConnection::new(config.clone()).unwrap().complete_io(&mut stream);
    });
    let error = error_at(&format!("https://{address}")).await;
    assert!(error.is_tls() && error.is_permanent(), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn https_to_a_server_that_speaks_plain_http_is_a_tls_error() {
    let address = listen(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        let _ = stream.read(&mut [0; 64]);
    });
    let error = error_at(&format!("https://{address}")).await;
    assert!(error.is_tls() && error.to_string().contains("http or https?"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout() {
    let (asked, was_asked) = oneshot::channel();
    let asked = std::sync::Mutex::new(Some(asked));
    let address = listen(move |stream| {
        read_request(&stream);
        asked.lock().unwrap().take().unwrap().send(()).unwrap();
        // Silent, and open until the client goes.
        let _ = (&stream).read(&mut [0; 64]);
    });
    let started = Instant::now();
    let call = tokio::spawn(async move { error_at(&format!("http://{address}")).await });
    was_asked.await.unwrap();
    // From here on, time passes at once when all tasks are idle.
    tokio::time::pause();
    let error = call.await.unwrap();
    assert!(error.is_timeout() && error.to_string().contains("600 s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let (asked, was_asked) = oneshot::channel();
    let asked = std::sync::Mutex::new(Some(asked));
    let (closed, mut was_closed) = mpsc::unbounded_channel();
    let address = listen(move |stream| {
        read_request(&stream);
        asked.lock().unwrap().take().unwrap().send(()).unwrap();
        let read = (&stream).read(&mut [0; 64]);
        let _ = closed.send(matches!(read, Ok(0) | Err(_)));
    });
    let call = tokio::spawn(async move { lm(&format!("http://{address}")).complete(hi()).await });
    was_asked.await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(timeout(Duration::from_secs(10), was_closed.recv()).await, Ok(Some(true)));
}

#[test]
fn one_lm_serves_several_runtimes_even_if_one_of_them_is_blocked() {
    let address = listen(|mut stream| {
        thread::spawn(move || {
            let body = good_body().to_string();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            // Keeps the connection open for the next request, which a blocked runtime would never send.
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                if buffer.contains(&b'}') && stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
                    break;
                }
            }
        });
    });
    let lm = lm(&format!("http://{address}"));
    let runtimes: Vec<_> =
        (0..3).map(|_| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()).collect();
    for runtime in &runtimes {
        let call = async { timeout(Duration::from_secs(10), lm.complete(hi())).await };
        assert_eq!(runtime.block_on(call).unwrap().unwrap().completions[0].text, "hello");
    }
}
