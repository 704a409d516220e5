//! The HTTP side: the shared client, the body within its cap, and what can go wrong on the way.

use std::{
    error::Error as StdError,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use reqwest::{
    Client,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect, retry,
};
use secrecy::ExposeSecret;
use tokio::{
    runtime::{Handle, Id},
    task::coop::consume_budget,
};

use super::Call;
use crate::{
    error::{Error, ErrorKind, Result},
    lm::waiting::watch,
};

/// The most bytes of an answer that are read.
const BODY_CAP: usize = 16 << 20;

/// The most bytes of an error's body that are read; the rest is not needed.
const ERROR_BODY_CAP: usize = 64 << 10;

/// How long the body of an error may take; the status alone says enough.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// How long a connection may be silent before the system asks the other side whether it is still there, and how long it waits
/// for each of three answers. One that is gone is known to be after a minute.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// A server's reply, whatever its status.
#[derive(Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// A reply whose body has not been read.
pub(super) struct Opened {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    response: reqwest::Response,
}

impl Opened {
    /// The whole reply.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Timeout`], [`ErrorKind::TooLarge`].
    pub(super) async fn reply(self, call: &Call<'_>) -> Result<Reply> {
        let Opened { status, headers, response } = self;
        let body = match response.status().is_success() {
            true => whole_body(call, response).await?,
            // The status counts, whatever becomes of the body.
            false => start_of_body(call, response).await,
        };
        Ok(Reply { status, headers, body })
    }

    /// The reply without its body.
    pub(super) fn head(&self) -> Reply {
        Reply { status: self.status, headers: self.headers.clone(), body: Vec::new() }
    }

    /// The next bytes of the body; `None` at its end. Cancel safe.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Timeout`].
    pub(super) async fn chunk(&mut self, call: &Call<'_>) -> Result<Option<impl AsRef<[u8]> + use<>>> {
        chunk(call, &mut self.response).await
    }

    /// Takes in what is left of the body if it is there already, so that the connection can be used again.
    pub(super) fn end(mut self) {
        while let Some(Ok(Some(_))) = self.response.chunk().now_or_never() {}
    }
}

/// Sends a JSON body. Dropping the future closes the request.
///
/// # Errors
/// [`ErrorKind::Connect`], [`ErrorKind::Tls`], [`ErrorKind::Timeout`]; [`ErrorKind::Config`] where nothing could be sent.
pub(super) async fn post(call: &Call<'_>, body: Vec<u8>) -> Result<Opened> {
    let client = client(call)?;
    let mut request = client
        .post(call.endpoint.url.clone())
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .body(body);
    if let Some(key) = &call.endpoint.key {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).map_err(|_| {
            call.error(ErrorKind::Config, "the API key has characters that no HTTP header can hold")
        })?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let limit = call.client.timeouts.first_byte;
    let response = match limit {
        Duration::MAX => Some(request.send().await),
        limit => watch(Some(limit), request.send()).await.0,
    };
    let late = || too_late(call, format_args!("no beginning of an answer within the limit of {limit:?}"));
    let response = response.ok_or_else(late)?;
    let mut response = response.map_err(|error| failed(call, error, "before the answer"))?;
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    Ok(Opened { status, headers, response })
}

async fn whole_body(call: &Call<'_>, mut response: reqwest::Response) -> Result<Vec<u8>> {
    let status = response.status().as_u16();
    let too_large = || {
        let message =
            format_args!("the answer is larger than {} MiB: lower `max_tokens` or `n`", BODY_CAP >> 20);
        call.error(ErrorKind::TooLarge, message).with_status(status)
    };
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > BODY_CAP {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced);
    while let Some(chunk) = chunk(call, &mut response).await? {
        let chunk = chunk.as_ref();
        let length = body.len() + chunk.len();
        if length > BODY_CAP {
            return Err(too_large());
        }
        append(&mut body, chunk);
    }
    Ok(body)
}

/// Adds bytes to what is read of an answer. It grows to twice what it holds, and beyond a quarter of the cap to the cap at once:
/// while it grows, the old memory is held beside the new.
pub(super) fn append(body: &mut Vec<u8>, bytes: &[u8]) {
    let length = body.len().saturating_add(bytes.len());
    if length > body.capacity() {
        let wanted = if length > BODY_CAP / 4 { BODY_CAP } else { 2 * length };
        body.reserve_exact(wanted.max(length) - body.len());
    }
    body.extend_from_slice(bytes);
}

/// The next bytes of a body, within the limit of their silence.
async fn chunk(
    call: &Call<'_>,
    response: &mut reqwest::Response,
) -> Result<Option<impl AsRef<[u8]> + use<>>> {
    // Lets others have their turn, limits of time among them, where a server sends faster than anybody can read.
    consume_budget().await;
    // A short answer comes with its head: then there is nothing to wait for.
    if let Some(chunk) = response.chunk().now_or_never() {
        return chunk.map_err(|error| broken(call, error));
    }
    let limit = call.client.timeouts.idle;
    let (chunk, _) = watch(Some(limit), response.chunk()).await;
    let late =
        || too_late(call, format_args!("the answer was silent for longer than the limit of {limit:?}"));
    chunk.ok_or_else(late)?.map_err(|error| broken(call, error))
}

fn broken(call: &Call<'_>, error: reqwest::Error) -> Error {
    failed(call, error, "in the middle of the answer")
}

async fn start_of_body(call: &Call<'_>, mut response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = chunk(call, &mut response).await {
            body.extend_from_slice(chunk.as_ref());
            if body.len() >= ERROR_BODY_CAP {
                body.truncate(ERROR_BODY_CAP);
                break;
            }
        }
    };
    let _ = watch(Some(ERROR_BODY_TIME), read).await;
    body
}

fn too_late(call: &Call<'_>, what: impl std::fmt::Display) -> Error {
    call.error(ErrorKind::Timeout, format_args!("{what}: raise it with `.timeouts(..)`, or try again later"))
}

/// The clients of this process, one for each async runtime and limit of connecting, the newest last: a pooled connection is
/// driven by the runtime in which it was opened, and one whose runtime stands still would hang.
static CLIENTS: Mutex<Vec<((Id, Duration), Client)>> = Mutex::new(Vec::new());

/// How many of them are kept. Runtimes come and go in tests; a program has one or two.
const KEPT: usize = 8;

fn client(call: &Call<'_>) -> Result<Client> {
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
    let https = call.endpoint.url.scheme() == "https";
    let client = match builder(connect).build() {
        Ok(client) => client,
        // A machine without any trusted certificate, e.g. a bare container, can still use a server over plain HTTP. Such a
        // client is not kept: the certificates may yet come.
        Err(error) => match builder(connect).tls_certs_only([]).build() {
            Ok(client) if !https => return Ok(client),
            _ => return Err(unbuilt(call, error)),
        },
    };
    if clients.len() >= KEPT {
        clients.remove(0);
    }
    clients.push((key, client.clone()));
    Ok(client)
}

fn builder(connect: Duration) -> reqwest::ClientBuilder {
    Client::builder()
        .user_agent(concat!("karat/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tcp_keepalive_retries(3)
        .redirect(redirect::Policy::none())
        // Nothing is sent again down here: whoever asks decides that, and counts it.
        .retry(retry::never())
}

fn unbuilt(call: &Call<'_>, error: reqwest::Error) -> Error {
    let cause = cause(&error);
    let message = format_args!(
        "no HTTPS client: {cause}. Install the system's CA certificates (often `ca-certificates`)"
    );
    call.error(ErrorKind::Tls, message).with_source(error)
}

/// The error of a request that has no reply, or not the whole of it.
fn failed(call: &Call<'_>, error: reqwest::Error, when: &str) -> Error {
    // The address may hold secrets, and the message names the host.
    let error = error.without_url();
    let cause = call.excerpt(cause(&error).as_bytes());
    let address = format!(
        "the address: it is `.base_url(..)`, else `{}`",
        call.client.provider.base_url_vars.join("`, `")
    );
    let (kind, what) = if error.is_connect() && has_tls_error(&error) {
        let what = format!(
            "no trusted TLS connection: {cause}. Check the server's certificate, and {address} (http or https?)"
        );
        (ErrorKind::Tls, what)
    } else if error.is_connect() {
        (ErrorKind::Connect, format!("no connection: {cause}. Check that the server runs, and {address}"))
    } else if error.is_builder() {
        (ErrorKind::Config, format!("the request cannot be sent: {cause}"))
    } else {
        (ErrorKind::Connect, format!("the connection broke {when}: {cause}. This may pass: try again later"))
    };
    call.error(kind, what).with_source(error)
}

/// The innermost error's text: what the system said.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn StdError = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Whether TLS failed while connecting. rustls's errors come as I/O errors of the kind `InvalidData`, which TCP and DNS never
/// give; they may be wrapped in further I/O errors, whose `source` skips over them.
fn has_tls_error(error: &(dyn StdError + 'static)) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    let inner = io_error.and_then(|error| error.get_ref()).map(|inner| inner as &(dyn StdError + 'static));
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
        || inner.is_some_and(has_tls_error)
        || error.source().is_some_and(has_tls_error)
}

#[cfg(test)]
mod tests {
    use super::{super::with_call, *};

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

    #[test]
    fn a_tls_error_is_known_by_its_kind_at_any_depth() {
        let tls = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, "a certificate"));
        assert!(has_tls_error(&tls));
        assert!(!has_tls_error(&io::Error::other(io::Error::from(io::ErrorKind::ConnectionRefused))));
    }
}
