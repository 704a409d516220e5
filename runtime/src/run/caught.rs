//! Turns a panic into an error.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;

use crate::{Error, Result};

/// Awaits the future; its panic becomes an [`is_panic`](Error::is_panic) error that names `what`.
pub fn caught<T, F: Future<Output = Result<T>>>(
    what: &'static str,
    future: F,
) -> impl Future<Output = Result<T>> + use<T, F> {
    // No `async fn`, which would hold the future twice.
    let panicked = move |panic| Err(Error::from_panic(what, panic));
    AssertUnwindSafe(future).catch_unwind().map(move |outcome| outcome.unwrap_or_else(panicked))
}
