//! The invariants: of each wrapper's report, of the world after the run, and of every text.

use std::{fmt::Debug, time::Duration};

use karat::{Error, Prediction, Result, Rollout, Stop, module};
use tokio::time::Instant;

use super::{
    program::{Any, Judged, QaInput},
    world::{KEY, World},
};

/// How much later than its limit something may end: one tick of the clock for each layer.
pub const SLACK: Duration = Duration::from_millis(25);

/// A wrapper whose results are checked.
#[module]
pub struct Checked {
    inner: Any,
    #[module(skip)]
    world: World,
    #[module(skip)]
    judged: Judged,
    is_outermost: bool,
}

#[module]
impl Checked {
    async fn forward(&self, input: QaInput) -> Result<Prediction<String>> {
        let start = Instant::now();
        let outcome = self.inner.call(input).await;
        if let Some(deadline) = self.judged.deadline.filter(|_| self.world.is_prompt()) {
            let took = start.elapsed();
            self.world
                .check(took <= deadline + SLACK, || format!("a deadline of {deadline:?} took {took:?}"));
        }
        match &outcome {
            Ok(prediction) => self.best(prediction),
            Err(error) => self.failed(error),
        }
        outcome
    }
}

impl Checked {
    pub fn around(inner: Any, world: &World, judged: &Judged, is_outermost: bool) -> Self {
        Self { inner, world: world.clone(), judged: judged.clone(), is_outermost }
    }

    fn wrong(&self, holds: bool, what: &str, rollouts: &[Rollout]) {
        self.world.check(holds, || {
            let lines: Vec<_> = rollouts.iter().map(Rollout::to_string).collect();
            format!("{what}: {:?}\n{}", self.judged, lines.join("\n"))
        });
    }

    /// Checks a report.
    fn report(&self, rollouts: &[Rollout]) {
        let in_order = rollouts.windows(2).all(|pair| pair[0].index() < pair[1].index());
        let within = rollouts.iter().all(|rollout| rollout.index() < self.judged.n);
        self.wrong(in_order && within, "the report is in order, each rollout in it once", rollouts);
        let is_one = |rollout: &Rollout| !(rollout.reward().is_some() && rollout.error().is_some());
        self.wrong(rollouts.iter().all(is_one), "a rollout has a reward or an error", rollouts);
        let is_nan = |rollout: &Rollout| rollout.reward().is_some_and(f64::is_nan);
        self.wrong(!rollouts.iter().any(is_nan), "NaN is no reward", rollouts);
    }

    fn best(&self, prediction: &Prediction<String>) {
        let (rollouts, stop) = (prediction.rollouts(), prediction.stop_reason());
        self.report(rollouts);
        let rewards = || rollouts.iter().filter_map(Rollout::reward);
        let most = rewards().fold(f64::NEG_INFINITY, f64::max);
        let first = rollouts.iter().find(|rollout| rollout.reward() == Some(most));
        let chosen: Vec<_> =
            rollouts.iter().filter(|rollout| rollout.is_chosen()).map(Rollout::index).collect();
        self.wrong(prediction.reward() == Some(most), "the reward is the highest of all", rollouts);
        let is_first = first.is_some_and(|first| chosen == [first.index()]);
        self.wrong(is_first, "of equals the lowest index is chosen", rollouts);
        if self.is_outermost && !self.world.is_batch() {
            let best = self.world.rewards().iter().copied().fold(f64::NEG_INFINITY, f64::max);
            self.wrong(best <= most, "no reward that was given is better than the result's", rollouts);
        }
        let cancelled = rollouts.iter().filter(|rollout| rollout.is_cancelled()).count();
        let passes = self.judged.threshold.is_some_and(|threshold| most >= threshold);
        let failed = rollouts.iter().filter(|rollout| rollout.error().is_some()).count();
        let tolerated = self.judged.fail_count.unwrap_or(self.judged.n);
        let why = match stop {
            Some(Stop::Threshold) => passes,
            Some(Stop::Completed) => !passes && cancelled == 0 && rollouts.len() == self.judged.n,
            Some(Stop::Deadline) => !passes && self.judged.deadline.is_some(),
            Some(Stop::Budget) => !passes,
            _ => false,
        };
        self.wrong(why, &format!("it stopped for the reason that it says: {stop:?}"), rollouts);
        let is_cut_short = matches!(stop, Some(Stop::Threshold | Stop::Budget));
        self.wrong(failed <= tolerated || is_cut_short, "no more failed than are tolerated", rollouts);
    }

    fn failed(&self, error: &Error) {
        let rollouts = error.rollouts();
        self.report(rollouts);
        let failed = rollouts.iter().filter(|rollout| rollout.error().is_some()).count();
        let tolerated = self.judged.fail_count.unwrap_or(self.judged.n);
        let is_end = failed > tolerated || error.is_permanent() || error.is_context_length();
        let has_reward = rollouts.iter().any(|rollout| rollout.reward().is_some());
        self.wrong(is_end || !has_reward, &format!("what was finished is not lost: {error}"), rollouts);
        if error.is_timeout() && !rollouts.iter().any(|rollout| rollout.error().is_some()) {
            self.wrong(self.judged.deadline.is_some(), "a deadline passes where there is one", rollouts);
        }
    }
}

/// Checks that nothing stays behind: all places are free, nobody waits, no task lives.
pub fn nothing_stays(world: &World) {
    let parts = world.parts();
    for limits in &parts.limits {
        let (in_flight, waiting) = (limits.in_flight(), limits.waiting());
        world.check((in_flight, waiting) == (0, 0), || {
            format!("{in_flight} places are taken and {waiting} wait after the run")
        });
    }
    for cache in &parts.caches {
        let in_flight = cache.stats().in_flight;
        world.check(in_flight == 0, || format!("{in_flight} calls are waited for after the run"));
    }
    world.check(world.in_flight() == 0, || {
        format!("{} requests are on their way after the run", world.in_flight())
    });
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    world.check(tasks == 0, || format!("{tasks} tasks live after the run"));
}

/// Checks that no more was sent than limits and budgets allow.
pub fn limits_held(world: &World) {
    let parts = world.parts();
    for gauge in &parts.gauges {
        let (most, minute) = (gauge.most(), gauge.most_in_a_minute());
        world.check(gauge.concurrency.is_none_or(|limit| most <= limit), || {
            format!("{most} at a time: {gauge:?}")
        });
        // A place counts from when it is given; a late poll sends late.
        let held = !world.is_prompt() || gauge.per_minute.is_none_or(|limit| minute <= limit);
        world.check(held, || format!("{minute} in a minute: {gauge:?}"));
    }
    for (attempts, meter) in &parts.meters {
        world.check(meter.keeps_its_budget(*attempts), || format!("more retries than {attempts}: {meter:?}"));
    }
}

/// Checks that a text does not have the key.
pub fn no_secret(world: &World, what: &str, text: &str) {
    world.check(!text.contains(KEY), || {
        let at = text.find(KEY).unwrap_or_default();
        let start = text[..at].char_indices().rev().nth(80).map_or(0, |(start, _)| start);
        format!("the key is in {what}: {}", &text[start..at])
    });
}

/// Checks that neither `Debug` text of a value has the key.
pub fn shows_no_secret(world: &World, what: &str, value: &impl Debug) {
    no_secret(world, what, &format!("{value:?}"));
    no_secret(world, what, &format!("{value:#?}"));
}
