//! [`Batched`]: the results of a batch.

use std::{fmt, ops::Deref, slice, time::Duration, vec};

use karat_lm::internal::causes;

use super::items::Ending;
use crate::{Error, Prediction, Result, Usage};

/// The results of a [`Batch`](super::Batch) or a [`Parallel`](super::Parallel): every item, in the order of the inputs. A slice of
/// [`BatchItem`]s by `Deref`.
///
/// ```
/// use karat::{Error, ErrorKind, Module, Predict, Reply, ScriptedLm, signature};
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
/// let lm = ScriptedLm::new([Reply::fields([("answer", "4")]), Error::new(ErrorKind::Server, "status 500").into()]);
/// let qa = Predict::<Qa>::new().lm(&lm.lm());
/// let done = qa.batch(["2 + 2?", "2 + 3?"].map(|text| QaInput { question: text.into() })).concurrency(1).await;
///
/// let (index, error) = done.errors().next().unwrap();
/// assert!(index == 1 && error.is_server());
/// assert_eq!(done.to_string(), "2 items, 1 done; item 1: predictor `self`: status 500");
/// let again: Vec<_> = done.into_iter().filter(|item| item.result.is_err()).map(|item| item.input).collect();
/// assert_eq!(again[0].question, "2 + 3?");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "items may have failed"]
pub struct Batched<I, O> {
    items: Vec<BatchItem<I, O>>,
    stop: BatchStop,
}

/// One input and its result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchItem<I, O> {
    /// The input; `()` in a [`Parallel`](super::Parallel), whose inputs have no common type.
    pub input: I,
    /// The call's result. An item that did not run to its end because the batch ended has an
    /// [`is_cancelled`](Error::is_cancelled) error that says why.
    pub result: Result<Prediction<O>>,
    usage: Usage,
    elapsed: Duration,
}

impl<I, O> BatchItem<I, O> {
    /// The usage of its LM calls, whatever its result; of one that was dropped midway, as far as it is known.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// How long it ran; zero if it never started.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

/// Why a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchStop {
    /// All items ran, and no more of them failed than was tolerated.
    Completed,
    /// More items failed than was tolerated.
    TooManyErrors,
    /// An item failed in a way that no other item would have escaped, or the batch was set up wrongly.
    SharedError,
    /// The future that was given to `cancel_on` ended first.
    Cancelled,
}

/// In words: `all items ran`.
impl fmt::Display for BatchStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "all items ran",
            Self::TooManyErrors => "too many items failed",
            Self::SharedError => "an error that all items share",
            Self::Cancelled => "cancelled",
        })
    }
}

impl<I, O> Batched<I, O> {
    pub(super) fn new(inputs: impl IntoIterator<Item = I>, endings: Vec<Ending<O>>, stop: BatchStop) -> Self {
        let item = |(input, Ending { result, usage, elapsed })| BatchItem { input, result, usage, elapsed };
        Self { items: inputs.into_iter().zip(endings).map(item).collect(), stop }
    }

    /// Why it ended.
    pub fn stop_reason(&self) -> BatchStop {
        self.stop
    }

    /// The usage of all LM calls, those of failed items included; of calls that were dropped on the wire, as far as it is known.
    pub fn usage(&self) -> Usage {
        self.items.iter().map(BatchItem::usage).sum()
    }

    /// The items' errors, each with its item's index.
    pub fn errors(&self) -> impl Iterator<Item = (usize, &Error)> {
        self.items.iter().enumerate().filter_map(|(index, item)| Some((index, item.result.as_ref().err()?)))
    }

    /// The predictions of all items, in order.
    ///
    /// # Errors
    /// The first item's that failed of itself; else the first that was cancelled. The other items are lost: to keep them, go
    /// through the items.
    pub fn into_predictions(self) -> Result<Vec<Prediction<O>>> {
        let cause = self.errors().find(|(_, error)| !error.is_cancelled()).map(|(_, error)| error.clone());
        match cause {
            Some(error) => Err(error),
            None => self.items.into_iter().map(|item| item.result).collect(),
        }
    }
}

/// How many items are done, and why the others are not, equal causes once; e.g.
/// `10 items, 7 done; items 1, 4 and 9: status 500`.
impl<I, O> fmt::Display for Batched<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.errors().count();
        write!(f, "{} items, {} done", self.items.len(), self.items.len() - failed)?;
        if failed > 0 {
            write!(f, "; {}", causes("item", self.errors()))?;
        }
        Ok(())
    }
}

impl<I, O> Deref for Batched<I, O> {
    type Target = [BatchItem<I, O>];

    fn deref(&self) -> &Self::Target {
        &self.items
    }
}

impl<I, O> IntoIterator for Batched<I, O> {
    type Item = BatchItem<I, O>;
    type IntoIter = vec::IntoIter<BatchItem<I, O>>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a, I, O> IntoIterator for &'a Batched<I, O> {
    type Item = &'a BatchItem<I, O>;
    type IntoIter = slice::Iter<'a, BatchItem<I, O>>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}
