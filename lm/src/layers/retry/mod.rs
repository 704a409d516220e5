//! Retries and the deadline of a call, and their settings on an [`Lm`].

mod backoff;
mod bucket;
mod layer;
mod sync;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

pub(crate) use self::layer::Policy;
use self::{
    backoff::Backoff,
    bucket::{Bucket, Buckets, RetryBudget},
};

/// Whether, when and how often a failed LM call is retried; set it with [`Lm::retry`](crate::Lm::retry).
///
/// [`Error::is_transient`](crate::Error::is_transient) decides what is retried: by status and typed codes, never by the words of
/// a message. The wait is what the server asks for (`retry-after`), else a random time below a bound that doubles. Once a piece of
/// an answer was streamed, nothing is retried, so that no program gets an answer twice.
///
/// Retries are paid from a budget that successes earn, one for each endpoint ([`LanguageModel::identity`]), so that retries do
/// not make an outage worse. The budget belongs to this value: its clones, and the clones of an [`Lm`](crate::Lm) that has it, share it.
///
/// [`LanguageModel::identity`]: crate::LanguageModel::identity
///
/// ```
/// use std::time::Duration;
///
/// use karat::{Error, ErrorKind, Reply, ScriptedLm, lm::{Message, Request, Retry}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> karat::Result<()> {
/// let script = ScriptedLm::new([Reply::error(Error::new(ErrorKind::Server, "busy")), Reply::text("hello")]);
/// let lm = script.lm().retry(Retry::new().attempts(3)).deadline(Duration::from_secs(30));
/// let response = lm.complete(Request::new(vec![Message::user("hi")])).await?;
/// assert_eq!((&*response.completions[0].text, response.usage.calls), ("hello", 2));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "its setters take it by value and return it"]
pub struct Retry {
    pub(crate) attempts: u32,
    backoff: Backoff,
    longest_wait: Duration,
    budget: RetryBudget,
    buckets: Arc<Buckets>,
}

impl Retry {
    /// The usual: 4 attempts; random waits below 0.5 s, 1 s, 2 s, .. up to 8 s; up to 60 s if the server asks for it; a budget of
    /// 500 retries and of one more for every 5 successes.
    pub fn new() -> Self {
        Self {
            attempts: 4,
            backoff: Backoff {
                first: Duration::from_millis(500),
                most: Duration::from_secs(8),
                random: None,
            },
            longest_wait: Duration::from_secs(60),
            budget: RetryBudget::new(500, 0.2),
            buckets: Arc::default(),
        }
    }

    /// One attempt and no more.
    pub fn none() -> Self {
        Self::new().attempts(1)
    }

    /// The most attempts at a call, the first one included; 0 counts as 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The bound of the first wait, and the most to which it doubles.
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        (self.backoff.first, self.backoff.most) = (first, most);
        self
    }

    /// The longest wait that a server can ask for; if it asks for more, the call waits this long. No wait passes the call's
    /// [deadline](crate::Lm::deadline): if the server asks for more than the rest of it, the call fails at once, and its error has
    /// [the wait](crate::Error::retry_after).
    pub fn longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// The budget of each endpoint: `reserve` retries at first and at most, and `refill` more for each success.
    ///
    /// With C calls there are never more than C (1 + `refill`) + `reserve` requests, whatever fails; where nothing succeeds, never
    /// more than C + `reserve`. Without a token there is no retry: the call fails with its last error.
    pub fn budget(mut self, reserve: u32, refill: f64) -> Self {
        self.budget = RetryBudget::new(reserve, refill);
        self
    }

    /// The source of the waits' random part: numbers from 0 up to 1, e.g. of a seeded generator in a test.
    ///
    /// ```
    /// use karat::lm::Retry;
    ///
    /// let always_the_longest = Retry::new().random(|| 1.0);
    /// ```
    pub fn random(mut self, random: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.backoff.random = Some(Arc::new(random));
        self
    }

    fn bucket(&self, endpoint: String) -> Arc<Bucket> {
        self.buckets.of(endpoint, self.budget)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

/// Equal settings, whatever is left of the budgets.
impl PartialEq for Retry {
    fn eq(&self, other: &Self) -> bool {
        let Self { attempts, backoff, longest_wait, budget, buckets: _ } = self;
        (attempts, backoff, longest_wait, budget)
            == (&other.attempts, &other.backoff, &other.longest_wait, &other.budget)
    }
}
