//! Records of a run: the steps of its predictors and their LM calls.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{Error, Usage};

/// What the predictors of one run did, in the order in which they finished. A copy of it shares the steps.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub(crate) steps: Arc<Vec<Step>>,
}

impl Trace {
    /// The steps, in the order in which they finished.
    pub fn steps(&self) -> &[Step] {
        &self.steps
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
