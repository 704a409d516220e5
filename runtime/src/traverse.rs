//! How the parts of a module are found: every predictor and parameter with its path, through modules and containers.
//!
//! [`#[module]`](macro@crate::module) writes [`Traverse`] for a struct. A wrapper with a type parameter writes it by hand: it shows
//! itself and what it wraps to a [`Walker`], and the same to a [`WalkerMut`]. What walks the parts is in
//! [`Module`](crate::Module) (`named_predictors`, `named_parameters`, `named_sub_modules`) and, with frozen parts, in
//! [`author`](crate::author); what can be learned beside predictors is a [`Parameter`].
//!
//! ```
//! use karat::{
//!     Module, Predict, Prediction, Result, signature,
//!     traverse::{Traverse, Walker, WalkerMut},
//! };
//!
//! #[signature]
//! struct Qa {
//!     #[input]
//!     question: String,
//!     #[output]
//!     answer: String,
//! }
//!
//! /// Calls what it wraps.
//! #[derive(Clone, Debug)]
//! struct Plain<M>(M);
//!
//! impl<M: Module> Module for Plain<M> {
//!     type Input = M::Input;
//!     type Output = M::Output;
//!
//!     async fn forward(&self, input: M::Input) -> Result<Prediction<M::Output>> {
//!         self.0.call(input).await
//!     }
//! }
//!
//! impl<M: Traverse> Traverse for Plain<M> {
//!     fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
//!         walker.module(self);
//!         walker.field("inner", &self.0);
//!     }
//!
//!     fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
//!         walker.field("inner", &mut self.0);
//!     }
//! }
//!
//! let plain = Plain(Plain(Predict::<Qa>::new()));
//! let paths: Vec<_> = plain.named_sub_modules().map(|(path, _)| path).collect();
//! assert_eq!(paths, ["self", "self.inner", "self.inner.inner"]);
//! assert_eq!(plain.named_predictors()[0].0, "inner.inner");
//! ```

#[doc(inline)]
pub use crate::module::{Node, Parameter, Site, SubModule, SubModules, Traverse, Walker, WalkerMut};
