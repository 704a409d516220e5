//! Records of a run: the steps of its predictors and their LM calls.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde_json::Value;

use super::{Error, Usage};

/// The steps of one run's predictors, in the order in which they finished. A copy of it shares the steps.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// `None` without steps, as in most predictions within a run.
    steps: Option<Arc<Vec<Step>>>,
}

impl Trace {
    /// The steps, in the order in which they finished.
    pub fn steps(&self) -> &[Step] {
        self.steps.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Adds a step. Its usage was added call by call.
    pub fn push(&mut self, step: Step) {
        Arc::make_mut(self.steps.get_or_insert_default()).push(step);
    }

    /// Adds the steps of a part.
    pub fn append(&mut self, other: &Trace) {
        Arc::make_mut(self.steps.get_or_insert_default()).extend_from_slice(other.steps());
    }
}

/// One run of one predictor.
#[derive(Clone, Debug)]
pub struct Step {
    predictor: Arc<str>,
    signature: Cow<'static, str>,
    inputs: Vec<(Cow<'static, str>, Value)>,
    outputs: Vec<(Cow<'static, str>, Value)>,
    calls: Vec<CallRecord>,
    error: Option<Error>,
}

impl Step {
    /// An empty one.
    pub fn new(
        predictor: impl Into<Arc<str>>,
        signature: impl Into<Cow<'static, str>>,
        calls: Vec<CallRecord>,
    ) -> Self {
        Self {
            predictor: predictor.into(),
            signature: signature.into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            calls,
            error: None,
        }
    }

    /// Sets the input fields' values.
    #[must_use]
    pub fn with_inputs(mut self, inputs: Vec<(Cow<'static, str>, Value)>) -> Self {
        self.inputs = inputs;
        self
    }

    /// Sets the output fields' values.
    #[must_use]
    pub fn with_outputs(mut self, outputs: Vec<(Cow<'static, str>, Value)>) -> Self {
        self.outputs = outputs;
        self
    }

    /// Sets why it failed.
    #[must_use]
    pub fn with_error(mut self, error: impl Into<Option<Error>>) -> Self {
        self.error = error.into();
        self
    }

    /// The predictor's path from the root of the called module.
    pub fn predictor(&self) -> &str {
        &self.predictor
    }

    /// The name of its signature.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The input fields' values; those that a module added to the signature included, hints not.
    pub fn inputs(&self) -> &[(Cow<'static, str>, Value)] {
        &self.inputs
    }

    /// The output fields' values of the first completion; empty if the step failed.
    pub fn outputs(&self) -> &[(Cow<'static, str>, Value)] {
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
    lm: String,
    adapter: &'static str,
    mode: &'static str,
    is_strict: bool,
    usage: Usage,
    elapsed: Duration,
    error: Option<Error>,
}

impl CallRecord {
    /// An empty one.
    pub fn new(lm: impl Into<String>, adapter: &'static str, mode: &'static str) -> Self {
        Self {
            lm: lm.into(),
            adapter,
            mode,
            is_strict: false,
            usage: Usage::default(),
            elapsed: Duration::ZERO,
            error: None,
        }
    }

    /// Sets whether the model was held to a schema to the letter.
    #[must_use]
    pub fn with_strict(mut self, is_strict: bool) -> Self {
        self.is_strict = is_strict;
        self
    }

    /// Sets what it cost and how long it took.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage, elapsed: Duration) -> Self {
        (self.usage, self.elapsed) = (usage, elapsed);
        self
    }

    /// Sets why it gave no answer.
    #[must_use]
    pub fn with_error(mut self, error: impl Into<Option<Error>>) -> Self {
        self.error = error.into();
        self
    }

    /// The LM's name.
    pub fn lm(&self) -> &str {
        &self.lm
    }

    /// The adapter that wrote the prompt and read the reply.
    pub fn adapter(&self) -> &str {
        self.adapter
    }

    /// The rung of the adapter's ladder, e.g. `json_schema`, `json_object` or `prompt`.
    pub fn mode(&self) -> &'static str {
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
