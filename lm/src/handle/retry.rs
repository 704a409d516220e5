//! The retries and the limits of time of a handle.

use std::time::Duration;

use super::Lm;
use crate::{
    data::Timeouts,
    layers::{Retry, retry::Policy},
};

/// Retries, deadline and timeouts.
///
/// The clock is tokio's: in a test that has paused it, waits and limits take no time.
impl Lm {
    /// Whether, when and how often a failed call is retried. [`Lm::new`] has [`Retry::new`], a model of the program's own
    /// [`Retry::none`].
    ///
    /// Dropping a call while it waits for its next attempt returns its token to the budget.
    pub fn retry(self, retry: Retry) -> Self {
        self.with_policy(|policy| policy.retry = retry)
    }

    /// How long a call may take in all, with all its attempts and waits: then it fails with
    /// [`is_timeout`](crate::Error::is_timeout), and its connection is closed. [`Lm::new`] has 600 s, a model of the program's own
    /// none.
    ///
    /// Only time in which the call waits counts. If a stream is read slowly, the time between the arrival of
    /// an answer's bytes and their reading does not count: a slow reader never runs into the deadline.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use karat::{ErrorKind, Reply, ScriptedLm, lm::{Message, Request}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let slow = Reply::text("hello").delay(Duration::from_secs(60));
    /// let lm = ScriptedLm::new([slow]).lm().deadline(Duration::from_secs(5));
    /// let error = lm.complete(Request::new(vec![Message::user("hi")])).await.unwrap_err();
    /// assert!(error.is_timeout());
    /// # }
    /// ```
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with_policy(|policy| policy.deadline = Some(deadline))
    }

    /// How long the parts of an attempt may take. For a model of the program's own only the limit of the attempt counts.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        let lm = match self.inner.model.client() {
            Some(_) => self.with_client("timeouts", |client| client.timeouts(timeouts)),
            None => self,
        };
        lm.with_policy(|policy| policy.attempt = Some(timeouts.attempt))
    }

    pub(crate) fn with_policy(self, set: impl FnOnce(&mut Policy)) -> Self {
        self.with_layers(|layers| layers.set_policy(set))
    }

    /// The most attempts of a call.
    #[doc(hidden)]
    pub fn attempts(&self) -> u32 {
        self.inner.layers.policy().retry.attempts
    }

    /// Sets the most attempts, keeping the rest of the retry policy.
    #[doc(hidden)]
    pub fn with_attempts(self, attempts: u32) -> Self {
        self.with_policy(|policy| policy.retry = policy.retry.clone().attempts(attempts))
    }
}
