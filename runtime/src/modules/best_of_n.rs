//! [`BestOfN`]: runs several rollouts and returns the best one's prediction.

use std::time::Duration;

use super::{
    rollouts::{Hints, Rollouts, Tally},
    wrapper::{RolloutRules, Wrapped, config, wrapper},
};
use crate::{
    Module, Prediction, Result, Reward, Stop,
    author::{BoxReward, Ended, Flow, IntoScore, RewardFn, run_many},
    traverse::{Traverse, Walker, WalkerMut},
};

/// Runs a module up to `n` times and returns the prediction with the highest reward.
///
/// Each rollout is a copy of the module at temperature 1.0 with a rollout id of its own. The first reward that reaches the
/// [`threshold`](BestOfN::threshold) ends the call; without one, all `n` run. Of equal rewards the lowest index wins. A
/// rollout that fails (an error or panic of the module, an error, panic or NaN of the reward) is reported and the others go
/// on; an error that no retry mends, such as a refused key, ends the call. The report is in
/// [`Prediction::rollouts`] or [`Error::rollouts`](crate::Error::rollouts).
///
/// It is a module itself, remembers nothing between calls, and may be nested.
///
/// ```
/// use karat::{BestOfN, Module, Predict, Reply, ScriptedLm, signature};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let lm = ScriptedLm::new(["a long winded answer", "Paris"].map(|answer| Reply::fields([("answer", answer)]))).lm();
/// let qa = Predict::<Qa>::new().lm(&lm);
///
/// let best = BestOfN::new(qa, 5, |_, p| p.answer.len() < 10).threshold(1.0);
/// let best = best.call(QaInput { question: "Capital of France?".into() }).await?;
/// assert_eq!(best.answer, "Paris");
/// assert_eq!(best.rollouts().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "its setters take it by value and return it"]
pub struct BestOfN<M: Module> {
    wrapped: Wrapped<M>,
    concurrency: usize,
}

wrapper!(BestOfN { concurrency: 1 });

impl<M: Module> BestOfN<M> {
    /// Runs so many rollouts at once. The first to reach the threshold drops the others on the wire. Default: 1; 0 is an
    /// [`is_config`](crate::Error::is_config) error of the call.
    pub fn concurrency(mut self, rollouts: usize) -> Self {
        self.concurrency = rollouts;
        self
    }
}

impl<M: Module> Module for BestOfN<M> {
    type Input = M::Input;
    type Output = M::Output;

    async fn forward(&self, input: M::Input) -> Result<Prediction<M::Output>> {
        self.wrapped.rules.check()?;
        if self.concurrency == 0 {
            return Err(config("the concurrency is 0, so that no rollout would ever start: use at least 1"));
        }
        let rollouts = Rollouts::new(&self.wrapped, &input);
        let mut tally = Tally::new(&self.wrapped.rules);
        let mut at_the_end = Stop::Completed;
        let jobs = (0..self.wrapped.rules.n).map(|index| rollouts.start(index, &Hints::new()));
        let end = rollouts.deadline().wait();
        let (ended, running) = run_many(jobs, self.concurrency, end, |_, started, outcome| {
            if rollouts.is_out_of_budget(&outcome) {
                at_the_end = Stop::Budget;
            }
            match (tally.add(started, outcome), at_the_end) {
                (Ok(true), _) => Flow::Stop(Ok(Stop::Threshold)),
                // No other rollout starts; those that run may need no further call.
                (_, Stop::Budget) => Flow::Finish,
                (Ok(false), _) => Flow::Continue,
                (Err(error), _) => Flow::Stop(Err(error)),
            }
        })
        .await;
        running.values().for_each(|started| tally.add_cancelled(started));
        let stop = match ended {
            Ended::All => at_the_end,
            Ended::Over(()) => Stop::Deadline,
            Ended::Stopped(Ok(stop)) => stop,
            Ended::Stopped(Err(error)) => return Err(tally.fail(error, rollouts.costs())),
        };
        tally.finish(stop, rollouts.outer(), rollouts.costs())
    }

    fn source(&self) -> Option<&'static str> {
        self.wrapped.module.source()
    }
}
