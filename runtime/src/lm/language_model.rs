//! What answers requests.

use std::{future::Future, pin::Pin};

use super::{Request, Response, ResponseFormat, Takes, Tell};
use crate::error::Result;

/// A boxed future that may move between threads; what the methods of object-safe traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A language model: anything that answers a [`Request`]. Object-safe; implement it to bring your own model or a layer around
/// another one.
///
/// Dropping the future cancels the request.
///
/// ```
/// use karat::{BoxFuture, LanguageModel, Lm, Result};
/// use karat::lm::{Completion, Request, Response};
///
/// struct Parrot;
///
/// impl LanguageModel for Parrot {
///     fn name(&self) -> &str {
///         "parrot"
///     }
///     fn complete<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
///         Box::pin(async move {
///             let completion = Completion::new(request.prompt.last());
///             Ok(Response { completions: vec![completion], ..Response::default() })
///         })
///     }
/// }
///
/// let lm = Lm::custom(Parrot).temperature(0.5);
/// assert_eq!(lm.name(), "parrot");
/// ```
pub trait LanguageModel: Send + Sync + 'static {
    /// The model's name, e.g. `openai/gpt-4o-mini`. It appears in errors and reports.
    fn name(&self) -> &str;

    /// What tells its answers from those of another model to the same request: the name, and the address of its server where
    /// it has one. It is a part of the keys of caches and may be written to disk, so no secret may be in it.
    fn identity(&self) -> String {
        self.name().to_owned()
    }

    /// Answers a request with at least one completion.
    ///
    /// # Errors
    /// Of any [`ErrorKind`](crate::ErrorKind); callers decide by the kind what to do.
    fn complete<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>>;

    /// [`complete`](LanguageModel::complete), telling the answer piece by piece while it is written.
    ///
    /// What is told of a completion is the beginning of its text, whatever becomes of the rest; the whole answer is in the
    /// response. `tell` returns at once. A model that does not implement this tells nothing, and its answers are
    /// [streamed](crate::Module::stream) when they are there.
    ///
    /// # Errors
    /// As [`complete`](LanguageModel::complete)'s. One that breaks an answer off in the middle has what came of it as its
    /// [`completion`](crate::Error::completion).
    fn stream<'a>(&'a self, request: &'a Request, tell: &'a mut Tell<'a>) -> BoxFuture<'a, Result<Response>> {
        let _ = tell;
        self.complete(request)
    }

    /// What becomes of a form of answer, known without asking, so that a predictor asks for the best form that there is and
    /// wastes no call. A layer around another model hands the question on; a model that is asked for what it does not take
    /// answers with [`ErrorKind::BadRequest`](crate::ErrorKind::BadRequest).
    ///
    /// By default all is taken, and strictly where the format says so.
    fn takes(&self, format: &ResponseFormat) -> Takes {
        match format {
            ResponseFormat::JsonSchema { strict: false, .. } => Takes::Loosely,
            _ => Takes::Strictly,
        }
    }
}
