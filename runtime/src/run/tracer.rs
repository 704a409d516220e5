//! The tracer: where the predictors of one run write their steps, and what the run may spend.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use karat_lm::{Meter, Result, Step, Trace, Usage, internal::Payer};

use crate::budget::Budget;

/// Collects the steps and the usage of one run: a handle, shared by its predictors.
///
/// [`Module::call`](crate::Module::call) makes one; wrappers make a [`child`](Tracer::child) of it per rollout.
#[derive(Clone, Debug, Default)]
pub struct Tracer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    record: Mutex<Record>,
    /// The run of which this one is a part: it bears the costs too, call by call, so that even a dropped run is counted.
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

    /// An empty tracer for a part of the run, such as a rollout. The part's usage counts here at once; its steps are added here
    /// only by [`append`](Tracer::append).
    #[must_use]
    pub fn child(&self) -> Self {
        self.part(None)
    }

    /// A [`child`](Tracer::child) with a budget: LM calls beyond it are refused.
    #[must_use]
    pub fn child_within(&self, budget: Budget) -> Self {
        self.part(Some(budget))
    }

    fn part(&self, budget: Option<Budget>) -> Self {
        let shared = Shared { record: Mutex::default(), parent: Some(self.clone()), budget };
        Self { shared: Arc::new(shared) }
    }

    /// Checks that another LM call is within the budgets of the run and of the runs of which it is a part.
    ///
    /// # Errors
    /// [`is_budget`](crate::Error::is_budget): one of them is used up.
    pub fn check_budget(&self) -> Result<()> {
        self.shared.check()
    }

    /// A meter whose requests count here, and in the runs of which this one is a part, when they are sent.
    pub(crate) fn meter(&self) -> Meter {
        Meter::paid_by(Arc::downgrade(&self.shared))
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.shared.lock()
    }

    /// Adds a step. Its usage was added call by call.
    pub(crate) fn push(&self, step: Step) {
        self.lock().trace.push(step);
    }

    /// Adds the steps of a part.
    pub fn append(&self, trace: &Trace) {
        self.lock().trace.append(trace);
    }

    /// Adds the usage of LM calls, here and in the runs of which this one is a part.
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

    /// The usage of all LM calls so far.
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
impl Payer for Shared {
    fn check(&self) -> Result<()> {
        self.refusal(self.lock().usage)?;
        self.parent().map_or(Ok(()), Self::check)
    }

    fn pay(&self) -> Result<()> {
        let mut record = self.lock();
        // Under the lock, or calls that are sent at once would all be the last one. A parent's is taken inside of its child's.
        self.refusal(record.usage)?;
        self.parent().map_or(Ok(()), Self::pay)?;
        record.usage += Usage::new().calls(1);
        Ok(())
    }

    fn correct(&self, difference: i64) {
        let mut record = self.lock();
        record.usage.calls = record.usage.calls.saturating_add_signed(difference);
        self.parent().into_iter().for_each(|parent| parent.correct(difference));
    }
}
