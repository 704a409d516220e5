//! Language models without programs: the handle [`Lm`], requests and answers as plain data, and the layers between. The ground of
//! [karat](https://docs.rs/karat), which re-exports all of it as `karat::lm`; a program that needs no signatures can use it alone.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What the clients over HTTP alone use, and what follows one that cannot be made.
#![cfg_attr(not(feature = "http"), allow(dead_code, unreachable_code))]

mod data;
mod grow;
mod handle;
#[cfg(feature = "http")]
mod http;
mod layers;
mod model;
mod new_file;
mod polled_timeout;
mod providers;
mod report;
#[cfg(test)]
mod repository;
mod route;
mod setters;
mod sha256;
mod split_mix;
pub mod telemetry;
mod testing;
mod text;

pub use self::{
    data::{
        AnswerSchema, CacheUse, Caller, CallerId, Completion, Config, Content, Delta, DeltaPart, Finish,
        Media, MediaSource, Message, Meter, Opaque, Part, Price, Prices, Prompt, Request, Response,
        ResponseFormat, Role, Sink, Support, Timeouts, ToolCall, ToolChoice, ToolResult, ToolSpec,
    },
    handle::{Lm, configure},
    layers::{Cache, CacheStats, CallHistory, HistoryEntry, Limits, Retry},
    model::{BoxFuture, LanguageModel, Layer, Next},
    report::{
        Advice, Allowance, CallRecord, Context, Cost, Error, ErrorKind, RateLimit, Result, Rollout, Step,
        Trace, Usage,
    },
    route::Pool,
    testing::{Answer, Replay, Reply, ScriptedLm},
};

/// README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What the crate karat shares with this one; not for use by others, and not covered by semantic versioning.
#[doc(hidden)]
pub mod internal {
    #[cfg(feature = "http")]
    pub use crate::providers::chat_completions::read_body;
    pub use crate::{
        data::{meter::Payer, secret::is_secret},
        grow::{STREAM_CAP, append},
        handle::configured,
        new_file::NewFile,
        report::{Fact, causes},
        split_mix::{STEP, mixed},
        text::shortened,
    };
}
