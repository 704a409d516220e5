//! Modules: programs made of predictors and of other modules, called with typed inputs.

mod boxed;
mod traverse;

use std::{collections::HashSet, fmt::Debug, future::Future, io};

pub use self::{
    boxed::BoxModule,
    traverse::{Node, Traverse, Walker, WalkerMut},
};
use crate::{
    error::{Error, Result},
    lm::{CallHistory, Lm, Usage},
    predict::Predictor,
    prediction::Prediction,
    trace::Tracer,
};

/// A typed LM program. Write `#[module]` on a struct and on an `impl` block with one `async fn forward`; see
/// [`#[module]`](macro@crate::module).
///
/// A module is plain data: cloning it shares the state of its predictors, and what is set on the clone leaves the original
/// as it is. There is no ambient state, so calls may be spawned, joined and sent to other threads.
///
/// ```
/// use karat::{ChainOfThought, Module, Prediction, Reasoned, Reply, Result, ScriptedLm, module, signature};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// #[module]
/// struct Shout {
///     qa: ChainOfThought<Qa>,
/// }
///
/// #[module]
/// impl Shout {
///     async fn forward(&self, question: String, mark: char) -> Result<Prediction<String>> {
///         let answer = self.qa.call(QaInput { question }).await?;
///         Ok(answer.map(|answer| format!("{}{mark}", answer.answer.to_uppercase())))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let lm = ScriptedLm::new([Reply::fields([("reasoning", "known"), ("answer", "Paris")])]).lm();
/// let mut shout = Shout { qa: ChainOfThought::new() };
/// shout.set_lm(&lm);
/// let answer = shout.call(ShoutInput { question: "Capital of France?".into(), mark: '!' }).await?;
/// assert_eq!(*answer, "PARIS!");
/// assert_eq!(answer.trace().steps()[0].predictor(), "qa.predict");
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a module",
    label = "expected a module",
    note = "write `#[karat::module]` on the struct, and on an `impl` block of it with one `async fn forward(&self, ..) -> Result<Prediction<T>>`"
)]
pub trait Module: Traverse + Clone + Send + Sync + 'static {
    /// What a call takes.
    type Input: Clone + Debug + Send + Sync + 'static;
    /// What a call gives, inside a [`Prediction`].
    type Output: Clone + Debug + Send + Sync + 'static;

    /// What the module does; authors write it, users use [`call`](Module::call).
    ///
    /// # Errors
    /// Whatever the author returns; an error of a predictor names its path.
    fn forward(&self, input: Self::Input) -> impl Future<Output = Result<Prediction<Self::Output>>> + Send;

    /// The source text of the block that defines [`forward`](Module::forward), kept at compile time; `None` where the module
    /// was not written with `#[module]`.
    fn source(&self) -> Option<&'static str> {
        None
    }

    /// Runs the module. The outermost call runs a copy that writes a trace, and adds trace and usage to the prediction; a
    /// call inside of another module's `forward` is a part of that one's trace.
    ///
    /// Cancel safe: dropping the future drops every LM request on its way.
    ///
    /// # Errors
    /// As [`forward`](Module::forward)'s, with the [trace](Error::trace) and [usage](Error::usage) of the run.
    fn call(&self, input: Self::Input) -> impl Future<Output = Result<Prediction<Self::Output>>> + Send {
        async move {
            let is_part =
                |predictors: Vec<&Predictor>| predictors.iter().any(|predictor| predictor.tracer().is_some());
            if is_part(self.predictors()) {
                return self.forward(input).await;
            }
            let tracer = Tracer::new();
            let copy = self.traced(&tracer);
            let outcome = copy.forward(input).await;
            let prediction = outcome.map_err(|error| error.with_run(tracer.trace(), tracer.usage()))?;
            // A module without predictors may have told its own costs.
            let usage = if tracer.usage() == Usage::default() { prediction.usage() } else { tracer.usage() };
            Ok(prediction.with_usage(usage).with_trace(tracer.trace()))
        }
    }

    /// A copy whose predictors write to this tracer; for authors of wrappers.
    fn traced(&self, tracer: &Tracer) -> Self {
        let mut copy = self.clone();
        for (path, predictor) in copy.named_predictors_mut() {
            predictor.set_tracer(tracer, &path);
        }
        copy
    }

    /// Every predictor with its path, in a stable order: `answer.predict`, `steps[0]`, `tools['search']`; `self` for a bare
    /// predictor.
    fn named_predictors(&self) -> Vec<(String, &Predictor)> {
        let mut found = Vec::new();
        Walker::run(self, &mut |path, node, _| match node {
            Node::Predictor(predictor) => found.push((path.to_owned(), predictor)),
            Node::Module(_) => {}
        });
        found
    }

    /// Every predictor with its path, to be changed.
    fn named_predictors_mut(&mut self) -> Vec<(String, &mut Predictor)> {
        let mut found = Vec::new();
        WalkerMut::run(self, &mut |path, predictor| found.push((path.to_owned(), predictor)));
        found
    }

    /// Every predictor, in the order of [`named_predictors`](Module::named_predictors).
    fn predictors(&self) -> Vec<&Predictor> {
        let mut found = Vec::new();
        Walker::run(self, &mut |_, node, _| match node {
            Node::Predictor(predictor) => found.push(predictor),
            Node::Module(_) => {}
        });
        found
    }

    /// How many rollout ids one run of the module uses: 1, times the `n` of each wrapper inside of it. Wrappers space the
    /// ids of their own rollouts by it, so that nested rollouts never share one.
    fn rollout_width(&self) -> u64 {
        let mut width = 1;
        Walker::run(self, &mut |_, _, repeats| width = repeats.max(width));
        width
    }

    /// Sets the LM of every predictor.
    fn set_lm(&mut self, lm: &Lm) {
        WalkerMut::run(self, &mut |_, predictor| predictor.set_lm(lm));
    }

    /// The LM of all predictors, if they have the same one; `None` if none has one. The process default is not looked at.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): they have different ones; the message names each.
    fn get_lm(&self) -> Result<Option<Lm>> {
        let named = self.named_predictors();
        let mut lms = named.iter().map(|(_, predictor)| predictor.lm());
        let first = lms.next().flatten();
        if lms.all(|lm| lm == first) {
            return Ok(first.cloned());
        }
        let name = |lm: Option<&Lm>| lm.map_or("none", Lm::name).to_owned();
        let each: Vec<_> =
            named.iter().map(|(path, predictor)| format!("`{path}`: {}", name(predictor.lm()))).collect();
        let message = format!(
            "the predictors have different LMs, so that there is no one LM to get: {}",
            each.join(", ")
        );
        Err(Error::config(message))
    }

    /// A copy that shares nothing that can change: what is set on one is not seen by the other, and its
    /// [history](Module::history) is its own. Costs a few reference counts per predictor.
    fn deepcopy(&self) -> Self {
        let mut copy = self.clone();
        WalkerMut::run(&mut copy, &mut |_, predictor| predictor.renew_caller());
        copy
    }

    /// The last LM calls of its predictors and of their clones, so those of a [`BestOfN`](crate::BestOfN)'s rollouts too:
    /// what the predictors' present LMs (their own, else the process default) still hold of them; see [`Lm::history`].
    ///
    /// Calls of a reward or of a critic are in the history of their LMs alone. [`deepcopy`](Module::deepcopy) begins anew.
    fn history(&self) -> CallHistory {
        let predictors = self.predictors();
        let callers: HashSet<_> = predictors.iter().map(|predictor| predictor.caller().id()).collect();
        CallHistory::of(predictors.iter().filter_map(|predictor| predictor.resolve_lm().ok()), &callers)
    }

    /// Prints the last `n` calls of its [history](Module::history) to the standard output; with colours if that is a terminal
    /// and `NO_COLOR` is not set.
    fn inspect_history(&self, n: usize) {
        self.history().inspect(n);
    }

    /// Writes the last `n` calls of its [history](Module::history), without colours.
    ///
    /// # Errors
    /// The writer's.
    fn inspect_history_to(&self, n: usize, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        self.history().inspect_to(n, out)
    }

    /// The module with its type erased, for lists of different ones; itself a module.
    fn boxed(self) -> BoxModule<Self::Input, Self::Output> {
        BoxModule::new(self)
    }
}
