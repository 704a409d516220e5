//! The settings of a batch: concurrency, tolerated errors, timeout, progress bar and cancellation.

use std::{fmt, time::Duration};

use futures_util::FutureExt;
use karat_lm::BoxFuture;

use crate::{Error, ErrorKind, Result, run::caught};

/// How many run at once where nothing else is set: enough to hide an LM's latency, few enough for the rate limits of a
/// small account.
const CONCURRENCY: usize = 8;

/// The settings that the user chose.
pub(super) struct BatchSettings {
    /// What the progress bar calls the parts.
    pub(super) unit: &'static str,
    pub(super) concurrency: usize,
    pub(super) max_errors: Option<usize>,
    pub(super) timeout: Option<Duration>,
    pub(super) progress: bool,
    /// Ends the batch; an error if the user's own future panicked.
    pub(super) cancel: Option<BoxFuture<'static, Result<()>>>,
}

impl BatchSettings {
    pub(super) fn new(unit: &'static str) -> Self {
        Self {
            unit,
            concurrency: CONCURRENCY,
            max_errors: None,
            timeout: None,
            progress: false,
            cancel: None,
        }
    }

    /// Checks the settings; called before any LM call.
    pub(super) fn check(&self) -> Result<()> {
        if self.concurrency == 0 {
            let message = "the concurrency is 0, so that no item would ever start: use at least 1";
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(())
    }

    pub(super) fn set_cancel(&mut self, cancel: impl Future<Output = ()> + Send + 'static) {
        let cancel = cancel.map(Ok);
        self.cancel = Some(Box::pin(caught("the future that was given to `cancel_on`", cancel)));
    }
}

impl fmt::Debug for BatchSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("concurrency", &self.concurrency)
            .field("max_errors", &self.max_errors)
            .field("timeout", &self.timeout)
            .field("progress", &self.progress)
            .field("cancel_on", &self.cancel.is_some())
            .finish()
    }
}

/// The setters of everything with a field `settings`.
macro_rules! setters {
    () => {
        /// Runs so many items at once. Default: 8; 0 makes every item an [`is_config`](crate::Error::is_config) error.
        pub fn concurrency(mut self, items: usize) -> Self {
            self.settings.concurrency = items;
            self
        }

        /// Tolerates so many failed items; the next one ends the batch. 0 fails fast. Default: any number.
        pub fn max_errors(mut self, items: usize) -> Self {
            self.settings.max_errors = Some(items);
            self
        }

        /// Gives each item so much time from its start; one that takes longer is dropped on the wire, fails with
        /// [`is_timeout`](crate::Error::is_timeout), and its cost so far is in the usage. An item that is done by then
        /// counts. Default: no limit. Needs a tokio runtime with its timer on.
        pub fn timeout(mut self, time: Duration) -> Self {
            self.settings.timeout = Some(time);
            self
        }

        /// Shows a bar on stderr while it runs, with the feature `progress`. Nothing is written where stderr is no terminal. Default:
        /// off.
        pub fn progress(mut self, shown: bool) -> Self {
            self.settings.progress = shown;
            self
        }

        /// Ends the batch with what is finished when this future does, e.g. a timer, ctrl-c or a channel's message; the
        /// other items fail with [`is_cancelled`](crate::Error::is_cancelled). Set again, the last one counts.
        pub fn cancel_on(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
            self.settings.set_cancel(end);
            self
        }
    };
}

pub(super) use setters;
