//! The trait of language models.

use std::{future::Future, pin::Pin, sync::Arc};

use crate::{
    data::{Request, Response, ResponseFormat, Sink, Support},
    report::Result,
};

/// A boxed future that may move between threads; what the methods of object-safe traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A language model: anything that answers a [`Request`]. Object-safe; implement it to bring your own model. To wrap every
/// request of any model, implement a [`Layer`](super::Layer).
///
/// ```
/// use karat::{LanguageModel, Lm, Result, lm::BoxFuture};
/// use karat::lm::{Completion, Delta, Request, Response, Sink};
///
/// struct Parrot;
///
/// impl LanguageModel for Parrot {
///     fn name(&self) -> &str {
///         "parrot"
///     }
///     fn call<'a>(
///         &'a self,
///         request: &'a Request,
///         sink: Option<&'a mut Sink<'a>>,
///     ) -> BoxFuture<'a, Result<Response>> {
///         Box::pin(async move {
///             let text = request.prompt.last();
///             if let Some(sink) = sink {
///                 sink(Delta::text(0, text));
///             }
///             Ok(Response::of(text))
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

    /// Identifies the model in cache keys: its name, and the address of its server where it has one. Models of one identity share
    /// cached answers. It may be written to disk, so it must hold no secret.
    fn identity(&self) -> String {
        self.name().to_owned()
    }

    /// Answers a request with at least one completion. Dropping the future cancels the request.
    ///
    /// With a sink the answer is streamed: the sink gets each piece while the model writes it. The pieces of a completion are the
    /// beginning of its text, even if the call fails later; the response holds the whole answer all the same. A model that cannot
    /// stream gives the sink nothing, and its answers are streamed once they are complete.
    ///
    /// Each call counts as one sent request, or as many as the response's [`Usage::calls`](crate::Usage::calls) says; as none if it
    /// fails for a missing key. It may ask other LMs with clones of the request; those requests are counted instead.
    ///
    /// # Errors
    /// Of any [`ErrorKind`](crate::ErrorKind); callers decide by the kind what to do. An error in the middle of an answer carries
    /// the text so far as its [`completion`](crate::Error::completion).
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>>;

    /// How far the model can be held to a response format. It is known without a call, so that a predictor asks for the best format
    /// at once. A model that is asked for a format that it does not take returns
    /// [`ErrorKind::BadRequest`](crate::ErrorKind::BadRequest).
    ///
    /// By default every format is taken, strictly where it says so.
    fn supports(&self, format: &ResponseFormat) -> Support {
        match format {
            ResponseFormat::JsonSchema { strict: false, .. } => Support::Loose,
            _ => Support::Strict,
        }
    }
}

/// A shared model is a model.
impl<M: LanguageModel + ?Sized> LanguageModel for Arc<M> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn identity(&self) -> String {
        (**self).identity()
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        (**self).call(request, sink)
    }

    fn supports(&self, format: &ResponseFormat) -> Support {
        (**self).supports(format)
    }
}
