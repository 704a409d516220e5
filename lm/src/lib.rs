//! Language models without programs: one handle, requests and answers as plain data, and the layers between.
//!
//! karat re-exports this crate, `karat-lm`, as `karat::lm`; a program that needs no signatures can use it alone, with `karat_lm` in
//! place of `karat` and `karat::lm` in the examples.
//!
//! [`Lm`] is the handle: cheap to clone, with settings by value. It sends a [`Request`], which is data, and gives a [`Response`].
//!
//! ```
//! use karat::{Cache, Limits, ScriptedLm, lm::{Config, Message, Request}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> karat::Result<()> {
//! // `Lm::new("openai/gpt-4o-mini")?` is a real one.
//! let lm = ScriptedLm::new(["Paris"]).lm().temperature(0.0).cache(Cache::memory()).limits(Limits::new().concurrency(8));
//! let request = Request::new(vec![Message::user("Capital of France?")]).config(Config::new().max_tokens(20));
//! let response = lm.complete(request.clone()).await?;
//! assert_eq!(response.completions[0].text, "Paris");
//! assert!(lm.complete(request).await?.usage.is_cached());
//! # Ok(())
//! # }
//! ```
//!
//! | to | see |
//! |---|---|
//! | choose model, address, key, headers, HTTP client | [`Lm`] |
//! | say how to generate, for a handle or for one call | [`Config`] |
//! | send text, media, tools and tool results | [`Message`], [`Content`], [`Part`], [`ToolSpec`], [`ToolChoice`] |
//! | ask for JSON by a schema | [`ResponseFormat`], [`AnswerSchema`], [`Support`] |
//! | show an answer while it is written | [`Lm::stream_for`], [`Sink`], [`Delta`] |
//! | try again, and limit a call's time | [`Retry`], [`Lm::deadline`], [`Timeouts`] |
//! | keep within an endpoint's limits | [`Limits`], [`RateLimit`] |
//! | answer from what was answered before | [`Cache`], [`CacheUse`] |
//! | ask other models where one fails | [`Lm::fallback`], [`Pool`] |
//! | know what was sent, and what it cost | [`Lm::history`], [`Usage`], [`Prices`] |
//! | test without a model | [`ScriptedLm`], [`Lm::record`], [`Replay`] |
//! | bring a model of your own | [`LanguageModel`], [`Lm::custom`] |
//! | do something with every request | [`Layer`], [`Next`] |

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
