//! What answers requests.

use std::{future::Future, pin::Pin, sync::Arc};

use super::{Request, Response, ResponseFormat, Sink, Support};
use crate::report::Result;

/// A boxed future that may move between threads; what the methods of object-safe traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A language model: anything that answers a [`Request`]. Object-safe; implement it to bring your own model. What is to be done
/// with every request of a model, whichever it is, is a [`Layer`](super::Layer).
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

    /// What tells its answers from those of another model to the same request: the name, and the address of its server where
    /// it has one. It is a part of the keys of caches and may be written to disk, so no secret may be in it.
    fn identity(&self) -> String {
        self.name().to_owned()
    }

    /// Answers a request with at least one completion. Dropping the future cancels the request.
    ///
    /// Where there is a sink, the answer is streamed: the sink hears each piece while the model writes it. What it hears of a
    /// completion is the beginning of its text, whatever becomes of the rest; the whole answer is in the response all the same. A
    /// model that cannot stream gives the sink nothing, and its answers are [streamed](crate::Module::stream) when they are there.
    ///
    /// Each time it is asked counts as one request that is sent, or as many as the answer's [`Usage::calls`](super::Usage::calls) says; none
    /// where it fails for want of a key. It may ask other LMs with clones of the request, which are counted instead.
    ///
    /// # Errors
    /// Of any [`ErrorKind`](crate::ErrorKind); callers decide by the kind what to do. One that breaks an answer off in the middle
    /// has what came of it as its [`completion`](crate::Error::completion).
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>>;

    /// What becomes of a form of answer, known without asking, so that a predictor asks for the best form that there is and
    /// wastes no call. A model that is asked for what it does not take answers with
    /// [`ErrorKind::BadRequest`](crate::ErrorKind::BadRequest).
    ///
    /// By default all is taken, and strictly where the format says so.
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
