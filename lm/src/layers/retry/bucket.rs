//! A bucket of retry tokens for each endpoint, so that retries do not make an outage worse.
//!
//! `tests/tests/retry_bucket.rs` runs this very file under `shuttle`, which tries the possible orders of threads.

use std::{collections::HashMap, sync::PoisonError, time::Duration};

use tokio::time::Instant;

use super::sync::{Arc, AtomicU64, Mutex, Ordering};

/// One retry, in the unit in which tokens are counted.
const TOKEN: u64 = 1_000;

/// The retries allowed before any success, and those that each success earns.
///
/// With a reserve of R and a refill of r, S successes allow at most R + r S retries, whatever fails and when; as S is no more than
/// the calls C, the requests are at most (1 + r) C + R. Where nothing succeeds they are at most C + R. The scheme is that of gRPC's
/// retry throttling (proposal A6) without its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetryBudget {
    reserve: u64,
    refill: u64,
}

impl RetryBudget {
    pub(super) fn new(reserve: u32, refill: f64) -> Self {
        // `as` saturates, and turns NaN into 0.
        Self { reserve: u64::from(reserve) * TOKEN, refill: (refill.clamp(0.0, 1e6) * TOKEN as f64) as u64 }
    }
}

/// The tokens of one endpoint.
#[derive(Debug)]
pub(super) struct Bucket {
    budget: RetryBudget,
    tokens: AtomicU64,
    /// The first and the last refused connection since the last one that was accepted.
    refused: Mutex<Option<[Instant; 2]>>,
}

impl Bucket {
    pub(super) fn new(budget: RetryBudget) -> Self {
        Self { budget, tokens: AtomicU64::new(budget.reserve), refused: Mutex::new(None) }
    }

    /// Takes a token for a retry; `None` if there is none left.
    pub(super) fn take(self: &Arc<Self>) -> Option<Token> {
        let less = |tokens: u64| tokens.checked_sub(TOKEN);
        let taken = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.ok().map(|_| Token { bucket: Some(self.clone()) })
    }

    /// Notes a refused connection; returns for how long the endpoint has refused them. After a pause longer than `quiet` it counts
    /// anew: a server may have been started meanwhile.
    pub(super) fn refused(&self, quiet: Duration) -> Duration {
        let now = Instant::now();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match *refused {
            Some([since, last]) if now.saturating_duration_since(last) <= quiet => since,
            _ => now,
        };
        *refused = Some([since, now]);
        now.saturating_duration_since(since)
    }

    /// Notes that the endpoint accepts connections.
    pub(super) fn reached(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Notes a success.
    pub(super) fn refill(&self) {
        self.put(self.budget.refill);
    }

    fn put(&self, tokens: u64) {
        let more = |left: u64| {
            let filled = left.saturating_add(tokens).min(self.budget.reserve);
            (filled != left).then_some(filled)
        };
        // An error means that it is full.
        let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

/// A taken token; it goes back unless it is spent, so that a call that is dropped while it waits costs nothing.
#[derive(Debug)]
pub(super) struct Token {
    bucket: Option<Arc<Bucket>>,
}

impl Token {
    pub(super) fn spend(mut self) {
        self.bucket = None;
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(bucket) = &self.bucket {
            bucket.put(TOKEN);
        }
    }
}

/// The buckets of all endpoints.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    of_endpoints: Mutex<HashMap<(String, u64, u64), Arc<Bucket>>>,
}

impl Buckets {
    /// The endpoint's bucket, full if it is new.
    pub(super) fn of(&self, endpoint: String, budget: RetryBudget) -> Arc<Bucket> {
        let mut buckets = self.of_endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry((endpoint, budget.reserve, budget.refill));
        bucket.or_insert_with(|| Arc::new(Bucket::new(budget))).clone()
    }
}
