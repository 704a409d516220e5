//! The history of an LM: its last calls with their answers, kept in memory within bounds.

mod log;
mod print;

use std::{
    collections::HashSet,
    fmt, io,
    num::NonZeroU64,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

pub(super) use self::log::{Log, LoggedCall, messages, response_bytes};
use super::{Config, Lm, Prompt, Response, Usage};
use crate::error::Error;

/// The caller of an LM: a predictor's path, and an identity that outlives the path.
///
/// [`Predict`](crate::Predict) sets it; a leaf module of your own passes it to [`Lm::complete_for`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    path: Arc<str>,
    id: CallerId,
}

impl Caller {
    /// A caller of this path, e.g. `answer.predict`.
    pub fn new(path: impl Into<Arc<str>>, id: CallerId) -> Self {
        Self { path: path.into(), id }
    }

    /// Its path from the root of the outermost module that was called.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its identity, whatever its path.
    pub fn id(&self) -> CallerId {
        self.id
    }
}

/// The identity of a [`Caller`]: different from every other one of the process, and without a meaning beyond it.
///
/// ```
/// use karat::lm::CallerId;
///
/// assert_ne!(CallerId::unique(), CallerId::unique());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallerId(NonZeroU64);

impl CallerId {
    /// A new identity, which no other caller of the process has.
    pub fn unique() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

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

    /// The caller; `None` where [`Lm::complete`] was called by hand.
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

/// The last calls of an LM or of a module's predictors, in the order in which they began; what [`Lm::history`] and
/// [`Module::history`](crate::Module::history) return.
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

    /// The calls that these callers made to these LMs. A log that many handles share is read once.
    pub(crate) fn of(lms: impl IntoIterator<Item = Lm>, callers: &HashSet<CallerId>) -> Self {
        let mut logs: Vec<Arc<Log>> = Vec::new();
        for log in lms.into_iter().filter_map(|lm| lm.inner.log.clone()) {
            if !logs.iter().any(|other| Arc::ptr_eq(other, &log)) {
                logs.push(log);
            }
        }
        let is_theirs = |caller: &Caller| callers.contains(&caller.id());
        logs.iter().flat_map(|log| log.entries(|entry| entry.caller().is_some_and(is_theirs))).collect()
    }

    /// Prints the last `n` calls to the standard output.
    pub(crate) fn inspect(&self, n: usize) {
        let colours = print::Colours::of_stdout();
        // If it fails, e.g. at a closed pipe, nobody is there to read it.
        let _ = print::history(&mut io::stdout().lock(), self, n, colours);
    }

    /// Writes the last `n` calls, without colours.
    pub(crate) fn inspect_to(&self, n: usize, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
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

/// The history of calls: on from the start, for the last 1,000 calls or 8 MiB, whichever is less.
///
/// All clones of a handle, with whatever setters, share one history.
impl Lm {
    /// Its last calls and those of its clones.
    ///
    /// The calls are in the order in which they began; when the history is full, the one that ended longest ago is dropped first.
    /// A call in flight is not in it yet. Empty where the history is [off](Lm::without_history).
    pub fn history(&self) -> CallHistory {
        self.inner.log.iter().flat_map(|log| log.entries(|_| true)).collect()
    }

    /// Prints the last `n` calls to the standard output; with colours if that is a terminal and `NO_COLOR` is not set.
    pub fn inspect_history(&self, n: usize) {
        self.history().inspect(n);
    }

    /// Writes the last `n` calls, without colours.
    ///
    /// # Errors
    /// The writer's.
    ///
    /// ```
    /// use karat::{Reply, ScriptedLm, lm::{Message, Request}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let lm = ScriptedLm::new([Reply::text("hello")]).lm();
    /// lm.complete(Request::new(vec![Message::user("hi")])).await?;
    /// let mut out = Vec::new();
    /// lm.inspect_history_to(1, &mut out)?;
    /// assert!(String::from_utf8(out)?.contains("hello"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn inspect_history_to(&self, n: usize, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        self.history().inspect_to(n, out)
    }

    /// Sets a new, empty history of at most so many calls and so many bytes of memory; 0 of either switches it off.
    ///
    /// The constant beginning of a predictor's prompts is counted once. A call that exceeds the bound by itself is kept with its
    /// texts cut in the middle, and left out if that does not fit either. Clones made before keep the former history.
    ///
    /// ```
    /// # use karat::ScriptedLm;
    /// let lm = ScriptedLm::new([""; 0]).lm().history_limits(50, 256 * 1024);
    /// # assert!(lm.history().is_empty());
    /// ```
    pub fn history_limits(self, entries: usize, bytes: usize) -> Self {
        let log = (entries > 0 && bytes > 0).then(|| Arc::new(Log::new(self.name(), entries, bytes)));
        self.with_log(log)
    }

    /// Switches the history off: nothing is kept and nothing is computed. Clones made before keep theirs.
    pub fn without_history(self) -> Self {
        self.with_log(None)
    }

    fn with_log(mut self, log: Option<Arc<Log>>) -> Self {
        Arc::make_mut(&mut self.inner).log = log;
        self
    }
}
