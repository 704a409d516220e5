//! The HTTP client behind a handle: its own, which follows no redirect and uses the environment's proxies, and one that the
//! program gives.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
};

use karat::{Lm, lm::Request};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use super::{
    connection::{listen, read_request},
    environment::{is_child, run_child},
    good_body, hi,
};

fn lm(address: &str) -> Lm {
    Lm::new("openai/gpt-x")
        .unwrap()
        .base_url(format!("{address}/v1"))
        .api_key("sk-test")
        .retry(karat::Retry::none())
}

/// A server that redirects to `/moved/chat/completions`, where the answer is.
async fn moved() -> MockServer {
    let server = MockServer::start().await;
    let there = format!("{}/moved/chat/completions", server.uri());
    let elsewhere = ResponseTemplate::new(307).insert_header("location", there.as_str());
    Mock::given(method("POST"))
        .and(path("/v1/chat/completions"))
        .respond_with(elsewhere)
        .mount(&server)
        .await;
    let answer = ResponseTemplate::new(200).set_body_json(good_body());
    Mock::given(path("/moved/chat/completions")).respond_with(answer).mount(&server).await;
    server
}

#[tokio::test]
async fn a_handles_own_client_follows_no_redirect() {
    let server = moved().await;
    let error = lm(&server.uri()).complete(hi()).await.unwrap_err();
    assert_eq!(error.status(), Some(307), "{error}");
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_after_a_redirect_of_a_given_client_is_a_config_error() {
    let server = moved().await;
    let lm = lm(&server.uri()).http_client(reqwest::Client::new());
    let error = lm.complete(hi()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("`.http_client(..)`"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_given_client_reaches_a_server_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lm.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"}") {
            let read = stream.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(&answer()).unwrap();
    });
    let client = reqwest::Client::builder().unix_socket(socket).build().unwrap();
    let lm = lm("http://model.invalid").http_client(client);
    assert!(lm.complete(hi()).await.is_ok());
}

fn answer() -> Vec<u8> {
    let body = good_body().to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

#[tokio::test]
async fn clones_share_the_connections_of_a_handle_and_another_handle_has_its_own() {
    let (sent, connections) = mpsc::channel();
    let address = listen(move |mut stream: TcpStream| {
        sent.send(()).unwrap();
        std::thread::spawn(move || {
            for _ in 0..2 {
                read_request(&stream);
                stream.write_all(&answer()).unwrap();
            }
        });
    });
    let one = lm(&format!("http://{address}"));
    one.complete(hi()).await.unwrap();
    one.clone().temperature(0.5).complete(hi()).await.unwrap();
    assert_eq!(connections.try_iter().count(), 1);
    lm(&format!("http://{address}")).complete(hi()).await.unwrap();
    assert_eq!(connections.try_iter().count(), 1);
}

#[tokio::test]
async fn a_handle_is_used_from_several_runtimes_each_with_connections_of_its_own() {
    let (sent, connections) = mpsc::channel();
    let address = listen(move |mut stream: TcpStream| {
        sent.send(()).unwrap();
        std::thread::spawn(move || {
            while stream.peek(&mut [0]).is_ok_and(|read| read > 0) {
                read_request(&stream);
                stream.write_all(&answer()).unwrap();
            }
        });
    });
    let lm = lm(&format!("http://{address}"));
    for _ in 0..2 {
        let lm = lm.clone();
        let other = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(lm.complete(hi())).unwrap();
        });
        other.join().unwrap();
    }
    assert_eq!(connections.try_iter().count(), 2);
}

/// The first bytes that a proxy gets for a request to this address. It answers `200` to a tunnel and whole requests alike.
async fn heard(test: &str, server: &str) -> Option<String> {
    const PROXIED: &str = "KARAT_TESTS_PROXIED";
    if is_child() {
        let request: Request = hi();
        let lm = lm(&std::env::var(PROXIED).unwrap()).allow_key_over_http(true);
        let _ = lm.complete(request).await;
        return None;
    }
    let (sent, heads) = mpsc::channel();
    let proxy = listen(move |mut stream: TcpStream| {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
            head.extend(byte);
        }
        sent.send(String::from_utf8(head).unwrap()).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
    let proxy = format!("http://user:pw@{proxy}");
    run_child(
        test,
        &[
            (PROXIED, server),
            ("HTTP_PROXY", &proxy),
            ("HTTPS_PROXY", &proxy),
            ("NO_PROXY", "direct.invalid"),
            ("no_proxy", "direct.invalid"),
        ],
    );
    Some(heads.try_iter().next().unwrap_or_default().to_ascii_lowercase())
}

/// `user:pw`.
const CREDENTIALS: &str = "\r\nproxy-authorization: basic dxnlcjpwdw==\r\n";

#[tokio::test]
async fn a_proxy_is_asked_for_the_whole_address_with_its_credentials() {
    let test = "client::a_proxy_is_asked_for_the_whole_address_with_its_credentials";
    let Some(head) = heard(test, "http://karat.invalid").await else { return };
    assert!(head.starts_with("post http://karat.invalid/v1/chat/completions http/1.1\r\n"), "{head}");
    assert!(head.contains(CREDENTIALS), "{head}");
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_that_the_credentials_open() {
    let test = "client::tls_goes_through_a_tunnel_that_the_credentials_open";
    let Some(head) = heard(test, "https://karat.invalid").await else { return };
    assert!(head.starts_with("connect karat.invalid:443 http/1.1\r\n"), "{head}");
    assert!(head.contains(CREDENTIALS), "{head}");
}

#[tokio::test]
async fn a_server_that_needs_no_proxy_is_asked_without_one() {
    let test = "client::a_server_that_needs_no_proxy_is_asked_without_one";
    let Some(head) = heard(test, "http://direct.invalid").await else { return };
    assert_eq!(head, "");
}
