//! Many calls at once: one module on many inputs ([`Batch`]), or different modules side by side ([`Parallel`]).
//!
//! Both run by `.await`, so many at a time as their `concurrency`, and give a [`Batched`]: the results in the order of the inputs, each
//! with its error, usage and time. One that fails, fails alone.
//!
//! ```
//! use karat::{Module, Predict, Reply, ScriptedLm, batch::{BatchStop, Parallel}, signature};
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
//! let lm = ScriptedLm::computed(|_| Reply::fields([("answer", "Paris")])).lm();
//! let qa = Predict::<Qa>::new().lm(&lm);
//! let ask = |question: &str| QaInput { question: question.into() };
//!
//! let answers = qa.batch(["Capital of France?", "City of light?"].map(ask)).concurrency(2).await;
//! assert_eq!((answers.len(), answers.stop_reason()), (2, BatchStop::Completed));
//!
//! let other = qa.clone().temperature(1.0);
//! let answers = Parallel::new().with(&qa, ask("Capital?")).with(&other, ask("Capital?")).await;
//! assert_eq!(answers.into_predictions()?[1].answer, "Paris");
//! # Ok(())
//! # }
//! ```

mod items;
mod jobs;
mod parallel;
#[cfg(feature = "progress")]
mod progress;
#[cfg(not(feature = "progress"))]
#[path = "no_progress.rs"]
mod progress;
mod report;
mod settings;

use std::{
    fmt::{self, Debug},
    future::{Future, IntoFuture},
    time::Duration,
};

use karat_lm::{BoxFuture, internal::Fact};

use self::{
    jobs::Job,
    settings::{BatchSettings, setters},
};
pub use self::{
    parallel::Parallel,
    report::{BatchItem, BatchStop, Batched},
};
use crate::{
    Module,
    module::{traced, tracer},
};

/// One module on many inputs: made by [`Module::batch`], run by `.await`, which returns a [`Batched`].
///
/// Each input is called once, as by [`Module::call`]: with a trace and a usage of its own; inside of another module's
/// `forward`, all items are a part of that run. No item is tried again here, so no LM call is paid for twice. An item that
/// fails, or whose module panics, fails alone. Only these end the batch early, and whatever is finished by then is kept:
///
/// * more failed items than [`max_errors`](Batch::max_errors) tolerates,
/// * an error that no other item would escape: no LM, a missing or refused key, a used-up quota, an unknown model, an
///   untrusted certificate, a wrong setup,
/// * [`cancel_on`](Batch::cancel_on).
///
/// Items that are running then are dropped on the wire, and what is known of their cost is in [`Batched::usage`].
///
/// ```
/// use std::time::Duration;
/// use karat::{Module, Predict, Reply, ScriptedLm, batch::BatchStop, signature};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> karat::Result<()> {
/// let lm = ScriptedLm::computed(|_| Reply::fields([("answer", "Paris")]).delay(Duration::from_millis(400)));
/// let qa = Predict::<Qa>::new().lm(&lm.lm());
/// let inputs = (0..10).map(|n| QaInput { question: format!("Question {n}?") });
///
/// // A batch owns what it needs, so that it may be spawned.
/// let enough = tokio::time::sleep(Duration::from_secs(1));
/// let answers = tokio::spawn(qa.batch(inputs).concurrency(2).cancel_on(enough).into_future()).await.unwrap();
///
/// assert_eq!(answers.stop_reason(), BatchStop::Cancelled);
/// let finished = answers.iter().filter(|item| item.result.is_ok()).count();
/// assert_eq!(finished, 4);
/// assert!(answers[9].result.as_ref().unwrap_err().is_cancelled());
/// # Ok(())
/// # }
/// # use std::future::IntoFuture;
/// ```
#[must_use = "a batch runs when it is awaited"]
pub struct Batch<M: Module> {
    module: M,
    inputs: Vec<M::Input>,
    settings: BatchSettings,
}

impl<M: Module> Batch<M> {
    pub(crate) fn new(module: M, inputs: impl IntoIterator<Item = M::Input>) -> Self {
        Self { module, inputs: inputs.into_iter().collect(), settings: BatchSettings::new("items") }
    }

    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// True if there is no input: the batch then gives no item and calls nothing.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    setters!();
}

impl<M: Module> IntoFuture for Batch<M> {
    type Output = Batched<M::Input, M::Output>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { module, inputs, settings } = self;
            let outer = tracer(&module).cloned();
            // Made one by one as they start: a waiting input costs nothing but itself.
            let jobs = inputs.iter().map(|input| {
                let module = &module;
                Job::new(
                    outer.clone(),
                    |tracer| async move { traced(module, &tracer).call(input.clone()).await },
                )
            });
            let (endings, stop) = jobs::run(jobs, settings, |error| error.kind().is(Fact::Shared)).await;
            Batched::new(inputs, endings, stop)
        })
    }
}

impl<M: Module> Debug for Batch<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("inputs", &self.inputs.len())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
