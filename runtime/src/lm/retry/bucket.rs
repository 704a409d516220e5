//! What keeps retries from making an outage worse: a bucket of tokens for each endpoint.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// One retry, in the unit in which tokens are counted.
const TOKEN: u64 = 1_000;

/// How many retries there may be beyond what successes earn, and what each success earns.
///
/// With a reserve of R and a refill of r, S successes allow at most R + r S retries, whatever fails and when; as S is no more than
/// the calls C, the requests are at most (1 + r) C + R. Where nothing succeeds they are at most C + R. The scheme is that of gRPC's
/// retry throttling (proposal A6) without its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    reserve: u64,
    refill: u64,
}

impl Budget {
    pub(super) fn new(reserve: u32, refill: f64) -> Self {
        // `as` saturates, and makes 0 of what is no number.
        Self { reserve: u64::from(reserve) * TOKEN, refill: (refill.clamp(0.0, 1e6) * TOKEN as f64) as u64 }
    }
}

/// The tokens of one endpoint.
#[derive(Debug)]
pub(super) struct Bucket {
    budget: Budget,
    tokens: AtomicU64,
}

impl Bucket {
    fn new(budget: Budget) -> Self {
        Self { budget, tokens: AtomicU64::new(budget.reserve) }
    }

    /// Takes a token for a retry; `None` if there is none left.
    pub(super) fn take(self: &Arc<Self>) -> Option<Token> {
        let less = |tokens: u64| tokens.checked_sub(TOKEN);
        let taken = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.ok().map(|_| Token { bucket: Some(self.clone()) })
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
        // It is full.
        let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

/// A token that was taken; it goes back unless it is spent, so that a call that is dropped while it waits costs nothing.
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
    pub(super) fn of(&self, endpoint: String, budget: Budget) -> Arc<Bucket> {
        let mut buckets = self.of_endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry((endpoint, budget.reserve, budget.refill));
        bucket.or_insert_with(|| Arc::new(Bucket::new(budget))).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(reserve: u32, refill: f64) -> Arc<Bucket> {
        Arc::new(Bucket::new(Budget::new(reserve, refill)))
    }

    #[test]
    fn the_reserve_is_for_so_many_retries_and_successes_earn_the_rest() {
        let bucket = bucket(2, 0.25);
        bucket.take().unwrap().spend();
        bucket.take().unwrap().spend();
        assert!(bucket.take().is_none());
        (0..3).for_each(|_| bucket.refill());
        assert!(bucket.take().is_none());
        bucket.refill();
        bucket.take().unwrap().spend();
        assert!(bucket.take().is_none());
        // It holds no more than its reserve.
        (0..100).for_each(|_| bucket.refill());
        let tokens: Vec<_> = std::iter::from_fn(|| bucket.take()).collect();
        assert_eq!(tokens.len(), 2);
    }

    #[test]
    fn a_token_that_is_not_spent_goes_back() {
        let bucket = bucket(1, 0.0);
        for _ in 0..10 {
            drop(bucket.take().unwrap());
        }
        bucket.take().unwrap().spend();
        assert!(bucket.take().is_none());
    }

    #[test]
    fn odd_numbers_are_no_tokens() {
        for refill in [f64::NAN, -1.0, f64::NEG_INFINITY, 0.0] {
            let bucket = bucket(1, refill);
            bucket.take().unwrap().spend();
            bucket.refill();
            assert!(bucket.take().is_none(), "{refill}");
        }
        let most = bucket(u32::MAX, f64::INFINITY);
        most.take().unwrap().spend();
        most.refill();
        assert!(most.take().is_some());
        assert!(bucket(0, 1.0).take().is_none());
    }

    #[test]
    fn many_threads_take_no_more_than_there_is() {
        let bucket = bucket(1_000, 0.0);
        let take = || (0..1_000).filter_map(|_| bucket.take()).map(Token::spend).count();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1_000);
    }

    #[test]
    fn each_endpoint_has_its_own_bucket() {
        let (buckets, budget) = (Buckets::default(), Budget::new(1, 0.0));
        buckets.of("a".into(), budget).take().unwrap().spend();
        assert!(buckets.of("a".into(), budget).take().is_none());
        assert!(buckets.of("b".into(), budget).take().is_some());
    }
}
