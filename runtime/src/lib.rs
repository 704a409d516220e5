#![doc = include_str!("../README.md")]
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
pub(crate) use karat_lm as report;
pub(crate) use karat_lm::internal as text;
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
    lm::{Cache, LanguageModel, Limits, Lm, Reply, Retry, ScriptedLm, Usage, configure},
    module::{BoxModule, Frozen, Module, Param},
    modules::{
        BestOfN, Budgeted, ChainOfThought, Comparison, Critic, MultiChainComparison, Reasoned, Refine,
        majority, normalize,
    },
    predict::{OnParseError, Predict, Predictor},
    prediction::{Prediction, Stop},
    report::{Context, Error, ErrorKind, Result, Rollout, Trace},
    reward::{Reward, Score},
    signature::Signature,
    state::State,
};

/// What the macros' output names; not for use by hand, and not covered by semantic versioning.
#[doc(hidden)]
pub mod __private {
    pub use std::{clone::Clone, fmt::Debug, future::Future, option::Option, result::Result as StdResult};

    pub use karat_macros::{DeriveModule, DeriveSignature, Inert};
    pub use serde_json::Value;

    pub use crate::{
        field::{
            CheckOutcome, Field as FieldSpec, HasKind, KindOf, OrValue, OwnDefault, Reader,
            SignatureField as FieldType, Writer, to_value,
        },
        lm::Answer,
        module::{Module, Traverse, Walker, WalkerMut},
        prediction::{ForwardOutput, Prediction},
        report::Result,
        reward::{IntoScore, Sourced},
        signature::{Clash, Fields, NoClash, Probe, Signature, Spec, named_values},
    };
    /// The values of a signature's half by field name.
    pub type NamedValues = Vec<(String, Value)>;

    #[cfg(feature = "http")]
    pub use karat_lm::internal::read_body;
}
