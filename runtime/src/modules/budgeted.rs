//! A module with a bound on what one call of it may spend.

use crate::{
    Budget, Module, Prediction, Result,
    author::{Tracer, run, traced, tracer},
    traverse::{Traverse, Walker, WalkerMut},
};

/// A module of which each call may spend no more than a [`Budget`], whatever runs below it: predictors, nested wrappers, rewards,
/// advice. What [`Module::budget`] gives.
///
/// Once the budget is used up, the next LM call is refused, and with it the run fails with an
/// [`is_budget`](crate::Error::is_budget) error. A [`BestOfN`](crate::BestOfN) or [`Refine`](crate::Refine) inside gives the
/// best prediction until then, marked as [stopped by the budget](crate::Stop::Budget), if it has one.
///
/// It is transparent: paths and states are those of the module itself.
///
/// ```
/// use karat::{BestOfN, Budget, Module, Predict, Reply, ScriptedLm, Stop, signature};
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
/// let lm = ScriptedLm::computed(|_| Reply::fields([("answer", "Paris, on the Seine")])).lm();
/// let best = BestOfN::new(Predict::<Qa>::new().lm(&lm), 50, |_, p| 1.0 / p.answer.len() as f64);
/// let best = best.budget(Budget::new().calls(3)).call(QaInput { question: "Capital of France?".into() }).await?;
/// assert_eq!((best.usage().calls, best.stop_reason()), (3, Some(Stop::Budget)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Budgeted<M> {
    module: M,
    budget: Budget,
}

impl<M: Module> Budgeted<M> {
    /// The module within the budget.
    pub fn new(module: M, budget: Budget) -> Self {
        Self { module, budget }
    }

    /// The module without its budget.
    pub fn into_inner(self) -> M {
        self.module
    }
}

impl<M: Module> Module for Budgeted<M> {
    type Input = M::Input;
    type Output = M::Output;

    async fn forward(&self, input: M::Input) -> Result<Prediction<M::Output>> {
        let outer = tracer(&self.module).cloned().unwrap_or_else(Tracer::new);
        let tracer = outer.child_within(self.budget);
        let outcome = run(&traced(&self.module, &tracer), input).await;
        outer.append(&tracer.trace());
        outcome
    }

    fn source(&self) -> Option<&'static str> {
        self.module.source()
    }
}

impl<M: Traverse> Traverse for Budgeted<M> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        self.module.walk(walker);
    }

    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        self.module.walk_mut(walker);
    }
}
