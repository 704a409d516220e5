//! Modules: programs made of predictors and of other modules, called with typed inputs.

mod boxed;
mod containers;
mod copies;
mod frozen;
mod lm;
mod parameter;
mod run;
mod sub_modules;
mod traverse;

use std::{collections::HashSet, fmt::Debug, future::Future, io, path::Path, sync::Arc};

use karat_lm::{CallHistory, Error, Lm, Result};

use self::lm::one_lm;
pub use self::{
    boxed::BoxModule,
    copies::{all_predictors, all_predictors_mut, records_content, rollout_width, traced, tracer},
    frozen::Frozen,
    parameter::{Param, Parameter},
    run::run,
    sub_modules::{SubModule, SubModules},
    traverse::{Node, Site, Traverse, Walker, WalkerMut},
};
use crate::{
    adapter::Adapter,
    batch::Batch,
    budget::Budget,
    modules::Budgeted,
    predict::Predictor,
    prediction::Prediction,
    run::Tracer,
    state::{Program, State, load_program, save_program},
    stream::ModuleStream,
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
            if tracer(self).is_some() {
                return run(self, input).await;
            }
            let tracer = Tracer::new();
            run::outermost(&traced(self, &tracer), &tracer, input).await
        }
    }

    /// Runs the module as [`call`](Module::call) does, and streams what its predictors write: the output fields one after
    /// another, word by word; then the prediction. See [`ModuleStream`].
    ///
    /// The stream owns a copy of the module as it is now, and runs only while it is asked for events.
    ///
    /// Cancel safe: dropping the stream drops every LM request on its way.
    ///
    /// # Errors
    /// As [`call`](Module::call)'s, as the last event. What was complete by then is in [`Error::outputs`].
    fn stream(&self, input: Self::Input) -> ModuleStream<Self::Output> {
        run::streamed(self, input)
    }

    /// Calls the module on each of these inputs, by default [8 at a time](Batch::concurrency). Awaited, it gives the
    /// results in the order of the inputs, each beside its input; see [`Batch`] for the settings and
    /// [`Batched`](crate::batch::Batched) for what comes back.
    ///
    /// The inputs are collected at once; nothing is sent before the batch is awaited. It runs copies of the module as it is
    /// now, and borrows nothing, so that it can be spawned. A failed item fails alone, unless it shows that all others
    /// would fail too.
    ///
    /// Cancel safe: dropping the future drops every LM request on its way, and with it the results so far; to keep those,
    /// end it with [`Batch::cancel_on`].
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
    /// # let lm = ScriptedLm::computed(|request| {
    /// #     let text = request.prompt.last();
    /// #     Reply::fields([("city", if text.contains("Peru") { "Lima" } else { "Paris" })])
    /// # }).lm();
    /// let capital = Predict::<Capital>::new().lm(&lm);
    /// let inputs = ["France", "Peru"].map(|country| CapitalInput { country: country.into() });
    ///
    /// let cities = capital.batch(inputs).concurrency(4).max_errors(10).await;
    /// for item in &cities {
    ///     match &item.result {
    ///         Ok(answer) => println!("{}: {}", item.input.country, answer.city),
    ///         Err(error) => println!("{}: {error}", item.input.country),
    ///     }
    /// }
    /// assert_eq!(cities[1].result.as_ref().unwrap().city, "Lima");
    /// assert_eq!(cities.usage().calls, 2);
    /// # Ok(())
    /// # }
    /// ```
    fn batch(&self, inputs: impl IntoIterator<Item = Self::Input>) -> Batch<Self> {
        Batch::new(self.clone(), inputs)
    }

    /// The module with a bound on what each call of it may spend; see [`Budgeted`].
    fn budget(self, budget: Budget) -> Budgeted<Self> {
        Budgeted::new(self, budget)
    }

    /// Everything that can be learned, with its path, in a stable order: `answer.predict`, `steps[0]`, `tools['search']`; `self`
    /// for a bare predictor. Parts in a [`Frozen`] are left out, as DSPy leaves out compiled ones.
    fn named_parameters(&self) -> Vec<(String, &dyn Parameter)> {
        let mut found = Vec::new();
        Walker::run(self, &mut |site, node| match node {
            Node::Parameter(parameter) if !site.is_frozen() => {
                found.push((site.path().to_owned(), parameter))
            }
            _ => {}
        });
        found
    }

    /// Everything that can be learned, with its path, to be changed.
    fn named_parameters_mut(&mut self) -> Vec<(String, &mut dyn Parameter)> {
        let mut found = Vec::new();
        WalkerMut::run(self, &mut |site, parameter| {
            if !site.is_frozen() {
                found.push((site.path().to_owned(), parameter));
            }
        });
        found
    }

    /// Everything that can be learned, in the order of [`named_parameters`](Module::named_parameters).
    fn parameters(&self) -> Vec<&dyn Parameter> {
        self.named_parameters().into_iter().map(|(_, parameter)| parameter).collect()
    }

    /// Everything that can be learned, to be changed.
    fn parameters_mut(&mut self) -> Vec<&mut dyn Parameter> {
        self.named_parameters_mut().into_iter().map(|(_, parameter)| parameter).collect()
    }

    /// The predictors among the [`named_parameters`](Module::named_parameters).
    fn named_predictors(&self) -> Vec<(String, &Predictor)> {
        let named = self.named_parameters().into_iter();
        named.filter_map(|(path, parameter)| Some((path, parameter.as_predictor()?))).collect()
    }

    /// The predictors among the [`named_parameters`](Module::named_parameters), to be changed.
    fn named_predictors_mut(&mut self) -> Vec<(String, &mut Predictor)> {
        let named = self.named_parameters_mut().into_iter();
        named.filter_map(|(path, parameter)| Some((path, parameter.as_predictor_mut()?))).collect()
    }

    /// Every predictor that can learn, in the order of [`named_predictors`](Module::named_predictors).
    fn predictors(&self) -> Vec<&Predictor> {
        self.parameters().into_iter().filter_map(|parameter| parameter.as_predictor()).collect()
    }

    /// Every predictor that can learn, to be changed.
    fn predictors_mut(&mut self) -> Vec<&mut Predictor> {
        self.named_predictors_mut().into_iter().map(|(_, predictor)| predictor).collect()
    }

    /// Every module in this one with its path, breadth first from `self`: `self.answer`, `self.answer.predict`,
    /// `self.steps[0]`. [`SubModules`] filters by type and leaves out frozen ones.
    ///
    /// ```
    /// use karat::{ChainOfThought, Module, Predict, signature};
    ///
    /// #[signature]
    /// struct Qa {
    ///     #[input]
    ///     question: String,
    ///     #[output]
    ///     answer: String,
    /// }
    ///
    /// let qa = ChainOfThought::<Qa>::new();
    /// let paths: Vec<_> = qa.named_sub_modules().map(|(path, _)| path).collect();
    /// assert_eq!(paths, ["self", "self.predict"]);
    /// assert_eq!(qa.named_sub_modules().of_type::<Predict<Qa>>().count(), 1);
    /// ```
    fn named_sub_modules(&self) -> SubModules<'_> {
        SubModules::of(self)
    }

    /// Replaces each predictor by what the function makes of it, frozen ones left out. If it fails or panics for one, none is
    /// replaced.
    ///
    /// # Errors
    /// The function's, with the predictor's path; [`is_config`](Error::is_config): it gave a predictor of another signature.
    fn map_named_predictors(
        &mut self,
        mut map: impl FnMut(&str, Predictor) -> Result<Predictor>,
    ) -> Result<()> {
        let mut copy = self.clone();
        for (path, predictor) in copy.named_predictors_mut() {
            let mapped =
                map(&path, predictor.clone()).map_err(|error| error.with_predictor(path.as_str()))?;
            if !mapped.is_of_signature_of(predictor) {
                let (expected, found) = (predictor.outline(), mapped.outline());
                let message = format!("expected a predictor of {expected}, found one of {found}");
                return Err(Error::config(message).with_predictor(path.as_str()));
            }
            *predictor = mapped;
        }
        *self = copy;
        Ok(())
    }

    /// Sets the LM of every predictor, frozen ones included: it is where they run, and nothing that they have learned. It stays
    /// when a [state](crate::State) is loaded, unless the state's [`take_lm`](crate::State::take_lm) is set.
    fn set_lm(&mut self, lm: &Lm) {
        for (_, predictor) in all_predictors_mut(self) {
            predictor.set_lm(lm);
        }
    }

    /// Sets how every predictor, frozen ones included, writes its prompts and reads its answers.
    fn set_adapter(&mut self, adapter: impl Adapter) {
        let adapter: Arc<dyn Adapter> = Arc::new(adapter);
        for (_, predictor) in all_predictors_mut(self) {
            predictor.set_adapter(adapter.clone());
        }
    }

    /// The LM of all predictors, if they have the same one; `None` if none has one. Never the process default.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): they have different ones; the message names each.
    fn get_lm(&self) -> Result<Option<Lm>> {
        one_lm(&all_predictors(self))
    }

    /// A copy that shares nothing that can change: what is set on one is not seen by the other, and its
    /// [history](Module::history) is its own. Costs a few reference counts per predictor.
    #[must_use]
    fn deepcopy(&self) -> Self {
        let mut copy = self.clone();
        for (_, predictor) in all_predictors_mut(&mut copy) {
            predictor.renew_caller();
        }
        copy
    }

    /// The last LM calls of its predictors and of their clones, so those of a [`BestOfN`](crate::BestOfN)'s rollouts too:
    /// what the predictors' present LMs (their own, else the process default) still hold of them; see [`Lm::history`].
    ///
    /// It goes by predictor, not by call: calls that were made directly on a part are in it too, and calls of an LM that was
    /// replaced since are in the history of that LM alone. Here it differs from DSPy's, which notes down each module's own calls.
    /// Those of one call alone are in the [trace](Prediction::trace) of its prediction.
    ///
    /// Calls of a reward or of a critic are in the history of their LMs alone. [`deepcopy`](Module::deepcopy) begins anew.
    fn history(&self) -> CallHistory {
        let predictors = all_predictors(self);
        let callers: HashSet<_> = predictors.iter().map(|(_, predictor)| predictor.caller().id()).collect();
        CallHistory::of(predictors.iter().filter_map(|(_, predictor)| predictor.resolve_lm().ok()), &callers)
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

    /// A copy that has forgotten what was learned: predictors lose their demos and LM, a [`Param`] goes back to its initial
    /// value. Instructions and descriptions stay, as in DSPy, since they belong to the signature; so do frozen parts.
    #[must_use]
    fn reset_copy(&self) -> Self {
        let mut copy = self.deepcopy();
        for (_, parameter) in copy.named_parameters_mut() {
            parameter.reset();
        }
        copy
    }

    /// What was learned, as data: an entry per parameter; see [`State`]. A value that has no JSON form is an error of the
    /// state's first use.
    fn dump_state(&self) -> State {
        State::of(self)
    }

    /// Takes over a state: all of it or, after an error, nothing. A predictor of which the state names no LM keeps its own.
    ///
    /// # Errors
    /// [`is_state`](Error::is_state), with the [predictor](Error::predictor) and the [field](Error::field): an entry is missing
    /// or does not fit, or there is one for a parameter that the module does not have.
    fn load_state(&mut self, state: &State) -> Result<()> {
        let mut copy = self.clone();
        state.apply(&mut copy)?;
        *self = copy;
        Ok(())
    }

    /// Saves the state as a `.json` file, which DSPy 3.3 and 3.4 load too: see [`State::write`].
    ///
    /// Blocks while the file is written.
    ///
    /// # Errors
    /// Those of [`State::write`]; an older file of this name is then left as it was.
    fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.dump_state().write(path)
    }

    /// Loads the state from a `.json` file that karat or DSPy wrote: all of it or, after an error, nothing. For files with LM
    /// addresses and other cases, load with [`State::read`] and [`load_state`](Module::load_state).
    ///
    /// Blocks while the file is read.
    ///
    /// # Errors
    /// Those of [`State::read`] and [`load_state`](Module::load_state).
    fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.load_state(&State::read(path)?)
    }

    /// What the program is made of: modules, signatures, source.
    fn program(&self) -> Program {
        let modules = self.named_sub_modules().map(|(path, module)| (path, module.type_name())).collect();
        Program::of(self, modules, self.source())
    }

    /// Saves the state with a description of the program in a folder: `program.json` and `state.json`, the latter as
    /// [`save`](Module::save) writes it.
    ///
    /// # Errors
    /// Those of [`State::write`]. Both files are then the old ones: neither is replaced before both new ones are whole and on
    /// disk.
    fn save_program(&self, folder: impl AsRef<Path>) -> Result<()> {
        save_program(folder.as_ref(), self.program(), &self.dump_state())
    }

    /// Loads the state from a folder that [`save_program`](Module::save_program) wrote, if the program there is this one. A
    /// changed source text or karat version is a warning.
    ///
    /// # Errors
    /// [`is_state`](Error::is_state) with every difference: other modules, predictors, parameters, signatures or field types;
    /// doc comments make none. And those of [`load`](Module::load).
    fn load_program(&mut self, folder: impl AsRef<Path>) -> Result<()> {
        self.load_state(&load_program(folder.as_ref(), &self.program())?)
    }

    /// The module with its type erased, for lists of different ones; itself a module.
    fn boxed(self) -> BoxModule<Self::Input, Self::Output> {
        BoxModule::new(self)
    }
}
