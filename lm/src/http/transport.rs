//! Sends a request over HTTP and reads the answer within its cap; classifies transport errors.

use std::{error::Error as StdError, io, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Method};
use reqwest::{Client, Request, Response};
use tokio::task::coop::consume_budget;

use super::{
    Exchange, NoClient,
    address::{self, is_this_machine},
    sse,
};
use crate::{
    data::Meter,
    grow::grown,
    polled_timeout::timed,
    report::{Error, ErrorKind, Result},
};

/// The most bytes of an answer that are read.
const BODY_CAP: usize = 16 << 20;

/// The most bytes of an error's body that are read; the rest is not needed.
const ERROR_BODY_CAP: usize = 64 << 10;

/// How long reading an error's body may take; the status alone says enough.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// For how long a refused connection to this machine is retried: as long as a server may take to start.
const STARTING: Duration = Duration::from_secs(5);

/// A server's reply, whatever its status.
#[derive(Default)]
pub(crate) struct HttpReply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A reply whose body has not been read yet.
pub(crate) struct Opened {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The bytes of the body that were read to detect its type.
    first: Bytes,
    body: Response,
}

impl Opened {
    /// The whole reply.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Timeout`], [`ErrorKind::TooLarge`].
    pub(crate) async fn reply(self, call: &dyn Exchange) -> Result<HttpReply> {
        let Opened { status, headers, first, body } = self;
        let body = match status {
            200..=299 => whole_body(call, status, first, body).await?,
            // The status counts, even if the body cannot be read.
            _ => start_of_body(call, body).await,
        };
        Ok(HttpReply { status, headers, body })
    }

    /// Whether the body is an event stream: by its first line, else by its content type. A body of JSON or HTML is none.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Timeout`].
    pub(crate) async fn is_event_stream(&mut self, call: &dyn Exchange, is_declared: bool) -> Result<bool> {
        while announced(&self.body) <= BODY_CAP {
            match (sse::begins(&self.first), self.first.first()) {
                (Some(true), _) => return Ok(true),
                (Some(false), Some(b'{' | b'[' | b'<')) => return Ok(false),
                (Some(false), _) => return Ok(is_declared),
                (None, _) => {}
            }
            match chunk(call, &mut self.body).await? {
                Some(bytes) if self.first.is_empty() => self.first = bytes,
                Some(bytes) => self.first = [&*self.first, &*bytes].concat().into(),
                None => break,
            }
        }
        Ok(is_declared)
    }

    /// The reply without its body.
    pub(crate) fn head(&self) -> HttpReply {
        HttpReply { status: self.status, headers: self.headers.clone(), body: Vec::new() }
    }

    /// The next bytes of the body; `None` at its end. Cancel safe.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Timeout`].
    pub(crate) async fn chunk(&mut self, call: &dyn Exchange) -> Result<Option<Bytes>> {
        if !self.first.is_empty() {
            return Ok(Some(std::mem::take(&mut self.first)));
        }
        chunk(call, &mut self.body).await
    }

    /// Reads the rest of the body if it has arrived already, so that the connection can be used again.
    pub(crate) fn end(mut self) {
        while let Some(Ok(Some(_))) = self.body.chunk().now_or_never() {}
    }
}

/// Sends a JSON body. Dropping the future closes the request.
///
/// # Errors
/// [`ErrorKind::Connect`], [`ErrorKind::Tls`], [`ErrorKind::Timeout`]; [`ErrorKind::Config`] if the request cannot be sent, and
/// [`ErrorKind::Budget`] if the budget forbids it.
pub(crate) async fn post(call: &dyn Exchange, body: Vec<u8>, meter: &Meter) -> Result<Opened> {
    let mut request = Request::new(Method::POST, call.url().clone());
    *request.headers_mut() = call.headers().clone();
    *request.body_mut() = Some(body.into());
    let response = client(call)?.execute(request);
    meter.pay()?;
    let limit = call.timeouts().first_byte;
    let response = match limit {
        Duration::MAX => Some(response.await),
        limit => timed(Some(limit), response).await.0,
    };
    let late = || too_late(call, format_args!("no beginning of an answer within the limit of {limit:?}"));
    let mut body = response.ok_or_else(late)?.map_err(|error| unanswered(call, error))?;
    if body.url() != call.url() {
        return Err(elsewhere(call, &body));
    }
    let headers = std::mem::take(body.headers_mut());
    Ok(Opened { status: body.status().as_u16(), headers, first: Bytes::new(), body })
}

/// The client of this runtime.
///
/// # Errors
/// [`ErrorKind::Config`]: there is no runtime, or a proxy would read a key that must not go to other machines in clear;
/// [`ErrorKind::Tls`]: the system has no certificates.
fn client(call: &dyn Exchange) -> Result<Client> {
    let url = call.url();
    let is_plain = url.scheme() == "http";
    if is_plain && call.is_key_guarded() {
        let proxy = call.clients().proxy_host(url);
        if proxy.is_some_and(|proxy| !is_this_machine(&proxy)) {
            return Err(call.key_in_clear("to a proxy"));
        }
    }
    let client = call.clients().get(call.timeouts().connect, is_plain);
    client.map_err(|why| match why {
        NoClient::NoRuntime => {
            call.error(ErrorKind::Config, "called outside of a Tokio runtime: run it under `#[tokio::main]`")
        }
        NoClient::Tls(error) => {
            let cause = cause(&error);
            let what = format!(
                "no HTTPS client: {cause}. Install the system's CA certificates (often `ca-certificates`)"
            );
            call.error(ErrorKind::Tls, what).with_source(error)
        }
    })
}

/// The error of an answer from another address: a client of the program's own followed a redirect.
fn elsewhere(call: &dyn Exchange, response: &Response) -> Error {
    let what = format!(
        "the answer came from {}, to which a redirect led: set `.base_url(..)` to where the API is, and switch redirects \
         off in the client given to `.http_client(..)`",
        address::host(response.url())
    );
    call.error(ErrorKind::Config, what)
}

/// The announced length of the rest of a body; 0 if unknown.
fn announced(body: &Response) -> usize {
    usize::try_from(body.content_length().unwrap_or(0)).unwrap_or(usize::MAX)
}

async fn whole_body(
    call: &dyn Exchange,
    status: u16,
    first: Bytes,
    mut incoming: Response,
) -> Result<Vec<u8>> {
    let too_large = || {
        let message = format!("the answer is larger than {} MiB: lower `max_tokens` or `n`", BODY_CAP >> 20);
        call.error(ErrorKind::TooLarge, message).with_status(status)
    };
    let announced = announced(&incoming).saturating_add(first.len());
    if announced > BODY_CAP {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced);
    body.extend_from_slice(&first);
    while let Some(chunk) = chunk(call, &mut incoming).await? {
        let length = body.len() + chunk.len();
        if length > BODY_CAP {
            return Err(too_large());
        }
        append(&mut body, &chunk);
    }
    Ok(body)
}

/// Appends bytes to an answer's buffer.
pub(crate) fn append(body: &mut Vec<u8>, bytes: &[u8]) {
    let length = body.len().saturating_add(bytes.len());
    if length > body.capacity() {
        body.reserve_exact(grown(length, BODY_CAP) - body.len());
    }
    body.extend_from_slice(bytes);
}

/// The next bytes of a body, within the idle limit.
async fn chunk(call: &dyn Exchange, body: &mut Response) -> Result<Option<Bytes>> {
    // Yields to other tasks and timers, even if a server sends faster than anybody can read.
    consume_budget().await;
    // A short answer arrives with its head: then nothing has to be waited for.
    if let Some(chunk) = body.chunk().now_or_never() {
        return chunk.map_err(|error| broken(call, error));
    }
    let limit = call.timeouts().idle;
    let (chunk, _) = timed(Some(limit), body.chunk()).await;
    let late =
        || too_late(call, format_args!("the answer was silent for longer than the limit of {limit:?}"));
    chunk.ok_or_else(late)?.map_err(|error| broken(call, error))
}

async fn start_of_body(call: &dyn Exchange, mut incoming: Response) -> Vec<u8> {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = chunk(call, &mut incoming).await {
            body.extend_from_slice(&chunk);
            if body.len() >= ERROR_BODY_CAP {
                body.truncate(ERROR_BODY_CAP);
                break;
            }
        }
    };
    let _ = timed(Some(ERROR_BODY_TIME), read).await;
    body
}

fn too_late(call: &dyn Exchange, what: impl std::fmt::Display) -> Error {
    call.error(ErrorKind::Timeout, format_args!("{what}: raise it with `.timeouts(..)`, or try again later"))
}

/// The error of a request that got no reply.
fn unanswered(call: &dyn Exchange, error: reqwest::Error) -> Error {
    // Its address may hold a key.
    let error = error.without_url();
    if !error.is_connect() {
        return broke(call, error, "before the answer");
    }
    let cause = call.excerpt(cause(&error).as_bytes());
    let address = format!("the address: it is {}", call.address_setting());
    let (kind, what) = if has_tls_error(&error) {
        let what = format!(
            "no trusted TLS connection: {cause}. Check the server's certificate, and {address} (http or https?)"
        );
        (ErrorKind::Tls, what)
    } else if is_refused_here(call, &error) {
        let start = call.how_to_start();
        let what = format!("no connection: {cause}. No server runs there: {start}; or check {address}");
        return call.error(ErrorKind::Connect, what).with_retry_within(STARTING).with_source(error);
    } else {
        (ErrorKind::Connect, format!("no connection: {cause}. Check that the server runs, and {address}"))
    };
    call.error(kind, what).with_source(error)
}

/// True if nobody listens at this address on this machine.
fn is_refused_here(call: &dyn Exchange, error: &reqwest::Error) -> bool {
    let is_local = call.url().host_str().is_some_and(is_this_machine);
    is_local && has_error(error, &|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The error of a reply that broke off.
fn broken(call: &dyn Exchange, error: reqwest::Error) -> Error {
    broke(call, error, "in the middle of the answer")
}

fn broke(call: &dyn Exchange, error: reqwest::Error, when: &str) -> Error {
    let error = error.without_url();
    let cause = call.excerpt(cause(&error).as_bytes());
    let what = format!("the connection broke {when}: {cause}. This may pass: try again later");
    call.error(ErrorKind::Connect, what).with_source(error)
}

/// The innermost error's text, which is the system's.
fn cause(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Whether TLS failed while connecting. rustls's errors come as I/O errors of the kind `InvalidData`, which TCP and DNS never
/// give.
fn has_tls_error(error: &(dyn StdError + 'static)) -> bool {
    has_error(error, &|error| error.kind() == io::ErrorKind::InvalidData)
}

/// True if the error is such an I/O error, or has one inside. They may be wrapped in further I/O errors, whose `source` skips them.
fn has_error(error: &(dyn StdError + 'static), is_such: &dyn Fn(&io::Error) -> bool) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    let inner = io_error.and_then(|error| error.get_ref()).map(|inner| inner as &(dyn StdError + 'static));
    io_error.is_some_and(is_such)
        || inner.is_some_and(|inner| has_error(inner, is_such))
        || error.source().is_some_and(|source| has_error(source, is_such))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_error_is_known_by_its_kind_at_any_depth() {
        let tls = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, "a certificate"));
        assert!(has_tls_error(&tls));
        assert!(!has_tls_error(&io::Error::other(io::Error::from(io::ErrorKind::ConnectionRefused))));
    }
}
