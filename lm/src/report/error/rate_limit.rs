//! What a server said of its limits with an error.

use crate::report::Error;
use crate::report::RateLimit;

/// The server's limits.
impl Error {
    /// Adds what the server said of its limits.
    #[must_use]
    pub fn with_rate_limit(mut self, rate_limit: RateLimit) -> Self {
        self.0.rate_limit = Some(rate_limit);
        self
    }

    /// What the server said of its limits, where it answered and said something.
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.0.rate_limit.as_ref()
    }
}
