//! A limit learned from the server's headers: a bucket that fills as fast as the server says.

use std::time::Duration;

use tokio::time::Instant;

use crate::report::Allowance;

/// The period of a limit without a reset time, in seconds.
const USUAL: f64 = 60.0;

/// The longest wait and reset time that count, in seconds; a longer wait is checked again then.
const LONGEST: f64 = 86_400.0;

/// The step of tokio's timer.
const SHORTEST: Duration = Duration::from_millis(1);

/// Sums of fractions fall short of whole numbers by less.
const SMALL: f64 = 1e-6;

/// The rest of an allowance, by the last answer that reported it.
///
/// A server that has `remaining` of `limit` left, and the whole limit again after `reset`, gives back (limit - remaining) / reset
/// a second, whatever the period of its limit is: a minute (OpenAI) or a day (Groq's requests).
#[derive(Debug)]
pub(super) struct Learned {
    limit: f64,
    level: f64,
    /// What comes back per second.
    rate: f64,
    /// The time of the level.
    at: Instant,
    /// The number of the admission whose answer reported it.
    number: u64,
}

impl Learned {
    /// Updates the bucket from an answer's headers; ignores answers to older requests.
    ///
    /// `number` is that of the request's admission; `since` was spent after it, so the server did not know of it yet.
    pub(super) fn learn(known: &mut Option<Self>, report: &Allowance, number: u64, since: u64, now: Instant) {
        let Some(remaining) = report.remaining else { return };
        let before = known.as_ref().map_or(0, |known| known.limit as u64);
        let limit = report.limit.unwrap_or(before).max(remaining) as f64;
        if limit < 1.0 || known.as_ref().is_some_and(|known| known.number > number) {
            return;
        }
        let gone = limit - remaining as f64;
        let rate = match report.reset.map(|reset| reset.as_secs_f64()) {
            Some(reset) if reset > 0.0 && gone > 0.0 => gone / reset.min(LONGEST),
            _ => limit / USUAL,
        };
        *known = Some(Self { limit, level: remaining as f64 - since as f64, rate, at: now, number });
    }

    /// When the amount may be spent; `None` if it may be now. More than the whole limit waits for all of it.
    pub(super) fn ready(&mut self, amount: u64, now: Instant) -> Option<Instant> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.rate).min(self.limit);
        self.at = now;
        let lacks = (amount as f64).min(self.limit) - self.level;
        let wait = Duration::try_from_secs_f64((lacks / self.rate).min(LONGEST));
        // A wait that rounds to zero would let nothing come back meanwhile.
        (lacks > SMALL).then(|| now + wait.unwrap_or_default().max(SHORTEST))
    }

    pub(super) fn spend(&mut self, amount: u64) {
        self.level -= amount as f64;
    }

    pub(super) fn give_back(&mut self, amount: u64) {
        self.level += amount as f64;
    }
}
