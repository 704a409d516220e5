//! [`OnParseError`]: what to do when an answer cannot be read.

use std::sync::Arc;

use crate::adapter::{Adapter, JsonAdapter};

/// What to do when a model's answer cannot be read as the output fields.
///
/// Whatever is chosen, every call is in the trace and in the usage, and an answer that was cut at the token limit is never
/// asked for again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OnParseError {
    /// Fail at once.
    Fail,
    /// Ask again in the same form, at most so many times, with the unreadable answer and what was wrong with it.
    Reask(u32),
    /// Ask once more in the form of this adapter, likewise. The default, with [`JsonAdapter`].
    Fallback(Arc<dyn Adapter>),
}

impl Default for OnParseError {
    fn default() -> Self {
        Self::fallback(JsonAdapter)
    }
}

impl OnParseError {
    /// [`Fallback`](OnParseError::Fallback) to this adapter.
    pub fn fallback(adapter: impl Adapter) -> Self {
        Self::Fallback(Arc::new(adapter))
    }
}
