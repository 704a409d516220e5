//! What one run did: the steps of its predictors, their LM calls, and the advice that its rollouts got.
//!
//! A [`Trace`](crate::Trace) (in [`Prediction::trace`](crate::Prediction::trace) and [`Error::trace`](crate::Error::trace)) lists a
//! [`Step`] for each run of a predictor, and each step a [`CallRecord`] for each LM call. [`Rollout`](crate::Rollout)s carry the
//! [`Advice`] that the next one got. What writes a trace is [`author::Tracer`](crate::author::Tracer).
//!
//! ```
//! use karat::{ChainOfThought, Module, Reply, ScriptedLm, signature};
//!
//! #[signature]
//! struct Qa {
//!     #[input]
//!     question: String,
//!     #[output]
//!     answer: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> karat::Result<()> {
//! let lm = ScriptedLm::new([Reply::fields([("reasoning", "known"), ("answer", "Paris")])]).lm();
//! let qa = ChainOfThought::<Qa>::new().lm(&lm);
//! let answer = qa.call(QaInput { question: "Capital of France?".into() }).await?;
//! let [step] = answer.trace().steps() else { panic!("one step") };
//! assert_eq!((step.predictor(), step.signature()), ("predict", "Qa"));
//! assert_eq!((step.calls()[0].adapter(), step.usage().calls), ("chat", 1));
//! # Ok(())
//! # }
//! ```

#[doc(inline)]
pub use karat_lm::{Advice, CallRecord, Step};
