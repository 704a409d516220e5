//! What a run did: the steps of its predictors, and what all its LM calls cost.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use crate::{
    budget::Budget,
    error::{Error, Result},
    lm::{Meter, Pays, Usage},
};

/// What the predictors of one run did, in the order in which they finished. A copy of it shares the steps.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// `None` where there are none, as in most predictions within a run.
    steps: Option<Arc<Vec<Step>>>,
}

impl Trace {
    /// The steps, in the order in which they finished.
    pub fn steps(&self) -> &[Step] {
        self.steps.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The steps, to be added to.
    fn steps_mut(&mut self) -> &mut Vec<Step> {
        Arc::make_mut(self.steps.get_or_insert_default())
    }
}

/// One run of one predictor.
#[derive(Clone, Debug)]
pub struct Step {
    pub(crate) predictor: Arc<str>,
    pub(crate) signature: &'static str,
    pub(crate) inputs: Vec<(&'static str, Value)>,
    pub(crate) outputs: Vec<(&'static str, Value)>,
    pub(crate) calls: Vec<CallRecord>,
    pub(crate) error: Option<Error>,
}

impl Step {
    /// The predictor's path from the root of the called module.
    pub fn predictor(&self) -> &str {
        &self.predictor
    }

    /// The name of its signature.
    pub fn signature(&self) -> &str {
        self.signature
    }

    /// The input fields' values; those that a module added to the signature included, hints not.
    pub fn inputs(&self) -> &[(&'static str, Value)] {
        &self.inputs
    }

    /// The output fields' values of the first completion; empty if the step failed.
    pub fn outputs(&self) -> &[(&'static str, Value)] {
        &self.outputs
    }

    /// Every LM call that it made: more than one where a reply could not be read.
    pub fn calls(&self) -> &[CallRecord] {
        &self.calls
    }

    /// Why it failed, if it did.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// What its calls cost.
    pub fn usage(&self) -> Usage {
        self.calls.iter().map(|call| call.usage).sum()
    }
}

/// One LM call of a step.
#[derive(Clone, Debug)]
pub struct CallRecord {
    pub(crate) lm: String,
    pub(crate) adapter: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) is_strict: bool,
    pub(crate) usage: Usage,
    pub(crate) elapsed: Duration,
    pub(crate) error: Option<Error>,
}

impl CallRecord {
    /// The LM's name.
    pub fn lm(&self) -> &str {
        &self.lm
    }

    /// The adapter that wrote the prompt and read the reply.
    pub fn adapter(&self) -> &str {
        self.adapter
    }

    /// The rung of the adapter's ladder, e.g. `json_schema`, `json_object` or `prompt`.
    pub fn mode(&self) -> &str {
        self.mode
    }

    /// True if the model was to be held to a schema to the letter; false where the schema was advice, or there was none.
    pub fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// What it cost.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// True if a [cache](crate::Cache) answered.
    pub fn is_cached(&self) -> bool {
        self.usage.is_cached()
    }

    /// How long it took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Why it gave no answer: the LM's error, or that its reply could not be read.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}

/// Where the predictors of one run write what they do: a handle, shared by all of them.
///
/// [`Module::call`](crate::Module::call) makes one; wrappers make a [`child`](Tracer::child) of it per rollout.
#[derive(Clone, Debug, Default)]
pub struct Tracer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    record: Mutex<Record>,
    /// The run of which this one is a part: it bears the costs, call by call, so that even a dropped run is counted.
    parent: Option<Tracer>,
    budget: Option<Budget>,
}

#[derive(Debug, Default)]
struct Record {
    trace: Trace,
    usage: Usage,
}

impl Tracer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one for a part of the run, such as a rollout. What the part spends counts here at once; its steps only come
    /// here with [`append`](Tracer::append).
    #[must_use]
    pub fn child(&self) -> Self {
        self.part(None)
    }

    /// A [`child`](Tracer::child) that may spend so much: further LM calls are refused then.
    #[must_use]
    pub fn child_within(&self, budget: Budget) -> Self {
        self.part(Some(budget))
    }

    fn part(&self, budget: Option<Budget>) -> Self {
        let shared = Shared { record: Mutex::default(), parent: Some(self.clone()), budget };
        Self { shared: Arc::new(shared) }
    }

    /// Whether another LM call is within the budgets of the run and of the runs of which it is a part.
    ///
    /// # Errors
    /// [`is_budget`](Error::is_budget): one of them is used up.
    pub fn check_budget(&self) -> Result<()> {
        self.shared.check()
    }

    /// A meter of requests that count here, and in the runs of which this one is a part, as they are sent.
    pub(crate) fn meter(&self) -> Meter {
        Meter::paid_by(Arc::downgrade(&self.shared))
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.shared.lock()
    }

    /// Adds a step. Its usage was added call by call.
    pub(crate) fn push(&self, step: Step) {
        self.lock().trace.steps_mut().push(step);
    }

    /// Adds the steps of a part.
    pub fn append(&self, trace: &Trace) {
        self.lock().trace.steps_mut().extend_from_slice(trace.steps());
    }

    /// Adds what LM calls cost, here and in the runs of which this one is a part.
    pub fn add_usage(&self, usage: Usage) {
        self.lock().usage += usage;
        if let Some(parent) = &self.shared.parent {
            parent.add_usage(usage);
        }
    }

    /// The steps so far.
    pub fn trace(&self) -> Trace {
        self.lock().trace.clone()
    }

    /// What all LM calls so far cost.
    pub fn usage(&self) -> Usage {
        self.lock().usage
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusal(&self, used: Usage) -> Result<()> {
        self.budget.as_ref().and_then(|budget| budget.refusal(used)).map_or(Ok(()), Err)
    }

    fn parent(&self) -> Option<&Self> {
        self.parent.as_ref().map(|parent| &*parent.shared)
    }
}

/// A run pays for its LM calls, and so do the runs of which it is a part.
impl Pays for Shared {
    fn check(&self) -> Result<()> {
        self.refusal(self.lock().usage)?;
        self.parent().map_or(Ok(()), Self::check)
    }

    fn pay(&self) -> Result<()> {
        let mut record = self.lock();
        // Under the lock, or calls that are sent at once would all be the last one. A parent's is taken inside of its child's.
        self.refusal(record.usage)?;
        self.parent().map_or(Ok(()), Self::pay)?;
        record.usage += Usage { calls: 1, ..Usage::default() };
        Ok(())
    }

    fn correct(&self, difference: i64) {
        let mut record = self.lock();
        record.usage.calls = record.usage.calls.saturating_add_signed(difference);
        self.parent().into_iter().for_each(|parent| parent.correct(difference));
    }
}
