//! [`Prediction`]: a module's typed output, with the usage, trace and rollouts of its run.

use std::{
    borrow::Cow,
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use karat_lm::{Error, Result, Rollout, Trace, Usage};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{field::read_value, json::Repairs};

/// A module's output, with field access by `Deref`, and the usage, trace, rollouts and reward of the run that gave it.
///
/// A field is read in place (`prediction.answer.len()`), cloned, or moved out of the whole output: `prediction.into_inner().answer`.
/// The compiler's error E0507, "cannot move out of dereference of `Prediction<..>`", means that `into_inner()` is missing.
///
/// ```
/// use karat::Prediction;
///
/// struct Answer {
///     text: String,
/// }
///
/// let prediction = Prediction::new(Answer { text: "Paris".into() });
/// assert_eq!(prediction.text, "Paris");                     // plain field access
/// let length = prediction.map(|answer| answer.text.len());  // the rest goes along
/// assert_eq!(length.into_inner(), 5);
/// ```
#[derive(Clone)]
pub struct Prediction<O> {
    first: Completed<O>,
    others: Vec<Completed<O>>,
    about: Box<About>,
}

/// One completion: the output, the fields that a module added to the signature, and how it was read.
#[derive(Clone)]
struct Completed<O> {
    output: O,
    added: Vec<(Cow<'static, str>, Value)>,
    reading: Reading,
}

/// How a completion was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) repairs: Vec<(Cow<'static, str>, Repairs)>,
    pub(crate) reasoning: Option<String>,
    /// The rung of the adapter's ladder on which the answer was asked for.
    pub(crate) mode: Option<&'static str>,
}

#[derive(Clone, Default)]
struct About {
    usage: Usage,
    trace: Trace,
    rollouts: Arc<[Rollout]>,
    reward: Option<f64>,
    stop: Option<Stop>,
}

/// Why a [`BestOfN`](crate::BestOfN) or a [`Refine`](crate::Refine) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// A reward reached the threshold.
    Threshold,
    /// All rollouts ran.
    Completed,
    /// The deadline passed; the prediction is the best until then.
    Deadline,
    /// A [`Budget`](crate::Budget) was used up; the prediction is the best until then.
    Budget,
}

/// In words: `a reward reached the threshold`.
impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Threshold => "a reward reached the threshold",
            Self::Completed => "all rollouts ran",
            Self::Deadline => "the deadline passed",
            Self::Budget => "the budget was used up",
        })
    }
}

/// The added fields' values of one completion, as [`Prediction::try_map`] shows them.
#[derive(Clone, Copy, Debug)]
pub struct Added<'a> {
    values: &'a [(Cow<'static, str>, Value)],
}

impl Added<'_> {
    /// The value of a field that was added to the signature.
    ///
    /// # Errors
    /// [`is_parse`](Error::is_parse): absent, or of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let value = self.values.iter().find(|(added, _)| *added == name).map(|(_, value)| value.clone());
        read_value(name, value)
    }
}

impl<O> Prediction<O> {
    /// A prediction of this output, without usage, trace or rollouts; [`Module::call`](crate::Module::call) adds what it knows.
    pub fn new(output: O) -> Self {
        Self::from_completion(output, Vec::new(), Reading::default())
    }

    pub(crate) fn from_completion(
        output: O,
        added: Vec<(Cow<'static, str>, Value)>,
        reading: Reading,
    ) -> Self {
        Self { first: Completed { output, added, reading }, others: Vec::new(), about: Box::default() }
    }

    pub(crate) fn push_completion(
        &mut self,
        output: O,
        added: Vec<(Cow<'static, str>, Value)>,
        reading: Reading,
    ) {
        self.others.push(Completed { output, added, reading });
    }

    /// The output itself, to move its fields: `let answer = prediction.into_inner().answer;`.
    pub fn into_inner(self) -> O {
        self.first.output
    }

    /// The outputs of all completions (more than one where `n` was above 1), this prediction's own first.
    pub fn completions(&self) -> impl Iterator<Item = &O> {
        std::iter::once(&self.first).chain(&self.others).map(|completed| &completed.output)
    }

    /// Keeps only the completion `index`, counted as in [`completions`](Prediction::completions); does nothing if `index` is out
    /// of range.
    #[must_use]
    pub fn only(mut self, index: usize) -> Self {
        if index > 0 && index <= self.others.len() {
            self.first = self.others.swap_remove(index - 1);
            self.others.clear();
        } else if index == 0 {
            self.others.clear();
        }
        self
    }

    /// The repairs of the model's text that reading it took, by output field; empty where the text was as it should be.
    ///
    /// ```
    /// use karat::{JsonAdapter, Module, Predict, ScriptedLm, field::Repair, signature};
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
    /// let lm = ScriptedLm::new([karat::Reply::text("Here you are: {'answer': 'Paris',}")]).lm();
    /// let qa = Predict::<Qa>::new().adapter(JsonAdapter).lm(&lm);
    /// let answer = qa.call(QaInput { question: "Capital of France?".into() }).await?;
    /// let (field, repairs) = &answer.repairs()[0];
    /// assert!(field == "answer" && repairs.contains(Repair::Quotes) && repairs.contains(Repair::ExtraComma));
    /// # Ok(())
    /// # }
    /// ```
    pub fn repairs(&self) -> &[(Cow<'static, str>, Repairs)] {
        &self.first.reading.repairs
    }

    /// The form in which the answer was asked for: the rung of the adapter's ladder, `json_schema`, `json_object` or `prompt` (the
    /// prompt alone). `None` for a prediction that no predictor made.
    ///
    /// The trace shows for each call whether the schema was enforced [to the letter](crate::trace::CallRecord::is_strict), and which
    /// rungs were refused.
    ///
    /// ```
    /// use karat::{JsonAdapter, Module, Predict, ScriptedLm, signature};
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
    /// let lm = ScriptedLm::new([karat::Reply::text(r#"{"answer": "Paris"}"#)]).lm();
    /// let qa = Predict::<Qa>::new().adapter(JsonAdapter).lm(&lm);
    /// let answer = qa.call(QaInput { question: "Capital of France?".into() }).await?;
    /// assert_eq!(answer.mode(), Some("json_schema"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn mode(&self) -> Option<&'static str> {
        self.first.reading.mode
    }

    /// The model's reasoning, where the model or the provider gave it apart from the answer. No field is read from it.
    pub fn model_reasoning(&self) -> Option<&str> {
        self.first.reading.reasoning.as_deref()
    }

    /// The usage of all LM calls of the run, those of lost rollouts, rewards and advice included.
    pub fn usage(&self) -> Usage {
        self.about.usage
    }

    /// The steps of the run's predictors; of rollouts, the chosen one's. Filled by the outermost call.
    pub fn trace(&self) -> &Trace {
        &self.about.trace
    }

    /// Every rollout of the [`BestOfN`](crate::BestOfN) or [`Refine`](crate::Refine) that made the prediction, by index.
    pub fn rollouts(&self) -> &[Rollout] {
        &self.about.rollouts
    }

    /// The chosen rollout's reward.
    pub fn reward(&self) -> Option<f64> {
        self.about.reward
    }

    /// Why the rollouts ended; `None` where there were none.
    pub fn stop_reason(&self) -> Option<Stop> {
        self.about.stop
    }

    /// The value of a field that a module added to the signature, e.g. a `reasoning`.
    ///
    /// # Errors
    /// [`is_parse`](Error::is_parse): absent, or of another type.
    pub fn added<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        Added { values: &self.first.added }.get(name)
    }

    /// The same prediction of another output; the rest goes along.
    pub fn map<P>(self, mut to: impl FnMut(O) -> P) -> Prediction<P> {
        let mut map = |Completed { output, added, reading }: Completed<O>| Completed {
            output: to(output),
            added,
            reading,
        };
        let first = map(self.first);
        Prediction { first, others: self.others.into_iter().map(map).collect(), about: self.about }
    }

    /// [`map`](Prediction::map) for a function that may fail and that sees the added fields of each completion.
    ///
    /// # Errors
    /// The function's, at the first completion; later completions that fail are left out.
    pub fn try_map<P>(self, mut to: impl FnMut(O, Added<'_>) -> Result<P>) -> Result<Prediction<P>> {
        let mut map = |completed: Completed<O>| -> Result<Completed<P>> {
            let Completed { output, added, reading } = completed;
            Ok(Completed { output: to(output, Added { values: &added })?, added, reading })
        };
        let first = map(self.first)?;
        let others = self.others.into_iter().filter_map(|completed| map(completed).ok()).collect();
        Ok(Prediction { first, others, about: self.about })
    }

    /// The same prediction with this usage.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.about.usage = usage;
        self
    }

    /// The same prediction with this trace.
    #[must_use]
    pub fn with_trace(mut self, trace: Trace) -> Self {
        self.about.trace = trace;
        self
    }

    /// The same prediction with the report of the rollouts that it was chosen from.
    #[must_use]
    pub fn with_rollouts(mut self, rollouts: impl Into<Arc<[Rollout]>>, stop: Stop) -> Self {
        self.about.rollouts = rollouts.into();
        self.about.stop = Some(stop);
        self.about.reward =
            self.about.rollouts.iter().find(|rollout| rollout.is_chosen()).and_then(Rollout::reward);
        self
    }
}

impl<O> Deref for Prediction<O> {
    type Target = O;

    fn deref(&self) -> &O {
        &self.first.output
    }
}

impl<O> DerefMut for Prediction<O> {
    fn deref_mut(&mut self) -> &mut O {
        &mut self.first.output
    }
}

impl<O: fmt::Debug> fmt::Debug for Prediction<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Prediction");
        out.field("output", &self.first.output);
        if let Some(reward) = self.about.reward {
            out.field("reward", &reward);
        }
        out.field("usage", &self.about.usage).finish_non_exhaustive()
    }
}

#[diagnostic::on_unimplemented(
    message = "`forward` cannot return `{Self}`",
    label = "expected `karat::Result<Prediction<T>>`",
    note = "wrap a plain output with `Prediction::new(output)`, and an error of your own with `karat::Error::other(error)`"
)]
/// The return type of a `forward`, by which the macro finds the output's type behind any alias of `Result`.
pub trait ForwardOutput {
    /// The `T` of `Result<Prediction<T>>`.
    type Output;
}

impl<O> ForwardOutput for std::result::Result<Prediction<O>, Error> {
    type Output = O;
}
