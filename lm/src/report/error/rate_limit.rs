//! The rate limits that a server reported with an error.

use crate::report::{Error, RateLimit};

/// The server's limits.
impl Error {
    /// Adds the rate limits that the server reported.
    #[must_use]
    pub fn with_rate_limit(mut self, rate_limit: RateLimit) -> Self {
        self.0.rate_limit = Some(rate_limit);
        self
    }

    /// The rate limits that the server reported, if it answered and reported any.
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.0.rate_limit.as_ref()
    }
}
