//! The moment at which work has to end.

use std::{
    future::{self, Future},
    pin::pin,
    task::Poll,
    time::Duration,
};

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep_until};

/// A moment at which work has to end, or none.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline after this time; `None` never ends.
    pub fn after(time: Option<Duration>) -> Self {
        Self(time.and_then(|time| Instant::now().checked_add(time)))
    }

    /// True from the deadline on.
    pub fn is_over(&self) -> bool {
        self.0.is_some_and(|moment| Instant::now() >= moment)
    }

    /// Waits for the deadline. Each poll reads the clock too, since the timer does not go off while work that never waits (answers
    /// from a cache, a reward that computes for long) holds the thread.
    pub async fn wait(&self) {
        let Some(moment) = self.0 else { return future::pending().await };
        let mut sleep = pin!(sleep_until(moment));
        future::poll_fn(|context| match self.is_over() {
            true => Poll::Ready(()),
            false => sleep.as_mut().poll(context),
        })
        .await;
    }

    /// Awaits the future up to the deadline. It is polled first: what is done by then counts.
    pub async fn within<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), pin!(self.wait())).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }
}
