//! Rate limits that a server reports.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::setters::setters;

/// The rate limits that a server reported with an answer or an error; see [`Response::rate_limit`](crate::Response::rate_limit)
/// and [`Error::rate_limit`](crate::Error::rate_limit). [`Limits`](crate::Limits) go by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RateLimit {
    /// The allowance of requests.
    pub requests: Allowance,
    /// The allowance of tokens.
    pub tokens: Allowance,
}

/// How many requests or tokens a server allows. What it did not report is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Allowance {
    /// The most that is ever available at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What was left when the server answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// How long until the whole limit is available again if nothing more is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<Duration>,
}

impl RateLimit {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// The report; `None` if it is empty.
    pub(crate) fn if_any(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

setters!(RateLimit {
    /// The allowance of requests.
    requests: Allowance,
    /// The allowance of tokens.
    tokens: Allowance,
});

impl Allowance {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(Allowance {
    /// The most that is ever available at once.
    limit: impl Into<Option<u64>>,
    /// What was left when the server answered.
    remaining: impl Into<Option<u64>>,
    /// How long until the whole limit is available again.
    reset: impl Into<Option<Duration>>,
});
