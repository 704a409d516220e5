//! The providers that karat knows, and the APIs that they speak.

#[cfg(feature = "http")]
pub(crate) mod chat_completions;
#[cfg(not(feature = "http"))]
#[path = "no_http.rs"]
pub(crate) mod chat_completions;
pub(crate) mod environment;
pub(crate) mod provider;
pub(crate) mod structured;
