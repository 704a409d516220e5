//! [`Run`]: the settings of one run, on the predictors of its copy of a module.

use std::sync::Arc;

use karat_lm::{Caller, CallerId};
use serde_json::Value;

use super::predictor::Predictor;
use crate::{field::Field, run::Tracer, stream::Listener};

/// The settings of one run.
#[derive(Clone, Default)]
pub(super) struct Run {
    pub(super) tracer: Option<Tracer>,
    listener: Option<Listener>,
    pub(super) path: Option<Arc<str>>,
    pub(super) rollout_id: Option<u64>,
    pub(super) rollout_room: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) inputs: Arc<[(Field, Value)]>,
}

/// The settings of one run on a copy. Wrappers use them; so can any module author: clone the module, set them on
/// [`named_predictors_mut`](crate::Module::named_predictors_mut), run the copy.
impl Predictor {
    /// The path from the root of the outermost module that is being called; `self` where none is set.
    pub fn path(&self) -> Arc<str> {
        self.run.path.clone().unwrap_or_else(|| "self".into())
    }

    /// Identifies it to the LMs that it calls. A clone is the same caller; a [deep copy](crate::Module::deepcopy) is not.
    pub fn caller(&self) -> Caller {
        Caller::new(self.path(), self.id)
    }

    pub(crate) fn renew_caller(&mut self) {
        self.id = CallerId::unique();
    }

    /// The tracer that records its runs.
    pub fn tracer(&self) -> Option<&Tracer> {
        self.run.tracer.as_ref()
    }

    /// Sets the tracer that records its runs. The path stays if an outer run has set one.
    pub fn set_tracer(&mut self, tracer: &Tracer, path: &str) {
        self.run.tracer = Some(tracer.clone());
        self.run.path.get_or_insert_with(|| path.into());
    }

    /// The listener that gets its events.
    pub fn listener(&self) -> Option<&Listener> {
        self.run.listener.as_ref()
    }

    /// Sets the listener that gets its events, word by word: its LM is asked to [stream](crate::LanguageModel::call) the answer.
    pub fn set_listener(&mut self, listener: &Listener) {
        self.run.listener = Some(listener.clone());
    }

    /// The id at which rollouts of this predictor begin to count: an outer rollout's, else its own, else its LM's, else 0.
    pub fn rollout_id(&self) -> u64 {
        let lm = || self.any_lm().and_then(|lm| lm.config().rollout_id);
        self.run.rollout_id.or(self.state.config.rollout_id).or_else(lm).unwrap_or(0)
    }

    /// Sets the rollout id of the run.
    pub fn set_rollout_id(&mut self, id: u64) {
        self.run.rollout_id = Some(id);
    }

    /// How many ids from [`rollout_id`](Predictor::rollout_id) on are this run's own; `None` outside of rollouts: without limit.
    pub fn rollout_room(&self) -> Option<u64> {
        self.run.rollout_room
    }

    /// Sets the rollout id of the run, and how many ids from it on no other rollout uses.
    pub fn set_rollout_ids(&mut self, first: u64, room: u64) {
        self.run.rollout_id = Some(first);
        self.run.rollout_room = Some(room);
    }

    /// The temperature that an outer rollout has set.
    pub fn run_temperature(&self) -> Option<f64> {
        self.run.temperature
    }

    /// Sets the temperature of the run. It replaces the LM's; one that the predictor fixed for itself stays.
    pub fn set_run_temperature(&mut self, temperature: f64) {
        self.run.temperature = Some(temperature);
    }

    /// Adds an input to this run alone: the model sees it in the last message, and no task, trace or demo has it. One of the
    /// same name is replaced.
    pub fn set_run_input(&mut self, field: Field, value: impl Into<Value>) {
        let others = self.run.inputs.iter().filter(|(other, _)| other.name() != field.name());
        let mut inputs: Vec<_> = others.cloned().collect();
        inputs.push((field, value.into()));
        self.run.inputs = inputs.into();
    }

    /// The inputs of this run alone.
    pub fn run_inputs(&self) -> &[(Field, Value)] {
        &self.run.inputs
    }
}
