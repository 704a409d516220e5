//! For authors of wrappers: what [`BestOfN`](crate::BestOfN), [`Refine`](crate::Refine) and [`Budgeted`](crate::Budgeted) are
//! written with.
//!
//! A wrapper runs *configured copies*: it clones the module, sets on the copy's predictors what one run needs, and runs the copy. The
//! user's own module is never touched, and copies may run side by side.
//!
//! * **A copy**: [`traced`] makes one that writes to a [`Tracer`]; [`all_predictors_mut`] finds its predictors, on which
//!   [`set_rollout_ids`](crate::Predictor::set_rollout_ids), [`set_run_temperature`](crate::Predictor::set_run_temperature),
//!   [`add_hint`](crate::Predictor::add_hint), [`set_run_input`](crate::Predictor::set_run_input) and
//!   [`set_listener`](crate::Predictor::set_listener) hold for that run alone; [`run`] runs it.
//! * **Ids**: [`rollout_width`] and [`first_rollout_id`](crate::Predictor::first_rollout_id) keep those of nested wrappers apart.
//! * **Costs**: a [`child`](Tracer::child) of the [`tracer`] in which the wrapper itself runs counts there at once, call by call;
//!   [`append`](Tracer::append) adds its steps; [`child_within`](Tracer::child_within) bounds it by a [`Budget`](crate::Budget).
//! * **Many runs**: [`run_many`] runs a bounded set of them until an end such as a [`Deadline`]; [`Flow`] says after each what becomes
//!   of the others, [`Ended`] why it ended, and what had begun by then is handed back.
//! * **Failures**: [`caught`] makes an error of a panic, [`causes`] one text of many errors.
//! * **Rewards**: [`BoxReward`] holds one of any kind; [`RolloutSpan`] and [`RewardSpan`] are the spans of `tracing`.
//!
//! ```
//! use karat::{
//!     Module, OnParseError, Predict, Prediction, Reply, Result, ScriptedLm,
//!     author::{all_predictors_mut, run, traced, tracer},
//!     signature,
//!     traverse::{Traverse, Walker, WalkerMut},
//! };
//!
//! /// Runs a module and, if that fails, runs it once more with the error as a hint.
//! #[derive(Clone, Debug)]
//! struct SecondChance<M> {
//!     module: M,
//! }
//!
//! impl<M: Module> Module for SecondChance<M> {
//!     type Input = M::Input;
//!     type Output = M::Output;
//!
//!     async fn forward(&self, input: M::Input) -> Result<Prediction<M::Output>> {
//!         let outer = tracer(&self.module).cloned().unwrap_or_default();
//!         let mut hint = None;
//!         loop {
//!             let part = outer.child();
//!             let mut copy = traced(&self.module, &part);
//!             for (_, predictor) in all_predictors_mut(&mut copy) {
//!                 hint.iter().for_each(|hint: &String| predictor.add_hint(hint));
//!             }
//!             match run(&copy, input.clone()).await {
//!                 Err(error) if hint.is_none() && !error.is_permanent() => hint = Some(error.to_string()),
//!                 outcome => {
//!                     outer.append(&part.trace());
//!                     return outcome;
//!                 }
//!             }
//!         }
//!     }
//! }
//!
//! impl<M: Traverse> Traverse for SecondChance<M> {
//!     fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
//!         walker.module(self);
//!         walker.field("module", &self.module);
//!     }
//!
//!     fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
//!         walker.field("module", &mut self.module);
//!     }
//! }
//!
//! #[signature]
//! struct Legs {
//!     #[input]
//!     animal: String,
//!     #[output]
//!     number: u8,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let lm = ScriptedLm::new(["many", "4"].map(|number| Reply::fields([("number", number)])));
//! let legs = Predict::<Legs>::new().on_parse_error(OnParseError::Fail).lm(&lm.lm());
//! let legs = SecondChance { module: legs }.call(LegsInput { animal: "cat".into() }).await?;
//! assert_eq!((legs.number, legs.usage().calls, legs.trace().steps().len()), (4, 2, 1));
//! assert!(lm.requests()[1].prompt.last().contains("number"));
//! # Ok(())
//! # }
//! ```

mod spans;

pub use self::spans::{RewardSpan, RolloutSpan};
pub use crate::{
    module::{all_predictors, all_predictors_mut, records_content, rollout_width, run, traced, tracer},
    prediction::Added,
    reward::{BoxReward, IntoScore, RewardFn, Sourced},
    run::{Deadline, Ended, Flow, Tracer, caught, run_many},
};
#[doc(inline)]
pub use karat_lm::internal::{causes, shortened};
