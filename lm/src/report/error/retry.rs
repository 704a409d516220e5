//! An error's facts about retries: whether one is worth while, when, and how many attempts there were.

use std::time::Duration;

use crate::report::{Error, Fact};

/// Another attempt at the same call.
impl Error {
    /// Adds the time that the server asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds whether the server says that the same request may be sent again (its header `x-should-retry`); see
    /// [`is_transient`](Error::is_transient).
    #[must_use]
    pub fn with_should_retry(mut self, should: bool) -> Self {
        self.0.should_retry = Some(should);
        self
    }

    /// Adds for how long retries are worth while, counted from the first such failure of the endpoint.
    pub(crate) fn with_retry_within(mut self, limit: Duration) -> Self {
        self.0.retry_within = Some(limit);
        self
    }

    /// For how long retries are worth while; `None`: as long as the policy allows.
    pub(crate) fn retry_within(&self) -> Option<Duration> {
        self.0.retry_within
    }

    /// Adds how many attempts the LM call took.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Adds a remark behind the message.
    pub(crate) fn with_remark(mut self, remark: &str) -> Self {
        self.0.remark += &format!(" ({remark})");
        self
    }

    /// How long the server asked to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How many attempts the failed LM call took, those of all asked members for a fallback or a pool: 1 unless it was
    /// [retried](crate::Lm::retry), 0 if its deadline passed before anything was sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// True if the same LM call may succeed when it is made again: no connection, or one that broke; a rate limit; a server that
    /// failed or gave up (408, 409, 425, 498, 5xx); a limit of time that passed.
    ///
    /// [`Lm::retry`](crate::Lm::retry) goes by it. It depends only on the kind and on what the server says: its `false` always counts;
    /// its `true` makes further kinds transient, but never those that will fail again: a refused key, a used-up quota, a bad request,
    /// a prompt that is too long, a refusal, a filtered answer.
    ///
    /// ```
    /// use karat::{Error, ErrorKind};
    ///
    /// assert!(Error::new(ErrorKind::Server, "busy").is_transient());
    /// assert!(!Error::new(ErrorKind::Server, "busy").with_should_retry(false).is_transient());
    /// assert!(Error::new(ErrorKind::UnknownModel, "still loading").with_should_retry(true).is_transient());
    /// assert!(!Error::new(ErrorKind::Quota, "used up").with_should_retry(true).is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        let kind = self.0.kind;
        match self.0.should_retry {
            Some(false) => false,
            Some(true) if kind.is(Fact::TransientIfAsked) => true,
            _ => kind.is(Fact::Transient),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ErrorKind;

    #[test]
    fn permanent_failures_are_never_transient_whatever_the_server_says() {
        use ErrorKind::*;
        for kind in [
            Config,
            BadInput,
            NoLm,
            MissingKey,
            Auth,
            Quota,
            BadRequest,
            ContextLength,
            Tls,
            TooLarge,
            Truncated,
            Refused,
            Filtered,
            Parse,
            Panic,
            Cancelled,
            State,
            Io,
            Other,
        ] {
            let error = Error::new(kind, "");
            assert!(!error.is_transient() && !error.with_should_retry(true).is_transient(), "{kind:?}");
        }
        for kind in [Connect, RateLimited, Server, Timeout] {
            let error = Error::new(kind, "");
            assert!(error.is_transient() && !error.with_should_retry(false).is_transient(), "{kind:?}");
        }
        for kind in [UnknownModel, BadResponse] {
            let error = Error::new(kind, "");
            assert!(!error.is_transient() && error.with_should_retry(true).is_transient(), "{kind:?}");
        }
    }
}
