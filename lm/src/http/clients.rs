//! The reqwest clients of one handle: its own, built at first use, or the one that the program gave.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Client, ClientBuilder, Url, redirect, retry};
use tokio::runtime::{Handle, Id};

/// TCP keep-alive: the silence before the first probe, and the wait for each of three probes. A dead connection is noticed after
/// a minute.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(90);

/// How many clients a handle keeps. Runtimes come and go in tests; a program has one or two.
const KEPT: usize = 8;

/// The clients of one handle. Its clones share them, and with them the pools of connections.
#[derive(Clone)]
pub(crate) struct Clients(Arc<ClientSource>);

enum ClientSource {
    /// Built here.
    Own {
        /// One for each runtime and connect timeout, the newest last.
        clients: Mutex<Vec<(ClientKey, Client)>>,
        /// The environment's proxies, read once as each client does.
        proxies: Box<OnceLock<Matcher>>,
    },
    /// The program's client.
    Given(Client),
}

/// The runtime and the connect timeout: a pooled connection is driven by the runtime that opened it, and would hang if that one
/// stands still.
type ClientKey = (Id, Duration);

/// Why there is no client.
#[derive(Debug)]
pub(crate) enum NoClient {
    /// The call was made outside of a Tokio runtime.
    NoRuntime,
    /// TLS cannot be set up, e.g. because the system has no certificates.
    Tls(reqwest::Error),
}

impl Clients {
    /// Clients of the handle's own.
    pub(crate) fn own() -> Self {
        Self(Arc::new(ClientSource::Own { clients: Mutex::default(), proxies: Box::default() }))
    }

    /// The program's client, as it is.
    pub(crate) fn given(client: Client) -> Self {
        Self(Arc::new(ClientSource::Given(client)))
    }

    /// True if both send through the same client, as far as is known: the program gave none to either, or both are clones.
    pub(crate) fn are(&self, other: &Self) -> bool {
        let is_own = |clients: &Self| matches!(*clients.0, ClientSource::Own { .. });
        Arc::ptr_eq(&self.0, &other.0) || is_own(self) && is_own(other)
    }

    /// The host of the environment's proxy that would read a request to this address; only a tunnel does not. The proxies of a
    /// client that the program gave are unknown.
    pub(crate) fn proxy_host(&self, url: &Url) -> Option<String> {
        let ClientSource::Own { proxies, .. } = &*self.0 else { return None };
        let proxy = proxies.get_or_init(Matcher::from_env).intercept(&url.as_str().parse().ok()?)?;
        Some(proxy.uri().host()?.to_owned())
    }

    /// The client of the current runtime. `is_plain`: the request goes over plain HTTP and needs no certificates.
    ///
    /// # Errors
    /// There is no runtime, or no TLS.
    pub(crate) fn get(&self, connect: Duration, is_plain: bool) -> Result<Client, NoClient> {
        let runtime = Handle::try_current().map_err(|_| NoClient::NoRuntime)?.id();
        let clients = match &*self.0 {
            ClientSource::Given(client) => return Ok(client.clone()),
            ClientSource::Own { clients, .. } => clients,
        };
        let key = (runtime, connect);
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(other, _)| *other == key) {
            return Ok(client.clone());
        }
        let client = match settings(connect).build() {
            Ok(client) => client,
            // A machine without any trusted certificate, e.g. a bare container, can still use a server over plain HTTP. Such a
            // client is not kept: certificates may be installed later.
            Err(_) if is_plain => {
                return settings(connect).tls_certs_only([]).build().map_err(NoClient::Tls);
            }
            Err(error) => return Err(NoClient::Tls(error)),
        };
        if clients.len() >= KEPT {
            clients.remove(0);
        }
        clients.push((key, client.clone()));
        Ok(client)
    }
}

/// The settings of karat's own clients: no redirects, no retries and no decompression, whichever features of reqwest the
/// application switches on. Proxies are those that the environment names.
fn settings(connect: Duration) -> ClientBuilder {
    Client::builder()
        .tls_backend_rustls()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .referer(false)
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tcp_keepalive_retries(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn a_call_outside_of_a_runtime_has_no_client() {
        assert!(matches!(Clients::own().get(LIMIT, true), Err(NoClient::NoRuntime)));
    }

    #[test]
    fn each_runtime_has_its_own_client_and_only_the_newest_are_kept() {
        let clients = Clients::own();
        for _ in 0..KEPT + 2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _entered = runtime.enter();
            clients.get(LIMIT, true).unwrap();
            clients.clone().get(LIMIT, true).unwrap();
            let ClientSource::Own { clients: kept, .. } = &*clients.0 else { panic!("not its own") };
            let kept = kept.lock().unwrap();
            let own = kept.iter().filter(|((id, _), _)| *id == runtime.handle().id()).count();
            assert!(own == 1 && kept.len() <= KEPT, "{own} of {}", kept.len());
        }
    }

    #[test]
    fn handles_without_a_given_client_or_with_clones_of_one_send_alike() {
        let given = Clients::given(Client::new());
        assert!(Clients::own().are(&Clients::own()) && given.clone().are(&given));
        assert!(!given.are(&Clients::own()) && !given.are(&Clients::given(Client::new())));
    }
}
