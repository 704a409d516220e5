//! The wait before a retry where the server does not say: a random time, so that calls that failed together are not retried
//! together.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::split_mix::{STEP, mixed};

/// A random number from 0 up to 1.
pub(super) type RandomSource = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Full jitter, as in M. Brooker's "Exponential Backoff and Jitter" (2015): uniform from 0 to a bound that doubles.
#[derive(Clone)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) most: Duration,
    /// `None` for the process's own.
    pub(super) random: Option<RandomSource>,
}

impl Backoff {
    /// The wait before retry `index`, counted from 0.
    pub(super) fn wait(&self, index: u32) -> Duration {
        let share = self.random.as_ref().map_or_else(random, |random| random());
        // NaN counts as the most.
        let share = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
        Duration::try_from_secs_f64(self.bound(index).as_secs_f64() * share).unwrap_or(self.most)
    }

    fn bound(&self, index: u32) -> Duration {
        let doubled = 2_u32.checked_pow(index).and_then(|factor| self.first.checked_mul(factor));
        match self.first.is_zero() {
            true => Duration::ZERO,
            false => doubled.map_or(self.most, |bound| bound.min(self.most)),
        }
    }
}

/// Equal by value; sources of random numbers are equal if they are the same object.
impl PartialEq for Backoff {
    fn eq(&self, other: &Self) -> bool {
        let same_random = match (&self.random, &other.random) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same_random && self.first == other.first && self.most == other.most
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backoff")
            .field("first", &self.first)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// SplitMix64's numbers, seeded by the standard library's random keys.
fn random() -> f64 {
    static STATE: OnceLock<AtomicU64> = OnceLock::new();
    let state = STATE.get_or_init(|| AtomicU64::new(RandomState::new().hash_one(0)));
    let bits = mixed(state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP));
    // The upper 53 bits, which is what a float holds.
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(random: impl Fn() -> f64 + Send + Sync + 'static) -> Backoff {
        Backoff {
            first: Duration::from_millis(500),
            most: Duration::from_secs(8),
            random: Some(Arc::new(random)),
        }
    }

    #[test]
    fn the_bound_doubles_up_to_the_most() {
        let waits = |share: f64| {
            let backoff = backoff(move || share);
            (0..7).map(|index| backoff.wait(index).as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(waits(1.0), [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        assert_eq!(waits(0.5), [250, 500, 1_000, 2_000, 4_000, 4_000, 4_000]);
        assert_eq!(waits(0.0), [0; 7]);
    }

    #[test]
    fn odd_random_numbers_and_huge_counts_stay_within_the_bounds() {
        for share in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 2.0] {
            for index in [0, 31, 32, 64, u32::MAX] {
                assert!(backoff(move || share).wait(index) <= Duration::from_secs(8));
            }
        }
        let huge = Backoff { first: Duration::MAX, most: Duration::MAX, ..backoff(|| 1.0) };
        assert_eq!(huge.wait(u32::MAX), Duration::MAX);
        let none = Backoff { first: Duration::ZERO, ..backoff(|| 1.0) };
        assert_eq!(none.wait(u32::MAX), Duration::ZERO);
        let less = Backoff { most: Duration::from_millis(10), ..backoff(|| 1.0) };
        assert_eq!(less.wait(0), Duration::from_millis(10));
    }

    #[test]
    fn the_usual_waits_are_spread_over_the_whole_range() {
        let usual = Backoff { random: None, ..backoff(|| 0.0) };
        let mut quarters = [0; 4];
        for _ in 0..4_000 {
            let share = usual.wait(1).as_secs_f64();
            assert!((0.0..=1.0).contains(&share), "{share}");
            quarters[((share * 4.0) as usize).min(3)] += 1;
        }
        assert!(quarters.iter().all(|count| (800..1_200).contains(count)), "{quarters:?}");
    }
}
