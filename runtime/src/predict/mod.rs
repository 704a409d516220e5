//! [`Predict`]: asks one LM for the outputs of one signature; all other modules are made of it.

mod engine;
mod finish;
mod ladder;
mod late_reasoning;
mod live;
mod mentions;
mod on_parse_error;
mod pieces;
mod predictor;
mod reasoning;
mod rollout;
mod run_settings;
mod splitter;
mod violation;

use std::{fmt, marker::PhantomData, sync::Arc};

use karat_lm::{Config, Error, ErrorKind, Lm, Prompt, Result};
use serde_json::Value;

pub(crate) use self::predictor::FieldText;
use self::{
    engine::{CallInputs, ReadCompletion},
    predictor::PredictorState,
};
pub use self::{on_parse_error::OnParseError, predictor::Predictor};
use crate::{
    adapter::{Adapter, Demo},
    field::{Field, FieldRole},
    module::{Module, Traverse, Walker, WalkerMut},
    prediction::Prediction,
    signature::{Place, Signature, Slot},
};

/// Asks an LM for a signature's outputs: the module of which all others are made.
///
/// Setters take it by value. A copy shares its state and costs a few reference counts; what is then set on the copy leaves
/// the original as it is.
///
/// ```
/// use karat::{Module, Predict, Reply, ScriptedLm, signature};
///
/// /// Name the capital.
/// #[signature]
/// struct Capital {
///     #[input]
///     country: String,
///     #[output]
///     city: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let lm = ScriptedLm::new([Reply::fields([("city", "Paris")])]).lm();
/// let capital = Predict::<Capital>::new()
///     .demo(Capital { country: "Peru".into(), city: "Lima".into() })
///     .lm(&lm);
/// let answer = capital.call(CapitalInput { country: "France".into() }).await?;
/// assert_eq!(answer.city, "Paris");
/// # Ok(())
/// # }
/// ```
#[must_use = "its setters take it by value and return it"]
pub struct Predict<S> {
    predictor: Predictor,
    signature: PhantomData<fn() -> S>,
}

impl<S: Signature> Predict<S> {
    /// A predictor with the signature's own instructions, no demos, no LM of its own, and [`ChatAdapter`](crate::ChatAdapter).
    pub fn new() -> Self {
        Self { predictor: Predictor::new::<S>(), signature: PhantomData }
    }

    /// Adds a worked example.
    pub fn demo(self, demo: S) -> Self {
        self.demo_with(demo, &[])
    }

    /// Adds worked examples.
    pub fn demos(self, demos: Vec<S>) -> Self {
        demos.into_iter().fold(self, |predict, demo| predict.demo_with(demo, &[]))
    }

    /// For module authors: adds a worked example with the values of fields that were added to the signature.
    pub fn demo_with(mut self, demo: S, added: &[(&str, Value)]) -> Self {
        let demo = self.take_apart(demo, added);
        if let Some(demo) = self.predictor.remember(demo) {
            self.predictor.change_prompt(|state| Arc::make_mut(&mut state.demos).push(demo));
        }
        self
    }

    fn take_apart(&self, demo: S, added: &[(&str, Value)]) -> Result<Demo> {
        let PredictorState { spec, layout, .. } = &*self.predictor.state;
        let (input, output) = demo.split();
        let values = |role, own| layout.slots(role).iter().zip(layout.spread(role, own, added));
        let inputs = values(FieldRole::Input, spec.write(FieldRole::Input, &input)?);
        let outputs = values(FieldRole::Output, spec.write(FieldRole::Output, &output)?);
        let named = |(slot, value): (&Slot, Option<Value>)| Some((slot.name().to_owned(), value?));
        Ok(Demo::of(layout, inputs.chain(outputs).filter_map(named).collect()))
    }

    /// Replaces the signature's instructions.
    pub fn instructions(mut self, instructions: impl Into<Arc<str>>) -> Self {
        self.predictor.set_instructions(instructions);
        self
    }

    /// Sets its LM. It stays when a [state](crate::State) is loaded, unless the state's
    /// [`take_lm`](crate::State::take_lm) is set.
    pub fn lm(mut self, lm: &Lm) -> Self {
        self.predictor.set_lm(lm);
        self
    }

    /// Sets the adapter, which writes the prompts and reads the answers.
    pub fn adapter(mut self, adapter: impl Adapter) -> Self {
        self.predictor.set_adapter(Arc::new(adapter));
        self
    }

    /// Sets what to do when an answer cannot be read.
    pub fn on_parse_error(mut self, rule: OnParseError) -> Self {
        self.predictor.change_prompt(|state| state.on_parse_error = rule);
        self
    }

    /// Fixes its sampling temperature, whatever the LM and rollouts set.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.predictor.change(|state| state.config.temperature = Some(temperature));
        self
    }

    /// Sets the most tokens to generate per completion.
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.predictor.change(|state| state.config.max_tokens = Some(tokens));
        self
    }

    /// Sets how many completions to ask for; see [`Prediction::completions`].
    pub fn n(mut self, completions: u32) -> Self {
        self.predictor.change(|state| state.config.n = Some(completions));
        self
    }

    /// Adds a text at which generation ends.
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.predictor.change(|state| state.config.stop.push(text.into()));
        self
    }

    /// Fixes the sampler's seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.predictor.change(|state| state.config.seed = Some(seed));
        self
    }

    /// Fixes its generation settings: every value that the config has replaces its own.
    pub fn config(mut self, config: &Config) -> Self {
        self.predictor.change(|state| state.config = state.config.overridden_by(config));
        self
    }

    /// Sets a further parameter by the provider's name for it.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.predictor.change(|state| {
            state.config.params.insert(name.into(), value.into());
        });
        self
    }

    /// For module authors: adds a field to the signature as this predictor sees it, as
    /// [`ChainOfThought`](crate::ChainOfThought) adds its `reasoning`. See [`Predictor::add_field`]; a name that the
    /// signature has is an [`is_config`](Error::is_config) error of the first call.
    pub fn with_field(mut self, field: Field, place: Place) -> Self {
        let added = self.predictor.add_field(field, place);
        self.predictor.remember(added);
        self
    }

    /// [`call`](Module::call) with a config for this call alone: every value that it has replaces the predictor's and the LM's.
    ///
    /// ```
    /// use karat::{Predict, Reply, ScriptedLm, lm::Config, signature};
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
    /// let lm = ScriptedLm::new([Reply::fields([("answer", "4")])]);
    /// let qa = Predict::<Qa>::new().lm(&lm.lm()).temperature(0.2);
    /// let config = Config::new().temperature(0.9).max_tokens(20);
    /// qa.call_with(QaInput { question: "2 + 2?".into() }, &config).await?;
    /// assert_eq!(lm.requests()[0].config.temperature, Some(0.9));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Module::call`]'s.
    pub async fn call_with(&self, input: S::Input, config: &Config) -> Result<Prediction<S::Output>> {
        self.clone().config(config).call(input).await
    }

    /// For module authors: [`forward`](Module::forward) with values for input fields that were added.
    ///
    /// # Errors
    /// As [`Module::call`]'s; [`is_config`](Error::is_config) for a name that was not added.
    pub async fn forward_with(
        &self,
        input: S::Input,
        added: &[(&str, Value)],
    ) -> Result<Prediction<S::Output>> {
        let state = &self.predictor.state;
        let unknown = added.iter().find(|(name, _)| {
            !state.layout.inputs.iter().any(|slot| slot.own.is_none() && slot.name() == *name)
        });
        if let Some((name, _)) = unknown {
            let message = format!("no input field `{name}` was added: add it with `with_field` first");
            return Err(Error::config(message).with_field(*name).with_predictor(self.predictor.path()));
        }
        let given =
            self.call_inputs(&input, added).map_err(|error| error.with_predictor(self.predictor.path()))?;
        let mut prediction: Option<Prediction<S::Output>> = None;
        let mut accept = |answer: ReadCompletion| {
            let (own, added) = state.layout.gather(FieldRole::Output, answer.values);
            let output = state.spec.read_outputs(own)?;
            match &mut prediction {
                None => prediction = Some(Prediction::from_completion(output, added, answer.about)),
                Some(prediction) => prediction.push_completion(output, added, answer.about),
            }
            Ok(())
        };
        let usage = engine::run(&self.predictor, given, &mut accept).await?;
        match prediction {
            Some(prediction) => Ok(prediction.with_usage(usage)),
            None => Err(Error::new(ErrorKind::BadResponse, "the model returned no completion")),
        }
    }

    /// The exact messages that a call with this input would send first.
    ///
    /// # Errors
    /// [`is_bad_input`](Error::is_bad_input): an input value has no JSON form.
    pub fn prompt(&self, input: &S::Input) -> Result<Prompt> {
        Ok(engine::first_prompt(&self.predictor, &self.call_inputs(input, &[])?))
    }

    /// Reads a model's text as a call with this input would; for tests of prompts and adapters.
    ///
    /// # Errors
    /// [`is_parse`](Error::is_parse): the text cannot be read as the output fields, or a value breaks a rule of its field;
    /// [`is_config`](Error::is_config): the rules of a field cannot be kept.
    pub fn parse(&self, input: &S::Input, text: &str) -> Result<S::Output> {
        let values = engine::read(&self.predictor, &self.call_inputs(input, &[])?, text)?;
        self.predictor
            .state
            .spec
            .read_outputs(self.predictor.state.layout.gather(FieldRole::Output, values).0)
    }

    fn call_inputs(&self, input: &S::Input, added: &[(&str, Value)]) -> Result<CallInputs> {
        let PredictorState { spec, layout, .. } = &*self.predictor.state;
        let own = spec.write(FieldRole::Input, input)?;
        Ok(CallInputs { values: layout.spread(FieldRole::Input, own, added) })
    }

    /// The untyped part: state and run settings.
    pub fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    /// The untyped part, mutably.
    pub fn predictor_mut(&mut self) -> &mut Predictor {
        &mut self.predictor
    }
}

impl<S: Signature> Module for Predict<S> {
    type Input = S::Input;
    type Output = S::Output;

    async fn forward(&self, input: S::Input) -> Result<Prediction<S::Output>> {
        self.forward_with(input, &[]).await
    }
}

impl<S: Signature> Traverse for Predict<S> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        walker.module(self);
        walker.parameter(&self.predictor);
    }

    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        walker.parameter(&mut self.predictor);
    }
}

impl<S: Signature> Default for Predict<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for Predict<S> {
    fn clone(&self) -> Self {
        Self { predictor: self.predictor.clone(), signature: PhantomData }
    }
}

impl<S> fmt::Debug for Predict<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Predict").field(&self.predictor).finish()
    }
}
