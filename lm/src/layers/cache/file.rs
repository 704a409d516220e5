//! An entry as a file: a line that says what it is and sums it up, and JSON. Nothing in it is run, and all of it is checked.

use serde::{Deserialize, Serialize};

use super::{
    disk::{Found, hex},
    is_whole,
    key::is_same,
    memory::Entry,
};
use crate::{
    data::{Request, Response, written::Written},
    sha256::sha256,
};

/// What a file begins with, up to its checksum: the format and its version.
const START: &str = "karat cache 1 ";

/// The length of a checksum in hexadecimal digits.
const DIGITS: usize = 64;

#[derive(Serialize, Deserialize)]
struct Payload<'e> {
    identity: String,
    request: Written,
    response: std::borrow::Cow<'e, Response>,
}

pub(super) fn encode(entry: &Entry) -> Option<Vec<u8>> {
    let payload = Payload {
        identity: entry.identity.to_string(),
        request: Written::new(&entry.request),
        response: std::borrow::Cow::Borrowed(&entry.response),
    };
    let payload = serde_json::to_vec(&payload).ok()?;
    let mut bytes = format!("{START}{}\n", hex(&sha256(&payload))).into_bytes();
    bytes.extend_from_slice(&payload);
    Some(bytes)
}

/// What the file holds, if it answers this request of this model.
pub(super) fn decode(bytes: &[u8], identity: &str, request: &Request) -> Found {
    let Some(Payload { identity: found, request: written, response }) = payload(bytes) else {
        return Found::Corrupt;
    };
    if !is_whole(&response) {
        return Found::Corrupt;
    }
    // Without secrets, as it was written: those are told apart by the key.
    if found != identity || !is_same(&written.request(), &Written::new(request).request()) {
        return Found::Nothing;
    }
    Found::Answer(Box::new(response.into_owned()))
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
