//! Several attempts, and one answer that weighs them.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::{LazyLock, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{
    Error, ErrorKind, Lm, Module, OnParseError, Predict, Prediction, Reasoned, Result, Signature,
    adapter::Adapter,
    field::{Field, Place},
    lm::Config,
    traverse::{Traverse, Walker, WalkerMut},
};

/// What the model writes before the signature's own outputs.
pub(super) const RATIONALE: Field = Field::output::<String>(
    "rationale",
    "which attempts are right, where the others go wrong, and what follows",
);

/// The most characters of an attempt's reasoning that the model sees.
const MOST: usize = 4_000;

/// Shows a model several attempts at a task and has it weigh them before it answers itself: for tasks at which one chain of
/// thought often goes wrong. It is DSPy's module of this name; its predictor has DSPy's fields (`reasoning_attempt_1`, ... and
/// `rationale`), so that its state files fit.
///
/// Its input is a [`Comparison`]: the task's input and exactly as many attempts as [`new`](Self::new) was told; another number is
/// an [`is_bad_input`](crate::Error::is_bad_input) error before any LM call. It runs at
/// temperature 0.7 unless told otherwise. Written with karat's public API alone.
///
/// ```
/// use karat::{ChainOfThought, Comparison, Module, MultiChainComparison, Reply, ScriptedLm, signature};
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
/// # let attempt = |answer: &str| Reply::fields([("reasoning", "I count"), ("answer", answer)]);
/// # let all = Reply::fields([("rationale", "two of three count right"), ("answer", "4")]);
/// # let lm = ScriptedLm::new([attempt("4").and(attempt("5")).and(attempt("4")), all]).lm();
/// let input = QaInput { question: "How many legs has a cat?".into() };
/// let attempts = ChainOfThought::<Qa>::new().n(3).lm(&lm).call(input.clone()).await?;
///
/// let compare = MultiChainComparison::<Qa>::new(3).lm(&lm);
/// let attempts: Vec<_> = attempts.completions().cloned().collect();
/// let answer = compare.call(Comparison { input, attempts }).await?;
/// assert_eq!((answer.answer.as_str(), answer.reasoning.as_str()), ("4", "two of three count right"));
/// # Ok(())
/// # }
/// ```
#[must_use = "its setters take it by value and return it"]
pub struct MultiChainComparison<S> {
    predict: Predict<S>,
    attempts: usize,
}

/// What [`MultiChainComparison`] takes: a task's input, and attempts at it.
#[derive(Clone, Debug)]
pub struct Comparison<I, O> {
    /// The input of the task.
    pub input: I,
    /// The attempts, e.g. the completions of a [`ChainOfThought`](crate::ChainOfThought) with `n`.
    pub attempts: Vec<Reasoned<O>>,
}

impl<S: Signature> MultiChainComparison<S> {
    /// A comparison of so many attempts.
    pub fn new(attempts: usize) -> Self {
        let inputs = (1..=attempts).map(|number| {
            Field::input::<String>(attempt_name(number), "an earlier attempt: its reasoning, then its answer")
        });
        let predict = inputs.fold(Predict::new(), |predict, field| predict.with_field(field, Place::Last));
        Self { predict: predict.with_field(RATIONALE, Place::First).temperature(0.7), attempts }
    }

    /// Sets its LM.
    pub fn lm(mut self, lm: &Lm) -> Self {
        self.predict = self.predict.lm(lm);
        self
    }

    /// Replaces the signature's instructions.
    pub fn instructions(mut self, instructions: impl Into<std::sync::Arc<str>>) -> Self {
        self.predict = self.predict.instructions(instructions);
        self
    }

    /// Sets how prompts are written and answers read.
    pub fn adapter(mut self, adapter: impl Adapter) -> Self {
        self.predict = self.predict.adapter(adapter);
        self
    }

    /// Sets what to do when an answer cannot be read.
    pub fn on_parse_error(mut self, rule: OnParseError) -> Self {
        self.predict = self.predict.on_parse_error(rule);
        self
    }

    /// Fixes how it generates: every value that the config has replaces its own.
    pub fn config(mut self, config: &Config) -> Self {
        self.predict = self.predict.config(config);
        self
    }

    /// Fixes its sampling temperature, in place of 0.7.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.predict = self.predict.temperature(temperature);
        self
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

impl<S: Signature> Module for MultiChainComparison<S> {
    type Input = Comparison<S::Input, S::Output>;
    type Output = Reasoned<S::Output>;

    async fn forward(&self, comparison: Self::Input) -> Result<Prediction<Reasoned<S::Output>>> {
        let Comparison { input, attempts } = comparison;
        if attempts.len() != self.attempts {
            let message = format!(
                "expected {} attempts, as `MultiChainComparison::new` was told, found {}",
                self.attempts,
                attempts.len()
            );
            return Err(Error::new(ErrorKind::BadInput, message));
        }
        let named = attempts.iter().enumerate();
        let shown: Result<Vec<(&str, Value)>> =
            named.map(|(index, attempt)| Ok((attempt_name(index + 1), text::<S>(attempt)?.into()))).collect();
        let prediction = self.predict.forward_with(input, &shown?).await?;
        prediction.try_map(|output, added| Ok(Reasoned { reasoning: added.get(RATIONALE.name())?, output }))
    }
}

/// An attempt as the model sees it: the reasoning, then a line for each output.
fn text<S: Signature>(attempt: &Reasoned<S::Output>) -> Result<String> {
    let reasoning = attempt.reasoning.trim();
    let mut text: String = reasoning.chars().take(MOST).collect();
    if text.len() < reasoning.len() {
        text += " [... cut ...]";
    }
    for (field, value) in S::spec().write_outputs(&attempt.output)? {
        let value = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        // Writing to a `String` does not fail.
        let _ = write!(text, "\n{}: {}", field.name(), value.trim());
    }
    Ok(text.trim_start().to_owned())
}

/// `reasoning_attempt_1`, ...: fields have static names, so that each is made once for the process.
fn attempt_name(number: usize) -> &'static str {
    static NAMES: LazyLock<Mutex<BTreeMap<usize, &'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.entry(number).or_insert_with(|| format!("reasoning_attempt_{number}").leak())
}

impl<S: Signature> Traverse for MultiChainComparison<S> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        walker.module(self);
        walker.field("predict", &self.predict);
    }

    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        walker.field("predict", &mut self.predict);
    }
}

impl<S> Clone for MultiChainComparison<S> {
    fn clone(&self) -> Self {
        Self { predict: self.predict.clone(), attempts: self.attempts }
    }
}

impl<S> fmt::Debug for MultiChainComparison<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MultiChainComparison").field(&self.predict).finish()
    }
}
