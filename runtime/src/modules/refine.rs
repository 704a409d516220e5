//! [`Refine`]: runs rollouts one after another, each with advice from the one before.

use std::{borrow::Borrow, time::Duration};

use super::{
    advice::{Review, advise},
    rollouts::{Hints, Outcome, Rollouts, Tally},
    wrapper::{RolloutRules, Wrapped, wrapper},
};
use crate::{
    Lm, Module, Prediction, Result, Reward, Stop,
    author::{BoxReward, IntoScore, RewardFn, Tracer, all_predictors, caught},
    trace::Advice,
    traverse::{Traverse, Walker, WalkerMut},
};

/// Runs a module up to `n` times, one rollout after another, with advice in between, and returns the prediction with the
/// highest reward.
///
/// The rules are those of [`BestOfN`](crate::BestOfN). Between two rollouts the predictors get advice, each its own, as a
/// hint in their prompts: the reward's feedback text as it is, or, where it gave none, what one LM call (the critic) makes of
/// the module's source, the run and its reward. The critic's calls are at most `n - 1`; if one fails, that is reported, the
/// earlier advice stays, and the run goes on; a predictor that gets nothing new keeps its advice. After a failed
/// rollout no advice is asked for. The result is never worse than the best rollout seen.
///
/// ```
/// use karat::{Module, Predict, Refine, Reply, ScriptedLm, signature};
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
/// let lm = ScriptedLm::new(["it is Paris", "Paris"].map(|answer| Reply::fields([("answer", answer)])));
/// let qa = Predict::<Qa>::new().lm(&lm.lm());
///
/// let refine = Refine::new(qa, 3, |_, p| {
///     let words = p.answer.split(' ').count();
///     (words == 1, format!("{words} words, 1 is wanted"))
/// });
/// let answer = refine.threshold(1.0).call(QaInput { question: "Capital of France?".into() }).await?;
/// assert_eq!(answer.answer, "Paris");
/// assert!(lm.requests()[1].prompt.last().contains("3 words, 1 is wanted"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "its setters take it by value and return it"]
pub struct Refine<M: Module> {
    wrapped: Wrapped<M>,
    critic: Critic,
    feedback_lm: Option<Lm>,
}

wrapper!(Refine { critic: Critic::default(), feedback_lm: None });

/// When the critic is asked for advice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Critic {
    /// Where the reward gave no feedback text of its own.
    #[default]
    WithoutFeedback,
    /// After every rollout but the last; the reward's text goes to the critic.
    Always,
}

impl<M: Module> Refine<M> {
    /// Sets when the critic is asked.
    pub fn critic(mut self, critic: Critic) -> Self {
        self.critic = critic;
        self
    }

    /// Sets the critic's LM. Default: that of the module's first predictor.
    pub fn feedback_lm(mut self, lm: impl Borrow<Lm>) -> Self {
        self.feedback_lm = Some(lm.borrow().clone());
        self
    }

    /// The advice for the next rollouts, drawn from the review of this one. `None`: nothing new.
    async fn advice(
        &self,
        rollouts: &Rollouts<'_, M>,
        rollout_id: u64,
        review: Review,
    ) -> Result<Option<(String, Hints)>> {
        let predictors = all_predictors(&self.wrapped.module);
        if let (Some(feedback), Critic::WithoutFeedback) =
            (review.score.feedback().filter(|text| !text.trim().is_empty()), self.critic)
        {
            let hints = predictors.into_iter().map(|(path, _)| (path, feedback.to_owned())).collect();
            return Ok(Some((String::new(), hints)));
        }
        let lm = match (&self.feedback_lm, predictors.first()) {
            (Some(lm), _) => lm.clone(),
            (None, Some((_, predictor))) => predictor.resolve_lm()?,
            // There is nobody to advise.
            (None, None) => return Ok(None),
        };
        advise(&self.wrapped.module, &lm, rollout_id, review, &rollouts.costs().child()).await.map(Some)
    }
}

impl<M: Module> Module for Refine<M> {
    type Input = M::Input;
    type Output = M::Output;

    async fn forward(&self, input: M::Input) -> Result<Prediction<M::Output>> {
        self.wrapped.rules.check()?;
        let rollouts = Rollouts::new(&self.wrapped, &input);
        let mut tally = Tally::new(&self.wrapped.rules);
        let mut hints = Hints::new();
        let deadline = rollouts.deadline();
        let mut stop = Stop::Completed;
        for index in 0..self.wrapped.rules.n {
            if deadline.is_over() {
                stop = Stop::Deadline;
                break;
            }
            let (started, run) = rollouts.start(index, &hints);
            let Some(outcome) = deadline.within(run).await else {
                tally.add_cancelled(&started);
                stop = Stop::Deadline;
                break;
            };
            let rollout_id = started.rollout_id;
            let review = self.review(&input, &outcome, &started.tracer);
            let is_out_of_budget = rollouts.is_out_of_budget(&outcome);
            match tally.add(started, outcome) {
                _ if is_out_of_budget => {
                    stop = Stop::Budget;
                    break;
                }
                Ok(true) => {
                    stop = Stop::Threshold;
                    break;
                }
                Ok(false) => {}
                Err(error) => return Err(tally.fail(error, rollouts.costs())),
            }
            let (Some(review), true) = (review, index + 1 < self.wrapped.rules.n) else {
                continue;
            };
            // A panic of the critic's LM costs the advice, and not what was reached by then.
            let advice = caught("the critic", self.advice(&rollouts, rollout_id, review));
            match deadline.within(advice).await {
                Some(Ok(Some((discussion, by_predictor)))) => {
                    // A predictor that gets nothing new keeps what helped it.
                    hints.extend(by_predictor.clone());
                    tally.advise(index, Advice::new(discussion, by_predictor));
                }
                Some(Ok(None)) => {}
                // If the budget is used up, the next rollout fails for the same reason and reports it.
                Some(Err(error)) => tally.advise(index, Advice::failed(error)),
                None => {
                    stop = Stop::Deadline;
                    break;
                }
            }
        }
        tally.finish(stop, rollouts.outer(), rollouts.costs())
    }

    fn source(&self) -> Option<&'static str> {
        self.wrapped.module.source()
    }
}

impl<M: Module> Refine<M> {
    /// The facts about a rollout that the critic gets; `None` if it failed.
    fn review(&self, input: &M::Input, outcome: &Outcome<M::Output>, tracer: &Tracer) -> Option<Review> {
        let (prediction, score) = outcome.as_ref().ok()?;
        Some(Review {
            inputs: format!("{input:#?}"),
            outputs: format!("{:#?}", **prediction),
            trace: tracer.trace(),
            score: score.clone(),
            threshold: self.wrapped.rules.threshold,
        })
    }
}
