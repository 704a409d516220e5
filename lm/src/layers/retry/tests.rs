//! The bucket of tokens.

use std::sync::Arc;

use super::bucket::{Bucket, Buckets, RetryBudget, Token};

fn bucket(reserve: u32, refill: f64) -> Arc<Bucket> {
    Arc::new(Bucket::new(RetryBudget::new(reserve, refill)))
}

#[test]
fn the_reserve_pays_for_the_first_retries_and_successes_earn_the_rest() {
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
fn a_refill_that_is_no_positive_number_earns_no_tokens() {
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
    let (buckets, budget) = (Buckets::default(), RetryBudget::new(1, 0.0));
    buckets.of("a".into(), budget).take().unwrap().spend();
    assert!(buckets.of("a".into(), budget).take().is_none());
    assert!(buckets.of("b".into(), budget).take().is_some());
}
