//! What a failed call cost: a server that answers wants its money, whatever the answer is worth.

use crate::report::Error;
use crate::report::Usage;

/// The cost of the failed call.
impl Error {
    /// Adds what the failed LM call cost, as far as the server said; for those who make errors in a
    /// [`LanguageModel`](crate::LanguageModel) of their own. The predictor that called counts it as it counts an answer's.
    ///
    /// ```
    /// use karat::{Error, ErrorKind, Usage};
    ///
    /// let usage = Usage::new().calls(1).prompt_tokens(5).completion_tokens(6);
    /// let error = Error::new(ErrorKind::Filtered, "held back").with_usage(usage);
    /// assert_eq!(error.usage().total_tokens(), 11);
    /// ```
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.0.spent = usage;
        self
    }

    /// What the LM calls of the failed call cost, those among them that were answered and could not be used.
    pub fn usage(&self) -> Usage {
        self.0.run.as_deref().map_or(self.0.spent, |(_, usage)| *usage)
    }

    /// What the LM call cost that failed, without the run around it.
    #[doc(hidden)]
    pub fn spent(&self) -> Usage {
        self.0.spent
    }
}
