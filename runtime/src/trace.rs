//! What one run did, step by step: the records inside of a [`Trace`](crate::Trace) and of a [`Rollout`](crate::Rollout).

#[doc(inline)]
pub use crate::report::{Advice, CallRecord, Step};
