//! A limit that the server told: a bucket that fills as fast as the server says.

use std::time::Duration;

use tokio::time::Instant;

use crate::report::Allowance;

/// What a limit without a time of its own is taken to be per.
const USUAL: f64 = 60.0;

/// The longest that the server's word is taken for; then it is looked at anew.
const LONGEST: f64 = 86_400.0;

/// The step of tokio's timer.
const SHORTEST: Duration = Duration::from_millis(1);

/// Sums of fractions fall short of whole numbers by less.
const SMALL: f64 = 1e-6;

/// What is left of an allowance, by the last answer that told it.
///
/// A server that has `remaining` of `limit` left and says that all of it will be there again after `reset` gives back
/// (limit - remaining) / reset a second, whatever its limit is per: a minute (OpenAI) or a day (Groq's requests).
#[derive(Debug)]
pub(super) struct Learned {
    limit: f64,
    level: f64,
    /// By the second.
    rate: f64,
    /// The time of the level.
    at: Instant,
    /// Of the permit whose answer told it.
    number: u64,
}

impl Learned {
    /// What an answer to the permit `number` tells, after which `since` was spent of which the server knew nothing then. Keeps
    /// what a later request's answer told.
    pub(super) fn learn(known: &mut Option<Self>, told: &Allowance, number: u64, since: u64, now: Instant) {
        let Some(remaining) = told.remaining else { return };
        let before = known.as_ref().map_or(0, |known| known.limit as u64);
        let limit = told.limit.unwrap_or(before).max(remaining) as f64;
        if limit < 1.0 || known.as_ref().is_some_and(|known| known.number > number) {
            return;
        }
        let gone = limit - remaining as f64;
        let rate = match told.reset.map(|reset| reset.as_secs_f64()) {
            Some(reset) if reset > 0.0 && gone > 0.0 => gone / reset.min(LONGEST),
            _ => limit / USUAL,
        };
        *known = Some(Self { limit, level: remaining as f64 - since as f64, rate, at: now, number });
    }

    /// When the amount may be spent; `None` if it may be now. What is more than the whole limit waits for all of it.
    pub(super) fn ready(&mut self, amount: u64, now: Instant) -> Option<Instant> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.rate).min(self.limit);
        self.at = now;
        let lacks = (amount as f64).min(self.limit) - self.level;
        let wait = Duration::try_from_secs_f64((lacks / self.rate).min(LONGEST));
        // A wait that rounds to nothing would be none, and nothing would come meanwhile.
        (lacks > SMALL).then(|| now + wait.unwrap_or_default().max(SHORTEST))
    }

    pub(super) fn spend(&mut self, amount: u64) {
        self.level -= amount as f64;
    }

    pub(super) fn give_back(&mut self, amount: u64) {
        self.level += amount as f64;
    }
}
