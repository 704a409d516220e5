//! Several rollouts, the best of which is kept.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future, stream::FuturesUnordered};

use super::{
    judged::{Judged, Settings, config, wrapper},
    rollouts::{Hints, Rollouts, Started, Tally},
};
use crate::{
    BoxReward, Error, IntoScore, Module, Prediction, Result, Reward, RewardFn, Stop, Tracer, Traverse,
    Walker, WalkerMut,
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
    judged: Judged<M>,
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
        self.judged.settings.check()?;
        if self.concurrency == 0 {
            return Err(config("the concurrency is 0, so that no rollout would ever start: use at least 1"));
        }
        let rollouts = Rollouts::new(&self.judged, &input);
        let mut tally = Tally::new(&self.judged.settings);
        let mut waiting = 0..self.judged.settings.n;
        let mut at_the_end = Stop::Completed;
        // True when a rollout has passed: what has not begun by then does not begin.
        let over = AtomicBool::new(false);
        let mut running = FuturesUnordered::new();
        let mut started: BTreeMap<usize, Started> = BTreeMap::new();
        let mut deadline = std::pin::pin!(rollouts.deadline());
        let stop = loop {
            while running.len() < self.concurrency && !rollouts.is_over() {
                let Some(index) = waiting.next() else { break };
                let ready = rollouts.ready(index, &Hints::new());
                started.insert(index, ready.started.clone());
                let (run, over) = (rollouts.run(ready), &over);
                running.push(async move {
                    let begun = !over.load(Ordering::Relaxed);
                    (index, if begun { Some(run.await) } else { None })
                });
            }
            // The deadline is looked at second: a rollout that is done by then counts.
            let (index, ended) = match future::select(running.next(), deadline.as_mut()).await {
                future::Either::Left((Some(ended), _)) => ended,
                future::Either::Left((None, _)) if waiting.is_empty() => break at_the_end,
                future::Either::Left((None, _)) => break Stop::Deadline,
                future::Either::Right(_) => break Stop::Deadline,
            };
            started.remove(&index);
            let Some(ended) = ended else { continue };
            if rollouts.is_out_of_budget(&ended.outcome) {
                // No other one starts; those on their way may need no further call.
                (waiting, at_the_end) = (0..0, Stop::Budget);
            }
            let passed = match tally.add(ended) {
                Ok(passed) => passed,
                Err(_) if at_the_end == Stop::Budget => false,
                Err(error) => return Err(fail(tally, &started, error, rollouts.costs())),
            };
            if passed {
                // Others that are done at the same moment count too, so that the order of arrival decides nothing; a failure
                // among them no longer matters.
                over.store(true, Ordering::Relaxed);
                while let Some(Some((index, ended))) = running.next().now_or_never() {
                    started.remove(&index);
                    if let Some(ended) = ended {
                        let _ = tally.add(ended);
                    }
                }
                break Stop::Threshold;
            }
        };
        drop(running);
        started.values().for_each(|started| tally.add_cancelled(started));
        tally.finish(stop, rollouts.outer(), rollouts.costs())
    }

    fn source(&self) -> Option<&'static str> {
        self.judged.module.source()
    }
}

/// The error with the report, rollouts that were still running included.
fn fail<O: Debug>(
    mut tally: Tally<'_, O>,
    running: &BTreeMap<usize, Started>,
    error: Error,
    costs: &Tracer,
) -> Error {
    running.values().for_each(|started| tally.add_cancelled(started));
    tally.fail(error, costs)
}
