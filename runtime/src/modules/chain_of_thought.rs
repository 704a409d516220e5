//! Reasoning before the answer.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    Lm, Module, OnParseError, Predict, Prediction, Result, Signature,
    adapter::Adapter,
    field::{Field, Place},
    lm::{Answer, Config},
    traverse::{Traverse, Walker, WalkerMut},
};

/// The field that the model writes before the signature's own outputs.
pub(super) const REASONING: Field = Field::output::<String>("reasoning", "the steps that lead to the answer");

/// Has the model reason step by step before it writes the signature's outputs.
///
/// The signature itself is not touched: `reasoning` is a field that this module adds. A signature that has an output of that
/// name is a compile error where a `#[module]` struct holds it, and an [`is_config`](crate::Error::is_config) error of the first
/// call elsewhere.
#[must_use = "its setters take it by value and return it"]
pub struct ChainOfThought<S> {
    predict: Predict<S>,
}

/// An output with the reasoning that led to it; the output's fields are reached by `Deref`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reasoned<O> {
    /// The steps that led to the answer.
    pub reasoning: String,
    /// The signature's own output.
    pub output: O,
}

/// What a model writes of it: the reasoning, then the output's fields.
impl<O: Answer> Answer for Reasoned<O> {
    fn into_fields(self) -> Result<Vec<(String, Value)>> {
        let mut fields = self.output.into_fields()?;
        fields.insert(0, (REASONING.name().to_owned(), self.reasoning.into()));
        Ok(fields)
    }
}

impl<O> Deref for Reasoned<O> {
    type Target = O;

    fn deref(&self) -> &O {
        &self.output
    }
}

impl<O> DerefMut for Reasoned<O> {
    fn deref_mut(&mut self) -> &mut O {
        &mut self.output
    }
}

impl<S: Signature> ChainOfThought<S> {
    /// A predictor of the signature with `reasoning` before its outputs; set otherwise like [`Predict::new`].
    pub fn new() -> Self {
        Self { predict: Predict::new().with_field(REASONING, Place::First) }
    }

    fn with(self, set: impl FnOnce(Predict<S>) -> Predict<S>) -> Self {
        Self { predict: set(self.predict) }
    }

    /// Adds a worked example; its reasoning is shown as not given.
    pub fn demo(self, demo: S) -> Self {
        self.with(|predict| predict.demo(demo))
    }

    /// Adds worked examples; their reasoning is shown as not given.
    pub fn demos(self, demos: Vec<S>) -> Self {
        self.with(|predict| predict.demos(demos))
    }

    /// Adds a worked example with its reasoning.
    pub fn reasoned_demo(self, reasoning: impl Into<String>, demo: S) -> Self {
        let reasoning = reasoning.into();
        self.with(|predict| predict.demo_with(demo, &[(REASONING.name(), reasoning.into())]))
    }

    /// Replaces the signature's instructions.
    pub fn instructions(self, instructions: impl Into<Arc<str>>) -> Self {
        self.with(|predict| predict.instructions(instructions))
    }

    /// Sets its LM.
    pub fn lm(self, lm: &Lm) -> Self {
        self.with(|predict| predict.lm(lm))
    }

    /// Sets how prompts are written and answers read.
    pub fn adapter(self, adapter: impl Adapter) -> Self {
        self.with(|predict| predict.adapter(adapter))
    }

    /// Sets what to do when an answer cannot be read.
    pub fn on_parse_error(self, rule: OnParseError) -> Self {
        self.with(|predict| predict.on_parse_error(rule))
    }

    /// Fixes its sampling temperature, against the LM's and against that of rollouts.
    pub fn temperature(self, temperature: f64) -> Self {
        self.with(|predict| predict.temperature(temperature))
    }

    /// Sets the most tokens to generate per completion.
    pub fn max_tokens(self, tokens: u32) -> Self {
        self.with(|predict| predict.max_tokens(tokens))
    }

    /// Sets how many completions to ask for; see [`Prediction::completions`].
    pub fn n(self, completions: u32) -> Self {
        self.with(|predict| predict.n(completions))
    }

    /// Adds a text at which generation ends.
    pub fn stop(self, text: impl Into<String>) -> Self {
        self.with(|predict| predict.stop(text))
    }

    /// Fixes the sampler's seed.
    pub fn seed(self, seed: u64) -> Self {
        self.with(|predict| predict.seed(seed))
    }

    /// Fixes how it generates: every value that the config has replaces its own.
    pub fn config(self, config: &Config) -> Self {
        self.with(|predict| predict.config(config))
    }

    /// [`call`](Module::call) with a config for this call alone; see [`Predict::call_with`].
    ///
    /// # Errors
    /// As [`Module::call`]'s.
    pub async fn call_with(
        &self,
        input: S::Input,
        config: &Config,
    ) -> Result<Prediction<Reasoned<S::Output>>> {
        self.clone().config(config).call(input).await
    }

    /// Sets any further parameter of the provider.
    pub fn param(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|predict| predict.param(name, value))
    }

    /// The predictor inside.
    pub fn predict(&self) -> &Predict<S> {
        &self.predict
    }

    /// The predictor inside, to be changed.
    pub fn predict_mut(&mut self) -> &mut Predict<S> {
        &mut self.predict
    }
}

impl<S: Signature> Module for ChainOfThought<S> {
    type Input = S::Input;
    type Output = Reasoned<S::Output>;

    async fn forward(&self, input: S::Input) -> Result<Prediction<Reasoned<S::Output>>> {
        let prediction = self.predict.forward_with(input, &[]).await?;
        prediction.try_map(|output, added| Ok(Reasoned { reasoning: added.get(REASONING.name())?, output }))
    }
}

impl<S: Signature> Traverse for ChainOfThought<S> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        walker.module(self);
        walker.field("predict", &self.predict);
    }

    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        walker.field("predict", &mut self.predict);
    }
}

impl<S: Signature> Default for ChainOfThought<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for ChainOfThought<S> {
    fn clone(&self) -> Self {
        Self { predict: self.predict.clone() }
    }
}

impl<S> fmt::Debug for ChainOfThought<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChainOfThought").field(&self.predict).finish()
    }
}
