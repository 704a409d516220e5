//! Typed language-model programs: a struct is a [`Signature`], the compiler checks the pipeline, and wrappers such as [`BestOfN`]
//! and [`Refine`] spend further LM calls to reach a reward.
//!
//! # A first program
//!
//! [`#[signature]`](macro@signature) makes of a struct the task's input and output types (`QaInput`, `QaOutput`); [`Predict`] asks an
//! LM for it. `Lm::new("openai/gpt-4o-mini")` is a real [`Lm`]; here [`ScriptedLm`] answers, as in a test.
//!
//! ```
//! use karat::{Module, Predict, Reply, ScriptedLm, signature};
//!
//! /// Answer the question in one word.
//! #[signature]
//! struct Qa {
//!     #[input]
//!     question: String,
//!     #[output]
//!     answer: String,
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> karat::Result<()> {
//!     let lm = ScriptedLm::new([Reply::fields([("answer", "Paris")])]).lm();
//!     let qa = Predict::<Qa>::new().lm(&lm);
//!     let prediction = qa.call(QaInput { question: "What is the capital of France?".into() }).await?;
//!     assert_eq!(prediction.answer, "Paris");
//!     Ok(())
//! }
//! ```
//!
//! # Programs of several steps
//!
//! [`#[module]`](macro@module) makes of a struct of modules a [`Module`], whose author writes `forward` and whose users [`call`] it.
//! A module is plain data: its clone shares what it has learned, and what is set on the clone leaves the original as it is.
//! [`ChainOfThought`] reasons before it answers, [`MultiChainComparison`] weighs several attempts, [`majority`] counts them.
//!
//! # Rewards
//!
//! A reward is a closure over typed predictions, a [`#[reward]`](macro@reward) function, or a [`Reward`] type that may ask an LM itself.
//! [`BestOfN`] runs copies of a module and keeps the best, [`Refine`] gives each run advice from the one before.
//!
//! ```
//! use karat::{BestOfN, ChainOfThought, Module, Prediction, Reply, Result, ScriptedLm, module, signature};
//! # #[signature]
//! # struct Qa {
//! #     #[input]
//! #     question: String,
//! #     #[output]
//! #     answer: String,
//! # }
//!
//! #[module]
//! struct Shout {
//!     qa: ChainOfThought<Qa>,
//! }
//!
//! #[module]
//! impl Shout {
//!     async fn forward(&self, question: String) -> Result<Prediction<String>> {
//!         let answer = self.qa.call(QaInput { question }).await?;
//!         Ok(answer.map(|answer| answer.answer.to_uppercase()))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # let reply = |answer: &str| Reply::fields([("reasoning", "known"), ("answer", answer)]);
//! # let lm = ScriptedLm::new([reply("It is Paris"), reply("Paris")]).lm();
//! let mut shout = Shout { qa: ChainOfThought::new() };
//! shout.set_lm(&lm);
//! let short = BestOfN::new(shout, 5, |_, answer| answer.len() < 10).threshold(1.0);
//! let answer = short.call("Capital of France?".into()).await?;
//! assert_eq!((answer.as_str(), answer.rollouts().len(), answer.usage().calls), ("PARIS", 2, 2));
//! # Ok(())
//! # }
//! ```
//!
//! # Language models
//!
//! [`Lm`] is a handle with settings: provider and model, address, key, generation, and layers such as [`Cache`], [`Retry`] and
//! [`Limits`]. A model of your own implements [`LanguageModel`]. [`configure`] sets the default of the process; [`Module::set_lm`]
//! sets a module's. The module [`lm`] has the rest: requests, responses, pools, prices, recordings.
//!
//! # Where to go on
//!
//! | to | see |
//! |---|---|
//! | call a module on many inputs, or many modules at once | [`Module::batch`], [`batch`] |
//! | show an answer while it is written | [`Module::stream`], [`stream`] |
//! | bound what a call may spend | [`Module::budget`], [`Budget`] |
//! | save and load what was learned, with DSPy too | [`Module::save`], [`Module::load`], [`State`], [`state`] |
//! | change demos and instructions of a program's predictors | [`Module::named_predictors_mut`], [`Predictor`] |
//! | see what a call did and cost | [`Prediction::trace`], [`Prediction::usage`], [`Rollout`], [`trace`] |
//! | write spans for `tracing` and OpenTelemetry | [`telemetry`] |
//! | choose how prompts are written and answers read | [`ChatAdapter`], [`JsonAdapter`], [`XmlAdapter`], [`TerseAdapter`], [`adapter`] |
//! | constrain and describe fields | [`macro@signature`], [`field`] |
//! | keep a conversation | [`History`] |
//! | call without async | [`blocking`] |
//! | handle what goes wrong | [`Error`] and its predicates, [`OnParseError`] |
//! | write a wrapper like [`BestOfN`] | [`author`], [`traverse`] |
//!
//! # Features
//!
//! `http` (default): the clients of [`Lm::new`]; without it there are [`ScriptedLm`] and models of your own, also on the web.
//! `progress` (default): the bar of a [`batch`]. `otel`: lets a program choose OpenTelemetry's names for its spans; see
//! [`telemetry::set_names`].
//!
//! [`call`]: Module::call

#![cfg_attr(docsrs, feature(doc_cfg))]

// The macros write `::karat::..`; inside of this crate that is the crate itself.
extern crate self as karat;

pub mod adapter;
pub mod author;
pub mod batch;
pub mod blocking;
mod budget;
pub mod field;
mod json;
mod module;
mod modules;
mod predict;
mod prediction;
#[cfg(test)]
mod repository;
mod reward;
mod run;
mod signature;
pub mod state;
pub mod stream;
pub mod trace;
pub mod traverse;

#[doc(inline)]
pub use karat_lm as lm;
#[doc(inline)]
pub use karat_lm::telemetry;
pub use karat_macros::{module, reward, signature};

/// The `schemars` whose `JsonSchema` a field's type derives: through this path it is always the version that karat reads.
#[doc(no_inline)]
pub use schemars;
/// The `serde_json` of karat's values. karat switches on its features `preserve_order` (fields stay in the order in which they
/// are declared) and `float_roundtrip` (numbers come back as they were), and with that for the whole program.
#[doc(no_inline)]
pub use serde_json;

// One path for each name: what most programs write stands here, all else in the public modules.
#[doc(inline)]
pub use self::{
    adapter::{chat::ChatAdapter, json::JsonAdapter, terse::TerseAdapter, xml::XmlAdapter},
    budget::Budget,
    field::history::History,
    lm::{
        Cache, Context, Error, ErrorKind, LanguageModel, Limits, Lm, Reply, Result, Retry, Rollout,
        ScriptedLm, Trace, Usage, configure,
    },
    module::{BoxModule, Frozen, Module, Param},
    modules::{
        BestOfN, Budgeted, ChainOfThought, Comparison, Critic, MultiChainComparison, Reasoned, Refine,
        majority, normalize,
    },
    predict::{OnParseError, Predict, Predictor},
    prediction::{Prediction, Stop},
    reward::{Reward, Score},
    signature::Signature,
    state::State,
};

/// README's programs compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Lets the outputs of a signature be a [scripted reply](lm::Reply::output): the short form keeps the macro's output small.
#[doc(hidden)]
#[macro_export]
macro_rules! __answer {
    ($outputs:ident) => {
        #[automatically_derived]
        impl $crate::lm::Answer for $outputs {
            fn into_fields(
                self,
            ) -> $crate::Result<::std::vec::Vec<(::std::string::String, $crate::serde_json::Value)>> {
                $crate::__private::named_values(&self)
            }
        }
    };
}

/// What the macros' output names; not for use by hand, and not covered by semantic versioning.
#[doc(hidden)]
pub mod __private {
    pub use std::{clone::Clone, fmt::Debug, future::Future, option::Option, result::Result as StdResult};

    pub use karat_macros::{DeriveModule, DeriveSignature, Inert};
    pub use serde_json::Value;

    pub use crate::__answer as answer;
    pub use crate::{
        field::{
            CheckOutcome, Field as FieldSpec, HasKind, KindOf, OrValue, OwnDefault, Reader,
            SignatureField as FieldType, Writer, to_value,
        },
        lm::Result,
        module::{Module, Traverse, Walker, WalkerMut},
        prediction::{ForwardOutput, Prediction},
        reward::{IntoScore, Sourced},
        signature::{Clash, Fields, NoClash, Probe, Signature, Spec, named_values},
    };

    #[cfg(feature = "http")]
    pub use karat_lm::internal::read_body;
}
