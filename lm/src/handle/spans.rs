//! What tracing spans record about an LM; see [`telemetry`](crate::telemetry).

use std::sync::Arc;

use super::Lm;

impl Lm {
    /// Whether the spans of its calls hold prompts and completions, and the spans of its rollouts' rewards the feedback.
    /// Default: no. They then go wherever the program's `tracing` subscriber sends them. An API key that a model repeats is
    /// taken out.
    ///
    /// ```no_run
    /// # fn main() -> karat::Result<()> {
    /// let lm = karat::Lm::new("openai/gpt-4o-mini")?.record_content(true);
    /// # Ok(())
    /// # }
    /// ```
    pub fn record_content(mut self, record: bool) -> Self {
        Arc::make_mut(&mut self.inner).records_content = record;
        self
    }

    /// Whether its calls' spans hold prompts and completions; see [`record_content`](Lm::record_content).
    pub fn records_content(&self) -> bool {
        self.inner.records_content
    }

    /// Provider and model. A model of the program's own that has no such name is of the provider `custom`.
    pub(crate) fn provider_and_model(&self) -> (&str, &str) {
        self.name().split_once('/').unwrap_or(("custom", self.name()))
    }

    /// The server's host and port; `None` for a model of the program's own, and where no request can be made.
    pub(crate) fn server(&self) -> Option<(String, u16)> {
        self.inner.model.client()?.server()
    }

    /// The text without the API key.
    pub(crate) fn without_key(&self, text: String) -> String {
        match self.inner.model.client() {
            Some(client) => client.without_key(text),
            None => text,
        }
    }
}
