//! What a handle does with every request beside sending it.

pub(crate) mod cache;
pub(crate) mod history;
pub(crate) mod limits;
pub(crate) mod record;
pub(crate) mod retry;

pub use self::{
    cache::{Cache, CacheStats},
    history::{CallHistory, HistoryEntry},
    limits::Limits,
    retry::Retry,
};
