//! Layers around a model: what an [`Lm`](super::Lm) does with every request beside sending it.

use std::sync::{Arc, OnceLock};

use super::{BoxFuture, LanguageModel, Request, Response, ResponseFormat, Takes, Tell};
use crate::error::Result;

/// Something that is done with every request of an [`Lm`](super::Lm): wraps its model in another one. Set it with
/// [`Lm::layer`](super::Lm::layer).
///
/// All clones of a handle share its layers, and what a layer remembers stands in the layer itself: it may be asked to wrap the
/// same model more than once.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
///
/// use karat::{BoxFuture, LanguageModel, Result, ScriptedLm, lm::{Layer, Message, Request, Response}};
///
/// /// Counts the requests.
/// #[derive(Clone, Default)]
/// struct Counter(Arc<AtomicUsize>);
///
/// impl Layer for Counter {
///     fn layer(&self, inner: Arc<dyn LanguageModel>) -> Arc<dyn LanguageModel> {
///         Arc::new(Counted { inner, count: self.0.clone() })
///     }
/// }
///
/// struct Counted {
///     inner: Arc<dyn LanguageModel>,
///     count: Arc<AtomicUsize>,
/// }
///
/// impl LanguageModel for Counted {
///     fn name(&self) -> &str {
///         self.inner.name()
///     }
///     fn complete<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
///         self.count.fetch_add(1, Ordering::Relaxed);
///         self.inner.complete(request)
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
    /// A model that does its part and asks `inner` for the rest.
    fn layer(&self, inner: Arc<dyn LanguageModel>) -> Arc<dyn LanguageModel>;
}

/// Where a layer stands, the innermost first. There is one of each kind but of the user's own, which stand around all others in
/// the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Writes down what is sent and what comes back.
    Record,
    /// Limits of the endpoint: each request that is sent takes its own place under them.
    Limits,
    /// Retries and the deadline.
    Retry,
    /// Answers from what was answered before.
    Cache,
    /// The user's own.
    Own,
}

/// The layers of a handle, and the model with them around it.
#[derive(Clone, Default)]
pub(super) struct Layers {
    layers: Vec<(Place, Arc<dyn Layer>)>,
    /// Made at the first request; emptied by every change.
    stack: OnceLock<Arc<dyn LanguageModel>>,
}

impl Layers {
    /// Adds a layer at its place, instead of the one that stands there.
    pub(super) fn set(&mut self, place: Place, layer: Arc<dyn Layer>) {
        if place != Place::Own {
            self.layers.retain(|(other, _)| *other != place);
        }
        let at = self.layers.partition_point(|(other, _)| *other <= place);
        self.layers.insert(at, (place, layer));
        self.change();
    }

    /// Takes the layer away that stands at this place.
    pub(super) fn unset(&mut self, place: Place) {
        self.layers.retain(|(other, _)| *other != place);
        self.change();
    }

    /// Has the stack made anew: the model inside is another one.
    pub(super) fn change(&mut self) {
        self.stack = OnceLock::new();
    }

    /// The model with all layers around it.
    pub(super) fn around(&self, model: &Arc<dyn LanguageModel>) -> &Arc<dyn LanguageModel> {
        self.stack
            .get_or_init(|| self.layers.iter().fold(model.clone(), |inner, (_, layer)| layer.layer(inner)))
    }

    /// True if both are the same layers; those that are told apart by their settings are not looked at.
    pub(super) fn are(&self, other: &Layers) -> bool {
        fn by_identity(layers: &Layers) -> impl Iterator<Item = &Arc<dyn Layer>> {
            layers.layers.iter().filter(|(place, _)| *place != Place::Retry).map(|(_, layer)| layer)
        }
        let mut others = by_identity(other);
        by_identity(self).all(|one| others.next().is_some_and(|other| Arc::ptr_eq(one, other)))
            && others.next().is_none()
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

    fn complete<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        (**self).complete(request)
    }

    fn stream<'a>(&'a self, request: &'a Request, tell: &'a mut Tell<'a>) -> BoxFuture<'a, Result<Response>> {
        (**self).stream(request, tell)
    }

    fn takes(&self, format: &ResponseFormat) -> Takes {
        (**self).takes(format)
    }
}
