//! The trace of a run: the steps of its predictors, and the usage of all its LM calls.

#[doc(inline)]
pub use crate::report::{Advice, CallRecord, Step};
