#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What the clients over HTTP alone use, and what follows one that cannot be made.
#![cfg_attr(not(feature = "http"), allow(dead_code, unreachable_code))]

// The macros write `::karat::..`; inside of this crate that is the crate itself.
extern crate self as karat;

mod adapter;
mod batch;
pub mod blocking;
mod budget;
mod error;
mod field;
mod history;
mod json;
pub mod lm;
mod module;
mod modules;
mod new_file;
mod predict;
mod prediction;
#[cfg(test)]
mod repository;
mod reward;
mod rollout;
mod run;
mod signature;
mod split_mix;
mod state;
mod stream;
pub mod telemetry;
mod text;
mod trace;

pub use karat_macros::{module, reward, signature};

/// The `schemars` whose `JsonSchema` a field's type derives: through this path it is always the version that karat reads.
#[doc(no_inline)]
pub use schemars;
/// The `serde_json` of karat's values. karat switches on its features `preserve_order` (fields stay in the order in which they
/// are declared) and `float_roundtrip` (numbers come back as they were), and with that for the whole program.
#[doc(no_inline)]
pub use serde_json;

pub use self::{
    adapter::{
        Adapter, ChatAdapter, Demo, Follow, Followed, Inputs, JsonAdapter, Mode, Outline, Prepared, Task,
        TaskField, TerseAdapter, XmlAdapter,
    },
    batch::{Batch, BatchItem, BatchStop, Batched, Parallel},
    budget::Budget,
    error::{Context, Error, ErrorKind, Result},
    field::{Bound, CheckOutcome, Field, FieldKind, FieldRole, FieldType, FieldValue, Reader, Rules, Writer},
    history::History,
    json::{Repair, Repairs},
    lm::{
        BoxFuture, Cache, CallHistory, HistoryEntry, LanguageModel, Limits, Lm, Pool, Replay, Reply, Retry,
        ScriptedLm, Timeouts, Usage, configure,
    },
    module::{
        BoxModule, Frozen, Module, Node, Param, Parameter, Site, SubModule, SubModules, Traverse, Walker,
        WalkerMut,
    },
    modules::{
        BestOfN, Budgeted, ChainOfThought, Comparison, Critic, MultiChainComparison, Reasoned, Refine,
        majority, normalize,
    },
    predict::{OnParseError, Predict, Predictor},
    prediction::{Added, Prediction, Stop},
    reward::{BoxReward, IntoScore, Reward, RewardFn, Score, Sourced},
    rollout::{Advice, Rollout},
    signature::{Fields, Place, Signature, Spec},
    state::{Program, ProgramField, ProgramModule, ProgramParameter, ProgramPredictor, State, StateOptions},
    stream::{Listener, ModuleStream, Progress, StreamEvent, Update},
    trace::{CallRecord, Step, Trace, Tracer},
};

/// What the macros' output names; not for use by hand, and not covered by semantic versioning.
#[doc(hidden)]
pub mod __private {
    pub use std::{clone::Clone, fmt::Debug, future::Future, option::Option, result::Result as StdResult};

    pub use karat_macros::{DeriveModule, DeriveSignature, Inert};
    pub use serde_json::Value;

    #[cfg(feature = "http")]
    pub use crate::lm::read_body;
    pub use crate::{
        error::Result,
        field::{
            CheckOutcome, Field as FieldSpec, HasKind, KindOf, OrValue, OwnDefault, Reader,
            SignatureField as FieldType, Writer, to_value,
        },
        module::{Module, Traverse, Walker, WalkerMut},
        prediction::{ForwardOutput, Prediction},
        reward::{IntoScore, Sourced},
        signature::{Clash, Fields, NoClash, Probe, Signature, Spec},
    };
}
