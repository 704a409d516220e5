//! Streams a module's run: the events of its predictors, word by word, and its prediction at the end.
//!
//! [`Module::stream`](crate::Module::stream) gives a [`ModuleStream`] of [`StreamEvent`]s: a [`Progress`] for each [`Update`] of a
//! predictor's output fields, then the prediction. A [`Listener`] on single predictors hears the same without a stream.
//!
//! ```
//! use karat::{Module, Predict, Reply, ScriptedLm, signature, stream::StreamEvent};
//!
//! #[signature]
//! struct Qa {
//!     #[input]
//!     question: String,
//!     #[output]
//!     answer: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> karat::Result<()> {
//! let lm = ScriptedLm::new([Reply::fields([("answer", "Paris, on the Seine")])]).lm();
//! let mut events = Predict::<Qa>::new().lm(&lm).stream(QaInput { question: "Capital of France?".into() });
//! let mut shown = String::new();
//! while let Some(event) = events.next().await {
//!     match event? {
//!         StreamEvent::Progress(progress) => shown += progress.delta_of("answer").unwrap_or_default(),
//!         StreamEvent::Done(prediction) => assert_eq!(shown, prediction.answer),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use karat_lm::{BoxFuture, Error, Result};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::prediction::Prediction;

/// An item of a [`ModuleStream`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamEvent<O> {
    /// A predictor wrote something.
    Progress(Progress),
    /// The run is done; the last event.
    Done(Prediction<O>),
}

/// An event of a predictor.
#[derive(Clone, Debug)]
pub struct Progress {
    predictor: Arc<str>,
    rollout: Option<u64>,
    update: Update,
}

/// What happened in a predictor's run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Update {
    /// The model begins with the value of an output field.
    Started {
        /// The field's name.
        field: Cow<'static, str>,
    },
    /// The model wrote more of it: a word with the blanks before it, or sixteen characters of a longer one. Joined, the texts
    /// are the value's text; for values other than texts, as the model writes it.
    Delta {
        /// The field's name.
        field: Cow<'static, str>,
        /// The text that was added.
        text: String,
    },
    /// The value is whole and fits its field.
    Finished {
        /// The field's name.
        field: Cow<'static, str>,
        /// The value, as the field's type writes it with serde.
        value: Value,
    },
    /// The model wrote more of its reasoning: of what stands before its answer in `<think>` tags, or of what the provider sends
    /// apart. Not to be confused with the field that [`ChainOfThought`](crate::ChainOfThought) adds.
    Reasoning {
        /// The text that was added.
        text: String,
    },
    /// The events of this run of the predictor are void: its answer cannot be read as a whole and is asked for again, or was
    /// read in another way.
    Discarded {
        /// Why.
        error: Error,
    },
}

impl Progress {
    pub(crate) fn new(predictor: Arc<str>, rollout: Option<u64>, update: Update) -> Self {
        Self { predictor, rollout, update }
    }

    /// The predictor's path from the root of the streamed module; `self` for a bare predictor.
    pub fn predictor(&self) -> &str {
        &self.predictor
    }

    /// The id of the rollout of which it is a part; `None` outside of rollouts.
    pub fn rollout(&self) -> Option<u64> {
        self.rollout
    }

    /// What happened.
    pub fn update(&self) -> &Update {
        &self.update
    }

    /// What happened, by value.
    pub fn into_update(self) -> Update {
        self.update
    }

    /// The output field that it is about.
    pub fn field(&self) -> Option<&str> {
        match &self.update {
            Update::Started { field } | Update::Delta { field, .. } | Update::Finished { field, .. } => {
                Some(field)
            }
            Update::Reasoning { .. } | Update::Discarded { .. } => None,
        }
    }

    /// The text that was added to this field, if that is what happened.
    pub fn delta_of(&self, name: &str) -> Option<&str> {
        match &self.update {
            Update::Delta { field, text } if *field == name => Some(text),
            _ => None,
        }
    }
}

/// A function that gets the events of predictors; set with [`Predictor::set_listener`](crate::Predictor::set_listener). Cheap to
/// clone.
///
/// It is called while the run goes on, so it has to return at once.
#[derive(Clone)]
pub struct Listener {
    send: Arc<dyn Fn(Progress) + Send + Sync>,
}

impl Listener {
    /// Calls this function with each event.
    pub fn new(send: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { send: Arc::new(send) }
    }

    pub(crate) fn send(&self, progress: Progress) {
        (self.send)(progress);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// A stream of the events of a module's run; what [`Module::stream`](crate::Module::stream) returns.
///
/// Every output field has an event when it starts, one for each word of its text, and one when its value is whole; in a
/// [`BestOfN`](crate::BestOfN) or a [`Refine`](crate::Refine), events name their rollout. The last event is the prediction,
/// which is what [`Module::call`](crate::Module::call) would have given. The order and the words do not depend on how the
/// provider cuts its answer.
///
/// What an input holds never becomes an event of an output. Where an input holds something that would read as one, where an
/// answer needs mending, and in adapters that cannot [follow](crate::adapter::Adapter::follow) an answer, the events of its fields come
/// at its end; those of an LM that cannot [stream](crate::LanguageModel::call), when its answer is there. An answer that cannot
/// be read and is asked for again is [discarded](Update::Discarded) first. Of several completions, the first has events.
///
/// It runs only while it is asked for the next event; for those who ask late, the answer waits in the connection. Dropping it
/// cancels the run. It is a [`Stream`] too, for `StreamExt`'s methods.
///
/// ```
/// use karat::{ChainOfThought, Module, Reply, ScriptedLm, signature, stream::StreamEvent};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// # let lm = ScriptedLm::new([Reply::fields([("reasoning", "known"), ("answer", "Paris, France")])]).lm();
/// let qa = ChainOfThought::<Qa>::new().lm(&lm);
/// let mut stream = qa.stream(QaInput { question: "Capital of France?".into() });
/// let mut shown = String::new();
/// while let Some(event) = stream.next().await {
///     match event? {
///         StreamEvent::Progress(progress) => shown += progress.delta_of("answer").unwrap_or_default(),
///         StreamEvent::Done(answer) => assert_eq!(answer.answer, "Paris, France"),
///         _ => {}
///     }
/// }
/// assert_eq!(shown, "Paris, France");
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing unless it is asked for its events"]
pub struct ModuleStream<O> {
    run: Option<BoxFuture<'static, Result<Prediction<O>>>>,
    progress: UnboundedReceiver<Progress>,
    outcome: Option<Result<Prediction<O>>>,
}

impl<O: 'static> ModuleStream<O> {
    /// A stream of the events of `run`, which gets the listener to set on its predictors; for authors of wrappers.
    pub fn new<F>(run: impl FnOnce(Listener) -> F) -> Self
    where
        F: Future<Output = Result<Prediction<O>>> + Send + 'static,
    {
        let (sender, progress) = unbounded_channel();
        // Nobody listens any more once the stream is dropped.
        let listener = Listener::new(move |update| drop(sender.send(update)));
        Self { run: Some(Box::pin(run(listener))), progress, outcome: None }
    }

    /// The next event; `None` after the last one, which is [`Done`](StreamEvent::Done) or an error.
    ///
    /// Cancel safe: an event that was not returned comes with the next call.
    ///
    /// # Errors
    /// As [`Module::call`](crate::Module::call)'s; what was complete by then is in [`Error::outputs`].
    pub async fn next(&mut self) -> Option<Result<StreamEvent<O>>> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// Runs to the end and returns the prediction.
    ///
    /// # Errors
    /// As [`Module::call`](crate::Module::call)'s.
    pub async fn finish(mut self) -> Result<Prediction<O>> {
        loop {
            match self.next().await {
                Some(Ok(StreamEvent::Done(prediction))) => return Ok(prediction),
                Some(Ok(StreamEvent::Progress(_))) => {}
                Some(Err(error)) => return Err(error),
                None => {
                    let message = "the stream has ended before: its prediction was its last event";
                    return Err(Error::config(message));
                }
            }
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<StreamEvent<O>>>> {
        loop {
            // The events before it ended or came to wait come first. Not `poll_recv`: once the task has used up its budget,
            // that one says that nothing is there.
            let waiting = if self.run.is_some() || self.outcome.is_some() {
                self.progress.try_recv().ok()
            } else {
                None
            };
            if let Some(progress) = waiting {
                return Poll::Ready(Some(Ok(StreamEvent::Progress(progress))));
            }
            if let Some(outcome) = self.outcome.take() {
                return Poll::Ready(Some(outcome.map(StreamEvent::Done)));
            }
            let Some(run) = &mut self.run else { return Poll::Ready(None) };
            match run.as_mut().poll(context) {
                Poll::Ready(outcome) => (self.run, self.outcome) = (None, Some(outcome)),
                Poll::Pending => {
                    // Tasks that the module spawned may send events while the run itself waits.
                    return match self.progress.poll_recv(context) {
                        Poll::Ready(Some(progress)) => Poll::Ready(Some(Ok(StreamEvent::Progress(progress)))),
                        _ => Poll::Pending,
                    };
                }
            }
        }
    }
}

impl<O: 'static> Stream for ModuleStream<O> {
    type Item = Result<StreamEvent<O>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(context)
    }
}

/// Nothing in it is pinned in place.
impl<O> Unpin for ModuleStream<O> {}

impl<O> fmt::Debug for ModuleStream<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleStream").field("is_done", &self.run.is_none()).finish_non_exhaustive()
    }
}
