//! Sets up, runs and scores rollouts, and chooses the best one, for `BestOfN` and `Refine`.

use std::{cmp::Ordering, collections::BTreeMap, fmt::Debug, future::Future, pin::pin};

use tokio::time::Instant;
use tracing::Instrument;

use super::wrapper::{RolloutRules, Wrapped};
use crate::{
    Error, ErrorKind, Module, Prediction, Result, Rollout, Score, Stop,
    author::{
        Deadline, RolloutSpan, Tracer, all_predictors_mut, caught, causes, rollout_width, run, shortened,
        traced, tracer,
    },
    trace::Advice,
};

/// The most characters of an output in a report.
const MOST: usize = 500;

/// The temperature of rollouts where nothing else is set.
const TEMPERATURE: f64 = 1.0;

/// The rollouts of one call: the module that is copied for each, and where their costs go.
pub(super) struct Rollouts<'a, M: Module> {
    wrapped: &'a Wrapped<M>,
    input: &'a M::Input,
    outer: Tracer,
    costs: Tracer,
    width: u64,
    deadline: Deadline,
}

/// A rollout that has started, with all that a report needs should it be cancelled.
#[derive(Clone)]
pub(super) struct StartedRollout {
    index: usize,
    pub(super) rollout_id: u64,
    pub(super) tracer: Tracer,
    notes: Vec<String>,
    start: Instant,
}

impl StartedRollout {
    fn record(&self) -> Rollout {
        let rollout =
            Rollout::new(self.index, self.rollout_id).with_cost(self.tracer.usage(), self.start.elapsed());
        self.notes.iter().fold(rollout, Rollout::with_note)
    }
}

/// How a rollout ended.
pub(super) type Outcome<O> = Result<(Prediction<O>, Score)>;

impl<'a, M: Module> Rollouts<'a, M> {
    pub(super) fn new(wrapped: &'a Wrapped<M>, input: &'a M::Input) -> Self {
        let module = &wrapped.module;
        let outer = tracer(module).cloned().unwrap_or_default();
        Self {
            wrapped,
            input,
            costs: outer.child(),
            outer,
            width: rollout_width(module),
            deadline: Deadline::after(wrapped.rules.deadline),
        }
    }

    /// The tracer of the run around this call, which gets the winner's steps.
    pub(super) fn outer(&self) -> &Tracer {
        &self.outer
    }

    /// The tracer that counts the costs of this call, for it and for the outer run.
    pub(super) fn costs(&self) -> &Tracer {
        &self.costs
    }

    pub(super) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// True if a rollout failed for want of a budget of this call or of one around it: no further one could do anything.
    pub(super) fn is_out_of_budget<T>(&self, outcome: &Result<T>) -> bool {
        outcome.as_ref().is_err_and(Error::is_budget) && self.costs.check_budget().is_err()
    }

    /// Sets up rollout `index`, with hints by predictor path; returns what a report needs of it, and its run.
    pub(super) fn start(
        &self,
        index: usize,
        hints: &Hints,
    ) -> (StartedRollout, impl Future<Output = Outcome<M::Output>> + use<'_, M>) {
        let (copy, started) = self.copy(index, hints);
        (started.clone(), self.run(copy, started))
    }

    /// The configured copy for rollout `index`.
    fn copy(&self, index: usize, hints: &Hints) -> (M, StartedRollout) {
        let tracer = self.costs.child();
        let mut copy = traced(&self.wrapped.module, &tracer);
        let offset = self.width.saturating_mul(index as u64);
        let all = self.width.saturating_mul(self.wrapped.rules.n as u64);
        let mut first_id = None;
        let mut notes = Vec::new();
        for (path, predictor) in all_predictors_mut(&mut copy) {
            let id = predictor.first_rollout_id(all).saturating_add(offset);
            first_id.get_or_insert(id);
            predictor.set_rollout_ids(id, self.width);
            let temperature =
                self.wrapped.rules.temperature.or(predictor.run_temperature()).unwrap_or(TEMPERATURE);
            predictor.set_run_temperature(temperature);
            if let Some(hint) = hints.get(&path) {
                predictor.add_hint(hint);
            }
            match predictor.config().temperature {
                Some(0.0) => notes.push(format!(
                    "predictor `{path}` fixed its temperature at 0: its rollouts cannot differ"
                )),
                None if temperature == 0.0 => {
                    notes.push(format!(
                        "the rollouts' temperature is 0: those of predictor `{path}` cannot differ"
                    ));
                }
                _ => {}
            }
        }
        let rollout_id = first_id.unwrap_or(offset);
        (copy, StartedRollout { index, rollout_id, tracer, notes, start: Instant::now() })
    }

    /// Runs the copy and judges what it gives. A panic in either is a failure of this rollout alone.
    async fn run(&self, copy: M, started: StartedRollout) -> Outcome<M::Output> {
        let span = RolloutSpan::open(started.index, started.rollout_id);
        let outcome = pin!(self.judge(&copy, &started, &span)).instrument(span.get()).await;
        span.end(outcome.as_ref().err());
        outcome
    }

    async fn judge(&self, copy: &M, started: &StartedRollout, span: &RolloutSpan) -> Outcome<M::Output> {
        // Inside of a block of its own, since a `forward` written by hand may panic before there is a future.
        let prediction = caught("the module", async { run(copy, self.input.clone()).await }).await?;
        let prediction = prediction.with_usage(started.tracer.usage()).with_trace(started.tracer.trace());
        let judge = started.tracer.child();
        let Wrapped { reward, rules, .. } = self.wrapped;
        let span = span.reward(reward.rule());
        let evaluate = caught("the reward", reward.evaluate(self.input, &prediction, &judge));
        let score = evaluate.instrument(span.get()).await;
        let passes = |score: &Score| rules.threshold.map(|_| rules.passes(score.value()));
        span.end(copy, &score, score.as_ref().ok().and_then(passes));
        Ok((prediction, score?))
    }
}

/// Texts by the path of the predictor that they are for.
pub(super) type Hints = BTreeMap<String, String>;

/// The rollouts that ended so far, and the best of them.
pub(super) struct Tally<'a, O> {
    rules: &'a RolloutRules,
    records: Vec<Rollout>,
    best: Option<Best<O>>,
    failed: usize,
}

struct Best<O> {
    index: usize,
    reward: f64,
    prediction: Prediction<O>,
}

impl<O> Best<O> {
    /// Highest reward first; of equal ones the lowest index, whatever the order of arrival.
    fn beats(&self, other: &Self) -> bool {
        match self.reward.partial_cmp(&other.reward) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => self.index < other.index,
            _ => false,
        }
    }
}

impl<'a, O: Debug> Tally<'a, O> {
    pub(super) fn new(rules: &'a RolloutRules) -> Self {
        Self { rules, records: Vec::new(), best: None, failed: 0 }
    }

    /// Adds a rollout that ended. `true`: it reached the threshold.
    ///
    /// # Errors
    /// The rollout failed in a way that ends the call: no retry mends it, or one more failed than is tolerated.
    pub(super) fn add(&mut self, started: StartedRollout, outcome: Outcome<O>) -> Result<bool> {
        let record = started.record();
        match outcome {
            Ok((prediction, score)) => {
                let reward = score.value();
                let output = shortened(&format!("{:?}", *prediction), MOST);
                let record = record.with_score(reward, score.feedback().map(str::to_owned));
                self.records.push(record.with_output(output));
                let new = Best { index: started.index, reward, prediction };
                if self.best.as_ref().is_none_or(|best| new.beats(best)) {
                    self.best = Some(new);
                }
                Ok(self.rules.passes(reward))
            }
            Err(error) => {
                self.records.push(record.with_error(error.clone()));
                self.failed += 1;
                let tolerated = self.rules.fail_count.unwrap_or(self.rules.n);
                // A prompt that is too long is so in every rollout, unless one has succeeded: then a hint was too much.
                if error.is_permanent() || (error.is_context_length() && self.best.is_none()) {
                    return Err(error);
                }
                if self.failed > tolerated {
                    let message = format!(
                        "{} of {} rollouts failed, {tolerated} are tolerated; the last one: {error}",
                        self.failed, self.rules.n
                    );
                    return Err(exhausted(message, error));
                }
                Ok(false)
            }
        }
    }

    /// Records a rollout that was still running when the call ended.
    pub(super) fn add_cancelled(&mut self, started: &StartedRollout) {
        self.records.push(started.record());
    }

    /// Adds advice to the record of a rollout.
    pub(super) fn advise(&mut self, index: usize, advice: Advice) {
        if let Some(position) = self.records.iter().position(|record| record.index() == index) {
            let record = self.records.swap_remove(position).with_advice(advice);
            self.records.push(record);
        }
    }

    /// The error with the report of all rollouts, and with what they cost.
    pub(super) fn fail(mut self, error: Error, costs: &Tracer) -> Error {
        self.records.sort_by_key(Rollout::index);
        error.with_rollouts(self.records).with_usage(costs.usage())
    }

    /// The best prediction with the report and the trace, its steps added to the outer run's.
    ///
    /// # Errors
    /// No rollout succeeded: [`is_timeout`](Error::is_timeout) at the deadline, else
    /// [`is_exhausted`](Error::is_exhausted) with every cause.
    pub(super) fn finish(mut self, stop: Stop, outer: &Tracer, costs: &Tracer) -> Result<Prediction<O>> {
        let Some(best) = self.best.take() else {
            let error = self.no_success(stop);
            return Err(self.fail(error, costs));
        };
        self.records.sort_by_key(Rollout::index);
        let mark = |record: Rollout| {
            let chosen = record.index() == best.index;
            record.with_chosen(chosen)
        };
        let records: Vec<_> = self.records.into_iter().map(mark).collect();
        outer.append(best.prediction.trace());
        let usage = costs.usage();
        Ok(best.prediction.with_usage(usage).with_rollouts(records, stop))
    }

    fn no_success(&self, stop: Stop) -> Error {
        let errors = self.records.iter().filter_map(|record| Some((record.index(), record.error()?)));
        let causes = match causes("rollout", errors) {
            causes if causes.is_empty() => causes,
            causes => format!(": {causes}"),
        };
        if stop == Stop::Deadline {
            let deadline = self.rules.deadline.unwrap_or_default();
            return Error::new(
                ErrorKind::Timeout,
                format!("no rollout was finished by the deadline of {deadline:?}{causes}"),
            );
        }
        let mut errors = self.records.iter().rev().filter_map(Rollout::error);
        let last = errors.clone().next();
        if let (Stop::Budget, Some(refused)) = (stop, errors.find(|error| error.is_budget())) {
            return refused.clone();
        }
        let message = format!("all {} rollouts failed{causes}", self.rules.n);
        match last {
            Some(last) => exhausted(message, last.clone()),
            None => Error::new(ErrorKind::Exhausted, message),
        }
    }
}

/// An error for failed rollouts, with the field, completion and predictor of the last one's error.
fn exhausted(message: String, last: Error) -> Error {
    let mut error = Error::new(ErrorKind::Exhausted, message);
    if let Some(field) = last.field() {
        error = error.with_field(field);
    }
    if let Some(completion) = last.completion() {
        error = error.with_completion(completion);
    }
    if let Some(path) = last.predictor() {
        error = error.with_predictor(path);
    }
    error.with_source(last)
}
