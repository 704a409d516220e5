//! The history of an LM: its last calls with their answers, kept in memory within bounds.

mod log;
mod print;

use std::{
    fmt, io,
    ops::Deref,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(crate) use self::log::{Log, LoggedCall, messages, response_bytes};
use crate::{
    data::{Caller, Config, Prompt, Response},
    report::{Error, Usage},
};

/// One call of an LM, as [`CallHistory`] shows it.
///
/// The values of further parameters ([`Config::params`]) may be secrets, so only their names are kept. An error is kept without
/// its cause and without any report that it carries.
#[derive(Debug)]
pub struct HistoryEntry {
    /// The position among all calls of the process, in the order in which they began.
    number: u64,
    time: SystemTime,
    lm: Arc<str>,
    caller: Option<Caller>,
    prompt: Prompt,
    config: Config,
    param_names: Vec<String>,
    response_format: Option<&'static str>,
    outcome: CallOutcome,
    elapsed: Duration,
    shortened: bool,
}

#[derive(Debug)]
enum CallOutcome {
    Answered(Arc<Response>),
    Failed(Error),
    Cancelled,
}

impl HistoryEntry {
    /// When the call began.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// How long it took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The LM's name.
    pub fn lm(&self) -> &str {
        &self.lm
    }

    /// The caller; `None` where [`Lm::complete`](crate::Lm::complete) was called by hand.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// The path of the predictor that called, from the root of the outermost module.
    pub fn predictor(&self) -> Option<&str> {
        self.caller().map(Caller::path)
    }

    /// The messages of the request.
    pub fn prompt(&self) -> &Prompt {
        &self.prompt
    }

    /// The settings for generation: the handle's config overridden by the call's, without further parameters.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The names of the further parameters, in alphabetical order.
    pub fn param_names(&self) -> &[String] {
        &self.param_names
    }

    /// The id of the rollout that the call was a part of.
    pub fn rollout_id(&self) -> Option<u64> {
        self.config.rollout_id
    }

    /// The sampling temperature.
    pub fn temperature(&self) -> Option<f64> {
        self.config.temperature
    }

    /// The requested format of the answer: `json_object` or `json_schema`; `None` for plain text.
    pub fn response_format(&self) -> Option<&'static str> {
        self.response_format
    }

    /// The LM's answer, even if it could not be parsed; `None` if the call failed or was cancelled.
    pub fn response(&self) -> Option<&Response> {
        match &self.outcome {
            CallOutcome::Answered(response) => Some(response),
            CallOutcome::Failed(_) | CallOutcome::Cancelled => None,
        }
    }

    /// What it cost, even if the answer could not be used; zero for a cancelled call, whose cost is unknown.
    pub fn usage(&self) -> Usage {
        match &self.outcome {
            CallOutcome::Answered(response) => response.usage,
            CallOutcome::Failed(error) => error.spent(),
            CallOutcome::Cancelled => Usage::default(),
        }
    }

    /// True if a [cache](crate::Cache) answered.
    pub fn is_cached(&self) -> bool {
        self.response().is_some_and(|response| response.usage.is_cached())
    }

    /// The error, if the call failed.
    pub fn error(&self) -> Option<&Error> {
        match &self.outcome {
            CallOutcome::Failed(error) => Some(error),
            CallOutcome::Answered(_) | CallOutcome::Cancelled => None,
        }
    }

    /// True if the call was dropped before it ended, e.g. because another rollout won or a deadline passed, or if the LM's own
    /// code panicked.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.outcome, CallOutcome::Cancelled)
    }

    /// True if the call alone exceeded the history's bound, so that its texts were cut in the middle.
    pub fn is_shortened(&self) -> bool {
        self.shortened
    }
}

/// The entry as [`CallHistory`] prints it.
impl fmt::Display for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::entry(f, self, print::Colours(false))
    }
}

/// The last calls of an LM or of a module's predictors, in the order in which they began; what [`Lm::history`](crate::Lm::history) and
/// `Module::history` return.
///
/// It is a snapshot: later calls are not in it, and its entries live as long as it does. `Display` writes it in full and
/// without colours; control characters in a model's text are shown as symbols, never sent to a terminal.
///
/// ```
/// use karat::{Module, Predict, Reply, ScriptedLm, signature};
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
/// let lm = ScriptedLm::new([Reply::fields([("answer", "Paris")])]).lm().temperature(0.5);
/// let qa = Predict::<Qa>::new().lm(&lm);
/// qa.call(QaInput { question: "Capital of France?".into() }).await?;
///
/// let history = qa.history();
/// assert_eq!(history.len(), 1);
/// assert_eq!((history[0].predictor(), history[0].temperature()), (Some("self"), Some(0.5)));
/// assert!(history[0].prompt().last().contains("Capital of France?"));
/// print!("{}", history.last(3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallHistory {
    entries: Vec<Arc<HistoryEntry>>,
}

impl CallHistory {
    /// The last `n` calls; all if there are no more.
    #[must_use]
    pub fn last(&self, n: usize) -> CallHistory {
        let start = self.entries.len().saturating_sub(n);
        self.entries.iter().skip(start).cloned().collect()
    }

    /// Prints the last `n` calls to the standard output.
    pub fn inspect(&self, n: usize) {
        let colours = print::Colours::of_stdout();
        // If it fails, e.g. at a closed pipe, nobody is there to read it.
        let _ = print::history(&mut io::stdout().lock(), self, n, colours);
    }

    /// Writes the last `n` calls, without colours.
    ///
    /// # Errors
    /// The writer's.
    pub fn inspect_to(&self, n: usize, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        print::history(out, self, n, print::Colours(false))
    }
}

impl Deref for CallHistory {
    type Target = [Arc<HistoryEntry>];

    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}

/// Sorts the calls in the order in which they began.
impl FromIterator<Arc<HistoryEntry>> for CallHistory {
    fn from_iter<I: IntoIterator<Item = Arc<HistoryEntry>>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_unstable_by_key(|entry| entry.number);
        Self { entries }
    }
}

impl<'a> IntoIterator for &'a CallHistory {
    type Item = &'a Arc<HistoryEntry>;
    type IntoIter = std::slice::Iter<'a, Arc<HistoryEntry>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

impl IntoIterator for CallHistory {
    type Item = Arc<HistoryEntry>;
    type IntoIter = std::vec::IntoIter<Arc<HistoryEntry>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl fmt::Display for CallHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| entry.fmt(f))
    }
}
