//! Connections: TCP, by a proxy where the environment names one, and TLS, within one limit of time.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::{
        legacy::connect::{Connected, Connection, HttpConnector, proxy::Tunnel},
        proxy::matcher::Matcher,
    },
    rt::TokioIo,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
};
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use crate::lm::BoxFuture;

/// How long a connection may be silent before the system asks the other side whether it is still there, and how long it waits
/// for each of three answers. One that is gone is known to be after a minute.
const KEEPALIVE: Duration = Duration::from_secs(15);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections. Cheap to clone: the client does it for every request.
#[derive(Clone)]
pub(super) struct Connector(Arc<Parts>);

struct Parts {
    https: HttpsConnector<Dialer>,
    limit: Duration,
}

impl Connector {
    /// Within this limit for name, TCP, proxy and TLS together.
    pub(super) fn new(limit: Duration, tls: ClientConfig, proxies: Arc<Matcher>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(3));
        // A proxy speaks HTTP/1.1; servers may choose.
        let to_proxies = HttpsConnector::from((tcp.clone(), tls.clone()));
        let mut to_servers = tls;
        to_servers.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let https = HttpsConnector::from((Dialer { tcp, to_proxies, proxies }, to_servers));
        Self(Arc::new(Parts { https, limit }))
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Dialed>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let Parts { https, limit } = &*self.0;
        let (mut https, limit) = (https.clone(), *limit);
        Box::pin(async move {
            let late = |_| {
                let message = format!("not connected within the limit of {limit:?}");
                io::Error::new(io::ErrorKind::TimedOut, message)
            };
            timeout(limit, https.call(server)).await.map_err(late)?
        })
    }
}

/// Opens the TCP connection, or the tunnel through a proxy, on which TLS is then spoken where the address wants it.
#[derive(Clone)]
struct Dialer {
    tcp: HttpConnector,
    to_proxies: HttpsConnector<HttpConnector>,
    proxies: Arc<Matcher>,
}

impl Service<Uri> for Dialer {
    type Response = Dialed;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Dialed, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let Self { mut tcp, mut to_proxies, proxies } = self.clone();
        Box::pin(async move {
            let Some(proxy) = proxies.intercept(&server) else {
                return Ok(Dialed { io: MaybeHttpsStream::Http(tcp.call(server).await?), asks_proxy: false });
            };
            if server.scheme_str() != Some("https") {
                return Ok(Dialed { io: to_proxies.call(proxy.uri().clone()).await?, asks_proxy: true });
            }
            let tunnel = Tunnel::new(proxy.uri().clone(), to_proxies);
            let mut tunnel = match proxy.basic_auth() {
                Some(auth) => tunnel.with_auth(auth.clone()),
                None => tunnel,
            };
            Ok(Dialed { io: tunnel.call(server).await?, asks_proxy: false })
        })
    }
}

/// A connection to a server, or to a proxy.
pub(super) struct Dialed {
    io: MaybeHttpsStream<TokioIo<TcpStream>>,
    /// It is told the whole address of each request, and asks the server itself.
    asks_proxy: bool,
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.asks_proxy)
    }
}

impl Read for Dialed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Dialed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }
}

/// TLS with the certificates that the system trusts, in the process's own cryptography if it has chosen one.
///
/// # Errors
/// The system has no certificates.
pub(super) fn tls() -> Result<ClientConfig, rustls::Error> {
    let versions = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(versions.try_with_platform_verifier()?.with_no_client_auth())
}

/// TLS that trusts nobody.
///
/// # Errors
/// The process's cryptography knows no usual version of TLS.
pub(super) fn tls_without_trust() -> Result<ClientConfig, rustls::Error> {
    let versions = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()))
}
