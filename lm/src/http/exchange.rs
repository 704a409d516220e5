//! What is asked of a provider about a request: where it goes, within which limits, and how its errors are worded.

use std::fmt::Display;

use http::HeaderMap;
use reqwest::Url;

use super::Clients;
use crate::{
    data::Timeouts,
    report::{Error, ErrorKind},
};

/// One request of a provider.
pub(crate) trait Exchange: Send + Sync {
    /// Where it goes.
    fn url(&self) -> &Url;

    /// The headers that it is sent with.
    fn headers(&self) -> &HeaderMap;

    /// The clients that may send it.
    fn clients(&self) -> &Clients;

    /// The limits of its parts.
    fn timeouts(&self) -> &Timeouts;

    /// True if it carries a key that must not go to another machine in clear.
    fn is_key_guarded(&self) -> bool;

    /// The error of a key that would go in clear, e.g. `to a proxy`.
    fn key_in_clear(&self, to: &str) -> Error;

    /// An error whose message names the model and the host.
    fn error_of(&self, kind: ErrorKind, what: &dyn Display) -> Error;

    /// The beginning of a server's text, for a message: on one line, without secrets.
    fn excerpt(&self, said: &[u8]) -> String;

    /// The name of the setting that decides the address, for advice.
    fn address_setting(&self) -> String;

    /// The advice how to start a server on this machine.
    fn how_to_start(&self) -> String;
}

impl dyn Exchange + '_ {
    /// An error whose message names the model and the host.
    pub(crate) fn error(&self, kind: ErrorKind, what: impl Display) -> Error {
        self.error_of(kind, &what)
    }
}
