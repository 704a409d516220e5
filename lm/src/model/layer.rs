//! Layers around a model: what an [`Lm`](super::Lm) does with every request besides sending it.

use std::sync::Arc;

use super::{BoxFuture, LanguageModel};
use crate::{
    data::{Request, Response, ResponseFormat, Sink, Support},
    report::Result,
};

/// Code that runs around every request of an [`Lm`](crate::Lm). Set it with [`Lm::layer`](crate::Lm::layer).
///
/// A layer gets the request, the sink of a streamed answer and the [next](Next) layer. It returns the next layer's answer, to this
/// request or to another one, or an answer of its own. Name, identity and capabilities are the model's, whatever layers there are,
/// and an answer is streamed through a layer that passes the sink on.
///
/// All clones of a handle share its layers.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
///
/// use karat::{Result, ScriptedLm, lm::{BoxFuture, Layer, Message, Next, Request, Response, Sink}};
///
/// /// Counts the requests.
/// #[derive(Clone, Default)]
/// struct Counter(Arc<AtomicUsize>);
///
/// impl Layer for Counter {
///     fn call<'a>(
///         &'a self,
///         request: &'a Request,
///         sink: Option<&'a mut Sink<'a>>,
///         next: Next<'a>,
///     ) -> BoxFuture<'a, Result<Response>> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         next.call(request, sink)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let counter = Counter::default();
/// let lm = ScriptedLm::new(["hello"]).lm().layer(counter.clone());
/// lm.complete(Request::new(vec![Message::user("hi")])).await?;
/// assert_eq!(counter.0.load(Ordering::Relaxed), 1);
/// # Ok(())
/// # }
/// ```
pub trait Layer: Send + Sync + 'static {
    /// Handles a call, usually by passing it on to `next`. Dropping the future cancels the call.
    ///
    /// # Errors
    /// The layer's own, and the next one's.
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response>>;
}

/// The rest of the stack behind a [`Layer`]: further layers, then the model. It may be called more than once.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    model: &'a dyn LanguageModel,
    /// The innermost first.
    layers: &'a [Arc<dyn Layer>],
}

impl<'a> Next<'a> {
    pub(crate) fn new(model: &'a dyn LanguageModel, layers: &'a [Arc<dyn Layer>]) -> Self {
        Self { model, layers }
    }

    /// Calls the next layer, or the model. Dropping the future cancels the request.
    ///
    /// # Errors
    /// The model's, or a layer's.
    pub fn call(
        self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        match self.layers.split_last() {
            Some((layer, layers)) => layer.call(request, sink, Self { layers, ..self }),
            None => self.model.call(request, sink),
        }
    }

    /// The model's [name](LanguageModel::name).
    pub fn name(&self) -> &'a str {
        self.model.name()
    }

    /// The model's [identity](LanguageModel::identity).
    pub fn identity(&self) -> String {
        self.model.identity()
    }

    /// How far the model [supports](LanguageModel::supports) a response format.
    pub fn supports(&self, format: &ResponseFormat) -> Support {
        self.model.supports(format)
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Next").field("model", &self.name()).field("layers", &self.layers.len()).finish()
    }
}
