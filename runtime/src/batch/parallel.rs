//! [`Parallel`]: runs different modules side by side.

use std::{
    fmt::{self, Debug},
    future::{Future, IntoFuture},
    time::Duration,
};

use karat_lm::BoxFuture;

use super::{
    jobs::{self, Job},
    report::Batched,
    settings::{BatchSettings, setters},
};
use crate::{
    Module, Prediction, Result,
    module::{traced, tracer},
};

/// Different modules, each on an input of its own, side by side: run by `.await`, which gives a [`Batched`] in the order in which
/// they were added.
///
/// It has the settings and the rules of a [`Batch`](crate::batch::Batch), but for one: since other modules may have other LMs, no error
/// of one item is taken for that of all; `.max_errors(0)` ends it at the first failure.
///
/// ```
/// use karat::{Module, Predict, Reply, ScriptedLm, batch::Parallel, signature};
///
/// #[signature]
/// struct Summarize {
///     #[input]
///     text: String,
///     #[output]
///     summary: String,
/// }
///
/// #[signature]
/// struct Rate {
///     #[input]
///     text: String,
///     #[output]
///     stars: u8,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let summarize = Predict::<Summarize>::new().lm(&ScriptedLm::new([Reply::fields([("summary", "good")])]).lm());
/// let rate = Predict::<Rate>::new().lm(&ScriptedLm::new([Reply::fields([("stars", 5)])]).lm());
///
/// // Outputs of different types are brought together by a function.
/// let text = String::from("I liked it.");
/// let both = Parallel::new()
///     .with_map(&summarize, SummarizeInput { text: text.clone() }, |output| output.summary)
///     .with_map(&rate, RateInput { text }, |output| format!("{} stars", output.stars))
///     .await
///     .into_predictions()?;
/// assert_eq!(*both[0], "good");
/// assert_eq!(*both[1], "5 stars");
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing runs before it is awaited"]
pub struct Parallel<O> {
    jobs: Vec<Job<BoxFuture<'static, Result<Prediction<O>>>>>,
    settings: BatchSettings,
}

impl<O: 'static> Parallel<O> {
    /// A set without modules yet.
    pub fn new() -> Self {
        Self { jobs: Vec::new(), settings: BatchSettings::new("modules") }
    }

    /// Adds a module, as it is now, and its input.
    pub fn with<M: Module<Output = O>>(self, module: &M, input: M::Input) -> Self {
        self.add(module, input, |prediction| prediction)
    }

    /// Adds a module, as it is now, its input, and a function from its output to the common type.
    pub fn with_map<M: Module>(
        self,
        module: &M,
        input: M::Input,
        map: impl FnMut(M::Output) -> O + Send + 'static,
    ) -> Self {
        self.add(module, input, |prediction| prediction.map(map))
    }

    fn add<M: Module>(
        mut self,
        module: &M,
        input: M::Input,
        finish: impl FnOnce(Prediction<M::Output>) -> Prediction<O> + Send + 'static,
    ) -> Self {
        let outer = tracer(module).cloned();
        self.jobs.push(Job::new(outer, |tracer| -> BoxFuture<'static, _> {
            let copy = traced(module, &tracer);
            Box::pin(async move { copy.call(input).await.map(finish) })
        }));
        self
    }

    /// How many were added.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// True if none was added.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    setters!();
}

impl<O: Send + 'static> IntoFuture for Parallel<O> {
    type Output = Batched<(), O>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (endings, stop) = jobs::run(self.jobs.into_iter(), self.settings, |_| false).await;
            Batched::new(std::iter::repeat(()), endings, stop)
        })
    }
}

impl<O: 'static> Default for Parallel<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> Debug for Parallel<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parallel")
            .field("modules", &self.jobs.len())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
