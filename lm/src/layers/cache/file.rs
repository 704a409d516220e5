//! The file of an entry: a header (format, version, SHA-256), then JSON. Nothing in it is run, and all of it is checked.

use serde::{Deserialize, Serialize};

use super::{
    disk::{Lookup, hex},
    is_whole,
    key::is_same,
    memory::Entry,
};
use crate::{
    data::{Request, Response, redacted::RedactedRequest},
    sha256::sha256,
};

/// The start of a file, before its checksum: the format and its version.
const START: &str = "karat cache 1 ";

/// The length of a checksum in hexadecimal digits.
const DIGITS: usize = 64;

#[derive(Serialize, Deserialize)]
struct Payload<'e> {
    identity: String,
    request: RedactedRequest,
    response: std::borrow::Cow<'e, Response>,
}

pub(super) fn encode(entry: &Entry) -> Option<Vec<u8>> {
    let payload = Payload {
        identity: entry.identity.to_string(),
        request: RedactedRequest::new(&entry.request),
        response: std::borrow::Cow::Borrowed(&entry.response),
    };
    let payload = serde_json::to_vec(&payload).ok()?;
    let mut bytes = format!("{START}{}\n", hex(&sha256(&payload))).into_bytes();
    bytes.extend_from_slice(&payload);
    Some(bytes)
}

/// Reads an entry, if it answers this request to this model.
pub(super) fn decode(bytes: &[u8], identity: &str, request: &Request) -> Lookup {
    let Some(Payload { identity: found, request: written, response }) = payload(bytes) else {
        return Lookup::Corrupt;
    };
    if !is_whole(&response) {
        return Lookup::Corrupt;
    }
    // Both without secrets, as files hold them: the key already covers those.
    if found != identity || !is_same(&written.request(), &RedactedRequest::new(request).request()) {
        return Lookup::Nothing;
    }
    Lookup::Answer(Box::new(response.into_owned()))
}

fn payload(bytes: &[u8]) -> Option<Payload<'static>> {
    let rest = bytes.strip_prefix(START.as_bytes())?;
    let (sum, rest) = rest.split_at_checked(DIGITS)?;
    let payload = rest.strip_prefix(b"\n")?;
    if sum != hex(&sha256(payload)).as_bytes() {
        return None;
    }
    serde_json::from_slice(payload).ok()
}
