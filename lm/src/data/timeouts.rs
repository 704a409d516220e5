//! Timeouts within one attempt at an LM call.

use std::time::Duration;

/// Timeouts of the parts of one attempt at an LM call; set them with [`Lm::timeouts`](crate::Lm::timeouts). The
/// [deadline](crate::Lm::deadline) limits a call as a whole.
///
/// Only time in which the client waits counts: a slow reader of a stream never runs into one of them.
/// [`Duration::MAX`] switches a limit off.
///
/// ```
/// use std::time::Duration;
///
/// use karat::{Lm, lm::Timeouts};
///
/// # fn main() -> karat::Result<()> {
/// let timeouts = Timeouts::new().first_byte(Duration::from_secs(60)).idle(Duration::from_secs(20));
/// let lm = Lm::new("openai/gpt-4o-mini")?.timeouts(timeouts);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "its setters take it by value and return it"]
pub struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) idle: Duration,
    pub(crate) attempt: Duration,
}

impl Timeouts {
    /// The usual limits: 10 s to connect, none for the first byte, 300 s between bytes, 600 s for an attempt.
    pub fn new() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::MAX,
            idle: Duration::from_secs(300),
            attempt: Duration::from_secs(600),
        }
    }

    /// How long a new connection may take: name, TCP and TLS. Usually 10 s.
    pub fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// How long the answer's beginning (its status and headers) may take from the beginning of the attempt. Usually there is no
    /// such limit: many servers send nothing before the model is done, and models that think take minutes.
    pub fn first_byte(mut self, limit: Duration) -> Self {
        self.first_byte = limit;
        self
    }

    /// How long the answer may be silent between two pieces of it. Usually 300 s. A dead connection is noticed earlier, by TCP
    /// keep-alive.
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// How long one attempt may take in all. Usually 600 s. It is the only one of these limits that also holds for models of the
    /// program's own: they have no connection that karat knows of.
    pub fn attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new()
    }
}
