//! The HTTP clients of this process, each with its pool of connections.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderValue, Request, Uri, header::PROXY_AUTHORIZATION, uri::Scheme};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::{
    client::{legacy, proxy::matcher::Matcher},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::runtime::{Handle, Id};

use url::Url;

use super::{
    Call,
    connect::{self, Connector},
    endpoint::is_this_machine,
};
use crate::error::{Error, ErrorKind, Result};

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(90);

/// One client. What it does not do: it follows no redirect, unpacks nothing, keeps no cookie, and sends nothing again that may have
/// been read. Whoever asks decides that, and counts it.
pub(super) struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    proxies: Arc<Matcher>,
    /// False where no proxy asks servers itself, so that none need be looked for.
    has_plain_proxy: bool,
}

impl Client {
    fn new(connect: Duration, tls: rustls::ClientConfig, proxies: Matcher) -> Self {
        let proxies = Arc::new(proxies);
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Connector::new(connect, tls, proxies.clone()));
        let anywhere = Uri::from_static("http://host.invalid");
        let has_plain_proxy = proxies.intercept(&anywhere).is_some();
        Self { http, proxies, has_plain_proxy }
    }

    /// Sends a request. Dropping the future closes it.
    pub(super) fn send(&self, mut request: Request<Full<Bytes>>) -> legacy::ResponseFuture {
        if let Some(auth) = self.proxy_auth(request.uri()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, auth);
        }
        self.http.request(request)
    }

    /// True if a request to this server is read by a proxy on another machine: all but what goes through a tunnel is.
    fn tells_another_machine(&self, server: &Uri) -> bool {
        if !self.has_plain_proxy || server.scheme() != Some(&Scheme::HTTP) {
            return false;
        }
        let Some(proxy) = self.proxies.intercept(server) else { return false };
        let host = Url::parse(&proxy.uri().to_string());
        !host.is_ok_and(|proxy| proxy.host().is_some_and(is_this_machine))
    }

    /// A proxy that asks the server itself is told with each request who wants it; a tunnel, when it is opened.
    fn proxy_auth(&self, server: &Uri) -> Option<HeaderValue> {
        if !self.has_plain_proxy || server.scheme() != Some(&Scheme::HTTP) {
            return None;
        }
        self.proxies.intercept(server)?.basic_auth().cloned()
    }
}

/// The async runtime, for a pooled connection is driven by the one in which it was opened, and one whose runtime stands still would
/// hang; and the limit of connecting.
type Key = (Id, Duration);

/// One for each, the newest last.
static CLIENTS: Mutex<Vec<(Key, Arc<Client>)>> = Mutex::new(Vec::new());

/// How many of them are kept. Runtimes come and go in tests; a program has one or two.
const KEPT: usize = 8;

/// The client of this runtime.
///
/// # Errors
/// [`ErrorKind::Config`]: there is no runtime, or a proxy would be told a key that is not to go to other machines in clear;
/// [`ErrorKind::Tls`]: the system has no certificates.
pub(super) fn client(call: &Call<'_>) -> Result<Arc<Client>> {
    let client = of_runtime(call)?;
    match call.endpoint.is_key_guarded && client.tells_another_machine(&call.endpoint.uri) {
        true => Err(Error::config(call.client.key_in_clear(&call.endpoint.host, "to a proxy"))),
        false => Ok(client),
    }
}

fn of_runtime(call: &Call<'_>) -> Result<Arc<Client>> {
    let runtime = Handle::try_current()
        .map_err(|_| {
            call.error(ErrorKind::Config, "called outside of a Tokio runtime: run it under `#[tokio::main]`")
        })?
        .id();
    let connect = call.client.timeouts.connect;
    let key = (runtime, connect);
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = clients.iter().find(|(other, _)| *other == key) {
        return Ok(client.clone());
    }
    let client = match connect::tls() {
        Ok(tls) => Arc::new(Client::new(connect, tls, Matcher::from_env())),
        // A machine without any trusted certificate, e.g. a bare container, can still use a server over plain HTTP. Such a
        // client is not kept: the certificates may yet come.
        Err(error) => match connect::tls_without_trust() {
            Ok(tls) if call.endpoint.uri.scheme() == Some(&Scheme::HTTP) => {
                return Ok(Arc::new(Client::new(connect, tls, Matcher::from_env())));
            }
            _ => return Err(no_tls(call, error)),
        },
    };
    if clients.len() >= KEPT {
        clients.remove(0);
    }
    clients.push((key, client.clone()));
    Ok(client)
}

fn no_tls(call: &Call<'_>, error: rustls::Error) -> Error {
    let message =
        format!("no HTTPS client: {error}. Install the system's CA certificates (often `ca-certificates`)");
    call.error(ErrorKind::Tls, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::{super::with_call, *};

    /// What a proxy is told first by a client that asks this server, and what becomes of the request when it says `200`.
    async fn told(server: &'static str) -> (String, std::result::Result<u16, legacy::Error>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://user:pw@{}", listener.local_addr().unwrap());
        let matcher = Matcher::builder().all(proxy).build();
        let client = Client::new(Duration::from_secs(10), connect::tls_without_trust().unwrap(), matcher);
        let mut request = Request::new(Full::new(Bytes::from_static(b"{}")));
        *request.uri_mut() = Uri::from_static(server);
        let proxy = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap() > 0 {
                head.truncate(
                    head.windows(4).position(|end| end == b"\r\n\r\n").map_or(head.len(), |at| at + 4),
                );
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(head).unwrap()
        };
        let (head, response) = tokio::join!(proxy, client.send(request));
        (head.to_ascii_lowercase(), response.map(|response| response.status().as_u16()))
    }

    /// `user:pw`.
    const CREDENTIALS: &str = "\r\nproxy-authorization: basic dxnlcjpwdw==\r\n";

    #[tokio::test]
    async fn a_proxy_is_asked_for_the_whole_address_with_its_credentials() {
        let (head, status) = told("http://karat.invalid/v1").await;
        assert!(head.starts_with("get http://karat.invalid/v1 http/1.1\r\n"), "{head}");
        assert!(head.contains(CREDENTIALS), "{head}");
        assert_eq!(status.unwrap(), 200);
    }

    #[tokio::test]
    async fn tls_goes_through_a_tunnel_that_the_credentials_open() {
        let (head, status) = told("https://karat.invalid/v1").await;
        assert!(head.starts_with("connect karat.invalid:443 http/1.1\r\n"), "{head}");
        assert!(head.contains(CREDENTIALS), "{head}");
        // Behind the tunnel is nobody who speaks TLS.
        assert!(status.unwrap_err().is_connect());
    }

    #[tokio::test]
    async fn a_server_that_needs_no_proxy_is_told_no_credentials() {
        let matcher = Matcher::builder().all("http://user:pw@127.0.0.1:9").no("direct.invalid").build();
        let client = Client::new(Duration::from_secs(10), connect::tls_without_trust().unwrap(), matcher);
        assert_eq!(client.proxy_auth(&Uri::from_static("http://direct.invalid/v1")), None);
        assert!(client.proxy_auth(&Uri::from_static("http://other.invalid/v1")).is_some());
    }

    #[test]
    fn a_proxy_on_another_machine_reads_what_goes_over_http() {
        for (proxy, server, tells) in [
            ("http://10.0.0.1:9", "http://127.0.0.1:1/v1", true),
            ("http://proxy.invalid:9", "http://localhost/v1", true),
            ("http://proxy.invalid:9", "http://direct.invalid/v1", false),
            ("http://proxy.invalid:9", "https://localhost/v1", false),
            ("http://127.0.0.1:9", "http://localhost/v1", false),
        ] {
            let matcher = Matcher::builder().all(proxy).no("direct.invalid").build();
            let client = Client::new(Duration::from_secs(10), connect::tls_without_trust().unwrap(), matcher);
            assert_eq!(client.tells_another_machine(&Uri::from_static(server)), tells, "{proxy} {server}");
        }
    }

    #[test]
    fn a_call_outside_of_a_runtime_is_an_error_and_no_panic() {
        let error = with_call(|call| client(call).map(|_| ()).unwrap_err());
        assert!(error.is_config() && error.to_string().contains("Tokio"), "{error}");
    }

    #[test]
    fn each_runtime_has_its_own_client_and_only_the_newest_are_kept() {
        for _ in 0..KEPT + 2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _entered = runtime.enter();
            with_call(|call| client(call).map(|_| ())).unwrap();
            let clients = CLIENTS.lock().unwrap();
            let own = clients.iter().filter(|((id, _), _)| *id == runtime.handle().id()).count();
            assert!(own == 1 && clients.len() <= KEPT, "{own} of {}", clients.len());
        }
    }
}
