//! The layers of a handle, kept as settings, and their order around the model.

use std::sync::{Arc, OnceLock};

use crate::{
    layers::{Cache, Limits, record::Recorder, retry::Policy},
    model::{LanguageModel, Layer, Next},
};

/// The layers of a handle as settings, the innermost first; the stack of them is built at the first request.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    /// Records requests and their outcomes.
    recorder: Option<Arc<Recorder>>,
    /// Limits of the endpoint: each sent request is admitted by itself.
    limits: Option<Limits>,
    /// Retries and the deadline.
    policy: Policy,
    /// Answers requests that were answered before.
    cache: Option<Cache>,
    /// The user's own, in the order in which they were added.
    own: Vec<Arc<dyn Layer>>,
    /// Built at the first request; cleared by every change of a setting.
    stack: OnceLock<Arc<[Arc<dyn Layer>]>>,
}

impl Layers {
    pub(crate) fn set_recorder(&mut self, recorder: Recorder) {
        self.recorder = Some(Arc::new(recorder));
        self.invalidate();
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = Some(limits);
        self.invalidate();
    }

    pub(crate) fn set_cache(&mut self, cache: Cache) {
        self.cache = Some(cache);
        self.invalidate();
    }

    pub(crate) fn add(&mut self, layer: Arc<dyn Layer>) {
        self.own.push(layer);
        self.invalidate();
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn set_policy(&mut self, set: impl FnOnce(&mut Policy)) {
        set(&mut self.policy);
        self.invalidate();
    }

    /// Clears the stack, so that it is built again; needed after a change of the model too.
    pub(crate) fn invalidate(&mut self) {
        self.stack = OnceLock::new();
    }

    /// The model with its layers around it.
    pub(crate) fn around<'a>(&'a self, model: &'a dyn LanguageModel) -> Next<'a> {
        Next::new(model, self.stack.get_or_init(|| self.build(model)))
    }

    fn build(&self, model: &dyn LanguageModel) -> Arc<[Arc<dyn Layer>]> {
        let recorder = self.recorder.clone().map(|recorder| recorder as Arc<dyn Layer>);
        let limits = self.limits.clone().map(|limits| Arc::new(limits) as Arc<dyn Layer>);
        let retries = self.policy.layer(model).map(|retries| Arc::new(retries) as Arc<dyn Layer>);
        let cache = self.cache.as_ref().map(|cache| Arc::new(cache.layer()) as Arc<dyn Layer>);
        [recorder, limits, retries, cache].into_iter().flatten().chain(self.own.iter().cloned()).collect()
    }
}

/// Equal if they are set the same: clones of the same cache, limits, recording and layers of the user's own, and equal retries.
impl PartialEq for Layers {
    fn eq(&self, other: &Self) -> bool {
        let Self { recorder, limits, policy, cache, own, stack: _ } = self;
        let same_own = || own.iter().zip(&other.own).all(|(one, other)| Arc::ptr_eq(one, other));
        recorder.as_ref().map(Arc::as_ptr) == other.recorder.as_ref().map(Arc::as_ptr)
            && (limits, policy, cache) == (&other.limits, &other.policy, &other.cache)
            && own.len() == other.own.len()
            && same_own()
    }
}
