//! The cost of a failed call: a server charges for an answer even if it cannot be used.

use crate::report::{Error, Usage};

/// The cost of the failed call.
impl Error {
    /// Adds the cost of the failed LM call, as far as the server reported it; for errors of your own
    /// [`LanguageModel`](crate::LanguageModel). The calling predictor counts it like an answer's cost.
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

    /// The cost of all LM calls of the failed call, including answers that could not be used.
    pub fn usage(&self) -> Usage {
        self.0.run.as_deref().map_or(self.0.spent, |(_, usage)| *usage)
    }

    /// The cost of the failed LM call, without the run around it.
    #[doc(hidden)]
    pub fn spent(&self) -> Usage {
        self.0.spent
    }
}
