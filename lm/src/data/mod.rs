//! What is asked and answered: plain data, the same for every provider.

mod caller;
mod config;
pub(crate) mod content;
mod delta;
mod message;
pub(crate) mod meter;
pub(crate) mod params;
mod part;
mod prices;
pub(crate) mod redacted;
mod request;
pub(crate) mod schema;
pub(crate) mod secret;
mod timeouts;
mod tool;

pub use self::{
    caller::{Caller, CallerId},
    config::{CacheUse, Config},
    content::Content,
    delta::{Delta, DeltaPart, Sink},
    message::{Message, Prompt, Role},
    meter::Meter,
    part::{Media, MediaSource, Opaque, Part, ToolCall, ToolResult},
    prices::{Price, Prices},
    request::{Completion, Finish, Request, Response, ResponseFormat, Support},
    schema::AnswerSchema,
    timeouts::Timeouts,
    tool::{ToolChoice, ToolSpec},
};
