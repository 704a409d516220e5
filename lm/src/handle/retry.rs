//! The retries and the limits of time of a handle.

use std::time::Duration;

use super::Lm;
use crate::{
    data::Timeouts,
    layers::{Retry, retry::Policy},
};

/// What happens when a call fails or takes long.
///
/// The clock is tokio's: in a test that has paused it, waits and limits take no time.
impl Lm {
    /// Whether, when and how often a failed call is made again. [`Lm::new`] has [`Retry::new`], a model of the program's own
    /// [`Retry::none`].
    ///
    /// Dropping a call while it waits for its next attempt gives what it took of the budget back.
    pub fn retry(self, retry: Retry) -> Self {
        self.with_policy(|policy| policy.retry = retry)
    }

    /// How long a call may take in all, with all its attempts and waits: then it fails with
    /// [`is_timeout`](crate::Error::is_timeout), and its connection is closed. [`Lm::new`] has 600 s, a model of the program's own
    /// none.
    ///
    /// Only time in which the call waits counts. Where a [stream](crate::Module::stream)'s events are taken slowly, the time from the
    /// answer's arrival to the moment when somebody looks at it does not: a slow reader never runs into the deadline.
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

    /// How long the parts of an attempt may take. Of a model of the program's own only the limit of the attempt counts.
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

    /// How many attempts a call has at most.
    #[doc(hidden)]
    pub fn attempts(&self) -> u32 {
        self.inner.layers.policy().retry.attempts
    }

    /// The same with so many attempts.
    #[doc(hidden)]
    pub fn with_attempts(self, attempts: u32) -> Self {
        self.with_policy(|policy| policy.retry = policy.retry.clone().attempts(attempts))
    }
}
