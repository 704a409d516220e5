//! The history of a handle.

use std::{collections::HashSet, io, sync::Arc};

use super::Lm;
use crate::{
    data::{Caller, CallerId},
    layers::{CallHistory, history::Log},
};

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

impl CallHistory {
    /// The calls that these callers made to these LMs. A log that many handles share is read once.
    #[doc(hidden)]
    pub fn of(lms: impl IntoIterator<Item = Lm>, callers: &HashSet<CallerId>) -> Self {
        let mut logs: Vec<Arc<Log>> = Vec::new();
        for log in lms.into_iter().filter_map(|lm| lm.inner.log.clone()) {
            if !logs.iter().any(|other| Arc::ptr_eq(other, &log)) {
                logs.push(log);
            }
        }
        let is_theirs = |caller: &Caller| callers.contains(&caller.id());
        logs.iter().flat_map(|log| log.entries(|entry| entry.caller().is_some_and(is_theirs))).collect()
    }
}
