//! Rewards: a closure, a `#[reward] fn`, or a type that may ask an LM scores a prediction.

use std::{any::type_name, fmt, future::Future, ops::Deref, sync::Arc};

use karat_lm::{BoxFuture, Error, ErrorKind, Result};

use crate::{
    module::{Traverse, WalkerMut},
    prediction::Prediction,
    run::Tracer,
};

/// A prediction's score: the higher the better, with feedback text where there is some.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "its setters take it by value and return it"]
pub struct Score {
    value: f64,
    feedback: Option<String>,
    source: Option<&'static str>,
}

impl Score {
    /// A score without text.
    pub fn new(value: f64) -> Self {
        Self { value, feedback: None, source: None }
    }

    /// Adds text about it; [`Refine`](crate::Refine) gives it to the predictors.
    pub fn with_feedback(mut self, feedback: impl Into<String>) -> Self {
        self.feedback = Some(feedback.into());
        self
    }

    /// Adds the source text of the reward that gave it; [`Refine`](crate::Refine) shows it to its critic.
    pub fn with_source(mut self, source: &'static str) -> Self {
        self.source = Some(source);
        self
    }

    /// The number.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The text about it.
    pub fn feedback(&self) -> Option<&str> {
        self.feedback.as_deref()
    }

    /// The source text of the reward that gave it.
    pub fn source(&self) -> Option<&'static str> {
        self.source
    }
}

/// A return type of reward functions: `bool` (1 or 0), a number, a pair of one with feedback, [`Score`], or a `Result` of
/// one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reward",
    label = "expected `bool`, `f64`, `(f64, feedback)`, `Score`, or a `Result` of one",
    note = "for a reward that has to `.await`, implement `karat::Reward` for a `#[module]` struct and pass it to `with_reward`"
)]
pub trait IntoScore {
    /// The score.
    ///
    /// # Errors
    /// The reward's own.
    fn into_score(self) -> Result<Score>;
}

impl IntoScore for Score {
    fn into_score(self) -> Result<Score> {
        Ok(self)
    }
}

impl IntoScore for f64 {
    fn into_score(self) -> Result<Score> {
        Ok(Score::new(self))
    }
}

impl IntoScore for f32 {
    fn into_score(self) -> Result<Score> {
        f64::from(self).into_score()
    }
}

impl IntoScore for bool {
    fn into_score(self) -> Result<Score> {
        f64::from(u8::from(self)).into_score()
    }
}

impl<N: IntoScore, T: Into<String>> IntoScore for (N, T) {
    fn into_score(self) -> Result<Score> {
        Ok(self.0.into_score()?.with_feedback(self.1))
    }
}

impl<N: IntoScore, E: Into<Box<dyn std::error::Error + Send + Sync>>> IntoScore for Result<N, E> {
    fn into_score(self) -> Result<Score> {
        self.map_err(Error::other)?.into_score()
    }
}

/// The return type of a [`#[reward]`](macro@crate::reward) function: its value, and the source text of the function.
#[derive(Clone, Debug)]
pub struct Sourced<R> {
    value: R,
    source: &'static str,
}

impl<R> Sourced<R> {
    /// A value and the source text of the function that gave it.
    pub fn new(value: R, source: &'static str) -> Self {
        Self { value, source }
    }

    /// The value alone.
    pub fn into_inner(self) -> R {
        self.value
    }
}

impl<R> Deref for Sourced<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.value
    }
}

impl<R: PartialEq> PartialEq<R> for Sourced<R> {
    fn eq(&self, other: &R) -> bool {
        self.value == *other
    }
}

impl<R: IntoScore> IntoScore for Sourced<R> {
    fn into_score(self) -> Result<Score> {
        Ok(self.value.into_score()?.with_source(self.source))
    }
}

/// A reward of a type of its own: for one that has to `.await`, such as an LM judge.
///
/// The type is a `#[module]` struct, so that each rollout has a copy of it whose LM calls are counted in the usage; they are
/// not in the trace.
///
/// ```
/// use karat::{BestOfN, Module, Predict, Prediction, Reply, Result, Reward, Score, ScriptedLm, module, signature};
///
/// #[signature]
/// struct Joke {
///     #[input]
///     topic: String,
///     #[output]
///     joke: String,
/// }
///
/// /// Rate the joke from 0 to 10.
/// #[signature]
/// struct Rate {
///     #[input]
///     joke: String,
///     #[output]
///     points: u8,
/// }
///
/// #[module]
/// struct Judge {
///     rate: Predict<Rate>,
/// }
///
/// impl Reward<JokeInput, JokeOutput> for Judge {
///     async fn evaluate(&self, _: &JokeInput, prediction: &Prediction<JokeOutput>) -> Result<Score> {
///         let rating = self.rate.call(RateInput { joke: prediction.joke.clone() }).await?;
///         Ok(Score::new(f64::from(rating.points) / 10.0))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let comedian = ScriptedLm::new([Reply::fields([("joke", "Knock")]), Reply::fields([("joke", "Knock knock")])]).lm();
/// let critic = ScriptedLm::new([Reply::fields([("points", 3)]), Reply::fields([("points", 8)])]).lm();
/// let judge = Judge { rate: Predict::new().lm(&critic) };
/// let best = BestOfN::with_reward(Predict::<Joke>::new().lm(&comedian), 2, judge);
/// let best = best.call(JokeInput { topic: "doors".into() }).await?;
/// assert_eq!((best.joke.as_str(), best.reward()), ("Knock knock", Some(0.8)));
/// assert_eq!(best.usage().calls, 4);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reward for a module with input `{I}` and output `{O}`",
    label = "expected `karat::Reward<{I}, {O}>`",
    note = "a closure or a `#[reward] fn` goes to `BestOfN::new` or `Refine::new`; `with_reward` takes types that implement `karat::Reward`"
)]
pub trait Reward<I, O>: Traverse + Clone + Send + Sync + 'static {
    /// Scores the prediction.
    ///
    /// # Errors
    /// The reward's own; the rollout counts as failed.
    fn evaluate(&self, input: &I, prediction: &Prediction<O>) -> impl Future<Output = Result<Score>> + Send;

    /// The source text of the rule, for [`Refine`](crate::Refine)'s critic.
    fn source(&self) -> Option<&'static str> {
        None
    }
}

/// The functions that are rewards: closures and `#[reward]` functions of an input and a prediction. There is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no reward function for a module with input `{I}` and output `{O}`",
    label = "expected a closure `|input, prediction| ..` or a `#[reward] fn`",
    note = "a type that implements `karat::Reward`, such as an LM judge, goes to `with_reward`"
)]
pub trait RewardFn<I, O, R>: Fn(&I, &Prediction<O>) -> R + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<I, O, R, F: Fn(&I, &Prediction<O>) -> R + Send + Sync + 'static> RewardFn<I, O, R> for F {}

/// A reward of any kind, for authors of wrappers: cheap to clone, with its type erased.
pub struct BoxReward<I, O>(Arc<dyn Erased<I, O>>);

trait Erased<I, O>: Send + Sync {
    fn evaluate<'a>(
        &'a self,
        input: &'a I,
        prediction: &'a Prediction<O>,
        tracer: &'a Tracer,
    ) -> BoxFuture<'a, Result<Score>>;

    /// The name of the function or type, with its path.
    fn rule(&self) -> &'static str;
}

struct OfType<R>(R);

struct OfFn<F>(F);

impl<I: Sync + 'static, O: Sync + 'static, R: Reward<I, O>> Erased<I, O> for OfType<R> {
    fn evaluate<'a>(
        &'a self,
        input: &'a I,
        prediction: &'a Prediction<O>,
        tracer: &'a Tracer,
    ) -> BoxFuture<'a, Result<Score>> {
        Box::pin(async move {
            // The same move as for rollouts: a copy, set for this run.
            let mut reward = self.0.clone();
            WalkerMut::run(&mut reward, &mut |site, parameter| {
                if let Some(predictor) = parameter.as_predictor_mut() {
                    predictor.set_tracer(tracer, &format!("reward.{}", site.path()));
                }
            });
            let score = reward.evaluate(input, prediction).await?;
            Ok(match (score.source, reward.source()) {
                (None, Some(source)) => score.with_source(source),
                _ => score,
            })
        })
    }

    fn rule(&self) -> &'static str {
        type_name::<R>()
    }
}

impl<I, O, F, R> Erased<I, O> for OfFn<F>
where
    I: Sync + 'static,
    O: Sync + 'static,
    F: Fn(&I, &Prediction<O>) -> R + Send + Sync,
    R: IntoScore,
{
    fn evaluate<'a>(
        &'a self,
        input: &'a I,
        prediction: &'a Prediction<O>,
        _: &'a Tracer,
    ) -> BoxFuture<'a, Result<Score>> {
        Box::pin(async move { (self.0)(input, prediction).into_score() })
    }

    fn rule(&self) -> &'static str {
        type_name::<F>()
    }
}

impl<I: Sync + 'static, O: Sync + 'static> BoxReward<I, O> {
    /// A reward of a type.
    pub fn new(reward: impl Reward<I, O>) -> Self {
        Self(Arc::new(OfType(reward)))
    }

    /// A closure or a `#[reward] fn`.
    pub fn from_fn<R: IntoScore + 'static>(
        reward: impl Fn(&I, &Prediction<O>) -> R + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(OfFn(reward)))
    }

    /// The name of its function or type, with its path.
    pub fn rule(&self) -> &'static str {
        self.0.rule()
    }

    /// Scores the prediction; the tracer counts the LM calls that it takes.
    ///
    /// # Errors
    /// A karat error of the reward's as it is; [`is_reward`](Error::is_reward) for any other, and for NaN.
    ///
    /// # Panics
    /// If the reward does.
    pub async fn evaluate(&self, input: &I, prediction: &Prediction<O>, tracer: &Tracer) -> Result<Score> {
        let score = self.0.evaluate(input, prediction, tracer).await.map_err(|error| match error.kind() {
            ErrorKind::Other => {
                Error::new(ErrorKind::Reward, format!("the reward failed: {error}")).with_source(error)
            }
            _ => error,
        })?;
        if score.value.is_nan() {
            return Err(Error::new(
                ErrorKind::Reward,
                "the reward is NaN: give a number, or an error that says why there is none",
            ));
        }
        Ok(score)
    }
}

impl<I, O> Clone for BoxReward<I, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I, O> fmt::Debug for BoxReward<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxReward")
    }
}
