//! What a server says of its own limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::setters::setters;

/// What a server told of its limits together with an answer or an error; see [`Response::rate_limit`](super::Response::rate_limit)
/// and [`Error::rate_limit`](crate::Error::rate_limit). [`Limits`](super::Limits) go by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RateLimit {
    /// Of requests.
    pub requests: Allowance,
    /// Of tokens.
    pub tokens: Allowance,
}

/// How much of something a server allows. What it did not say is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Allowance {
    /// The most that there ever is at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What was left when the server answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// How long until all of the limit is there again if nothing more is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<Duration>,
}

impl RateLimit {
    /// Nothing said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Itself, unless the server said nothing.
    pub(crate) fn if_any(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

setters!(RateLimit {
    /// Of requests.
    requests: Allowance,
    /// Of tokens.
    tokens: Allowance,
});

impl Allowance {
    /// Nothing said.
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(Allowance {
    /// The most that there ever is at once.
    limit: impl Into<Option<u64>>,
    /// What was left when the server answered.
    remaining: impl Into<Option<u64>>,
    /// How long until all of the limit is there again.
    reset: impl Into<Option<Duration>>,
});
