//! The spans of rollouts and of their rewards, for wrappers that run some.

use karat_lm::{
    Error, Result,
    telemetry::{self, OpenSpan},
};
use tracing::Span;

use super::records_content;
use crate::{module::Traverse, reward::Score};

/// The span of one rollout: its module's run and its reward. One that is dropped without [`end`](RolloutSpan::end) is marked as
/// cancelled, or as failed by a panic.
#[derive(Debug)]
pub struct RolloutSpan(OpenSpan);

impl RolloutSpan {
    /// Opens the span of rollout `index`, which has this rollout id.
    pub fn open(index: usize, rollout_id: u64) -> Self {
        Self(telemetry::rollout(index, rollout_id))
    }

    /// The span in which the rollout runs: `run.instrument(span.get())`.
    pub fn get(&self) -> Span {
        self.0.get()
    }

    /// Opens the span of its reward; `rule` is the [name of the reward's type](crate::author::BoxReward::rule).
    pub fn reward(&self, rule: &'static str) -> RewardSpan<'_> {
        RewardSpan { open: telemetry::reward(rule), rollout: self, rule }
    }

    /// Records how the rollout ended.
    pub fn end(self, error: Option<&Error>) {
        self.0.end(error);
    }
}

/// The span of a reward; [`RolloutSpan::reward`] opens it.
#[derive(Debug)]
pub struct RewardSpan<'a> {
    open: OpenSpan,
    rollout: &'a RolloutSpan,
    rule: &'static str,
}

impl RewardSpan<'_> {
    /// The span in which the reward runs: `reward.instrument(span.get())`.
    pub fn get(&self) -> Span {
        self.open.get()
    }

    /// Records the score here and on the rollout's span, and whether it reached the threshold, where there is one. Its feedback is
    /// recorded only where the LMs of `module` let what they write [be recorded](crate::Lm::record_content).
    pub fn end<M: Traverse + ?Sized>(self, module: &M, score: &Result<Score>, passed: Option<bool>) {
        let with_feedback = self.open.is_heard() && records_content(module);
        let given = score.as_ref().ok();
        let judged = telemetry::RewardOutcome {
            score: given.map(Score::value),
            passed,
            feedback: given.and_then(Score::feedback).filter(|_| with_feedback),
            error: score.as_ref().err(),
        };
        self.open.end_reward(&self.rollout.0, self.rule, &judged);
    }
}
