//! One line of a recording: a call and its outcome.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    data::{Request, Response, redacted::RedactedRequest},
    model::Next,
    report::{Error, ErrorKind, Result, Usage},
};

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    /// First, so that a person sees what the file is.
    karat_recording: u32,
    pub(crate) model: String,
    identity: String,
    request: RedactedRequest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<Response>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    elapsed_ms: u64,
}

/// An error without its cause, which may be of any type.
#[derive(Serialize, Deserialize)]
struct Failure {
    kind: Value,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completion: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Line {
    pub(crate) fn new(
        model: Next<'_>,
        request: &Request,
        outcome: &Result<Response>,
        elapsed: Duration,
    ) -> Self {
        Self {
            karat_recording: VERSION,
            model: model.name().to_owned(),
            identity: model.identity(),
            request: RedactedRequest::new(request),
            response: outcome.as_ref().ok().cloned(),
            error: outcome.as_ref().err().map(|error| Failure {
                kind: serde_json::to_value(error.kind()).unwrap_or_default(),
                message: error.to_string(),
                status: error.status(),
                retry_after_ms: error.retry_after().map(millis),
                completion: error.completion().map(str::to_owned),
                usage: Some(error.spent()).filter(|usage| *usage != Usage::default()),
            }),
            elapsed_ms: millis(elapsed),
        }
    }

    /// The line's mistake, if it has one.
    pub(crate) fn flaw(&self) -> Option<String> {
        match (self.karat_recording, &self.response, &self.error) {
            (VERSION, Some(_), None) | (VERSION, None, Some(_)) => None,
            (VERSION, ..) => Some("expected either a response or an error".into()),
            (other, ..) => {
                Some(format!("its format is version {other}, and this karat knows version {VERSION}"))
            }
        }
    }

    pub(crate) fn into_parts(self) -> (Request, Result<Response>) {
        let outcome = match (self.response, self.error) {
            (Some(response), _) => Ok(response),
            (None, error) => Err(error.map_or_else(|| Error::new(ErrorKind::Other, ""), Failure::error)),
        };
        (self.request.request(), outcome)
    }
}

impl Failure {
    fn error(self) -> Error {
        // A kind of a later version of karat.
        let kind = serde_json::from_value(self.kind).unwrap_or(ErrorKind::Other);
        let mut error = Error::new(kind, self.message).with_usage(self.usage.unwrap_or_default());
        if let Some(status) = self.status {
            error = error.with_status(status);
        }
        if let Some(wait) = self.retry_after_ms {
            error = error.with_retry_after(Duration::from_millis(wait));
        }
        match self.completion {
            Some(text) => error.with_completion(text),
            None => error,
        }
    }
}
