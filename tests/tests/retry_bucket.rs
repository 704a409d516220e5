//! The bucket that retries are paid from under `shuttle`, which runs threads in many orders: no token is lost, none is there twice.

#[allow(dead_code)] // the whole file, of which some is for the layer
#[path = "../../lm/src/layers/retry/bucket.rs"]
mod bucket;

mod sync {
    pub(crate) use shuttle::sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    };
}

use bucket::{Bucket, Buckets, RetryBudget};
use shuttle::{sync::Arc, thread};

/// What a caller does with the bucket.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Takes a token and retries.
    Retries,
    /// Takes a token and is dropped before its retry begins.
    Leaves,
    Succeeds,
}
use Does::{Leaves, Retries, Succeeds};

/// What is left in it.
fn drained(bucket: &Arc<Bucket>) -> usize {
    std::iter::from_fn(|| bucket.take()).collect::<Vec<_>>().len()
}

fn in_many_orders(run: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(run.clone(), 1_000);
    shuttle::check_pct(run.clone(), 1_000, 3);
    shuttle::check_dfs(run, Some(1_000));
}

/// These callers at once, with so many tokens of which so many are taken before: how many retried, and what is left.
fn at_once(reserve: u32, spent: usize, callers: &'static [Does], check: fn(usize, usize)) {
    in_many_orders(move || {
        // A success fills it by one.
        let bucket = Arc::new(Bucket::new(RetryBudget::new(reserve, 1.0)));
        (0..spent).for_each(|_| bucket.take().unwrap().spend());
        let threads: Vec<_> = callers
            .iter()
            .map(|does| {
                let bucket = bucket.clone();
                thread::spawn(move || match does {
                    Succeeds => {
                        bucket.refill();
                        false
                    }
                    Leaves => {
                        let token = bucket.take();
                        thread::yield_now();
                        drop(token);
                        false
                    }
                    Retries => bucket.take().map(|token| token.spend()).is_some(),
                })
            })
            .collect();
        let retried = threads.into_iter().map(|thread| thread.join().unwrap());
        let retried = retried.filter(|retried| *retried).count();
        check(retried, drained(&bucket));
    });
}

#[test]
fn no_more_retry_than_there_are_tokens() {
    at_once(2, 0, &[Retries; 4], |retried, left| assert_eq!((retried, left), (2, 0)));
}

#[test]
fn who_leaves_gives_the_token_back() {
    // One that comes meanwhile may find it taken.
    at_once(2, 0, &[Leaves, Retries, Leaves, Retries], |retried, left| assert_eq!(retried + left, 2));
    at_once(3, 0, &[Leaves; 4], |retried, left| assert_eq!((retried, left), (0, 3)));
}

#[test]
fn successes_fill_it_up_to_its_most_and_never_beyond() {
    at_once(2, 2, &[Succeeds; 4], |_, left| assert_eq!(left, 2));
    at_once(4, 4, &[Succeeds; 3], |_, left| assert_eq!(left, 3));
    // A token that comes back to a bucket that was filled meanwhile is one too many.
    at_once(1, 0, &[Leaves, Succeeds, Leaves], |_, left| assert_eq!(left, 1));
}

#[test]
fn what_is_spent_and_what_is_left_is_what_there_was_and_what_came() {
    at_once(4, 2, &[Retries, Succeeds, Leaves, Retries], |retried, left| assert_eq!(retried + left, 3));
}

#[test]
fn who_asks_first_for_an_endpoint_at_the_same_time_gets_the_same_bucket() {
    in_many_orders(|| {
        let buckets = Arc::new(Buckets::default());
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let buckets = buckets.clone();
                thread::spawn(move || {
                    buckets.of("a".into(), RetryBudget::new(1, 0.0)).take().map(|token| token.spend())
                })
            })
            .collect();
        let taken = threads.into_iter().filter_map(|thread| thread.join().unwrap()).count();
        assert_eq!(taken, 1);
    });
}
