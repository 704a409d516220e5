//! Parts of a module that keep what they have learned.

use std::ops::{Deref, DerefMut};

use karat_lm::Result;

use super::{Module, Traverse, Walker, WalkerMut};
use crate::prediction::Prediction;

/// A module that keeps what it has learned, as DSPy's compiled sub-modules do: optimizers, [`reset_copy`](Module::reset_copy)
/// and state files pass it over, because [`named_parameters`](Module::named_parameters) and
/// [`named_predictors`](Module::named_predictors) do. Its predictors still run with the settings of a rollout and with the LM
/// of [`set_lm`](Module::set_lm).
///
/// It is transparent: paths in it are those of the module itself. At the root it changes nothing, so that a frozen module can
/// be saved and loaded by itself.
///
/// ```
/// use karat::{
///     ChainOfThought, Frozen, Module, Predict, Prediction, Reasoned, Result, author::all_predictors, module,
///     signature,
/// };
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
/// struct Twice {
///     tuned: Frozen<ChainOfThought<Qa>>,
///     fresh: Predict<Qa>,
/// }
///
/// let twice = Twice { tuned: Frozen::new(ChainOfThought::new()), fresh: Predict::new() };
/// let paths = |found: Vec<(String, _)>| found.into_iter().map(|(path, _)| path).collect::<Vec<_>>();
/// assert_eq!(paths(twice.named_predictors()), ["fresh"]);
/// assert_eq!(paths(all_predictors(&twice)), ["tuned.predict", "fresh"]);
/// # #[module]
/// # impl Twice {
/// #     async fn forward(&self, input: QaInput) -> Result<Prediction<Reasoned<QaOutput>>> {
/// #         self.tuned.call(input).await
/// #     }
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Frozen<M>(M);

impl<M: Module> Frozen<M> {
    /// The module, frozen.
    pub fn new(module: M) -> Self {
        Self(module)
    }

    /// The module, to be learned again.
    pub fn into_inner(self) -> M {
        self.0
    }
}

impl<M> Deref for Frozen<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M> DerefMut for Frozen<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.0
    }
}

impl<M: Module> Module for Frozen<M> {
    type Input = M::Input;
    type Output = M::Output;

    async fn forward(&self, input: M::Input) -> Result<Prediction<M::Output>> {
        super::run(&self.0, input).await
    }

    fn source(&self) -> Option<&'static str> {
        self.0.source()
    }
}

impl<M: Traverse> Traverse for Frozen<M> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        walker.frozen(&self.0);
    }

    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        walker.frozen(&mut self.0);
    }
}
