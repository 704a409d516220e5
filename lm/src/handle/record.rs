//! The recording of a handle's calls.

use std::path::Path;

use super::Lm;
use crate::layers::record::Recorder;

impl Lm {
    /// Writes every request that is sent, and what comes back, to the end of this file, for a [`Replay`](crate::Replay) in tests.
    ///
    /// It stands next to the model: what a cache answers is not in it, and every attempt of a retry is. A line of JSON is
    /// written for each call that ends, at its end; a call that is dropped leaves none. A new file is for its owner alone.
    /// Several handles and processes may write to one file on a local disk.
    ///
    /// Prompts and answers stand in the file as they are. What may be a secret among the [`param`](Lm::param)s (keys, tokens,
    /// headers) is taken out, and API keys are no part of a request.
    ///
    /// A file that cannot be opened is an [`is_io`](crate::Error::is_io) error of the first call. Where a line cannot be written, that
    /// is logged once, and the calls go on.
    ///
    /// ```
    /// use karat::{Replay, ScriptedLm, lm::{Message, Request}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> karat::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("karat-doc-{}.jsonl", std::process::id()));
    /// // Once, with a real model:
    /// let request = Request::new(vec![Message::user("Capital of France?")]);
    /// ScriptedLm::new(["Paris"]).lm().record(&path).complete(request.clone()).await?;
    ///
    /// // In every test, without one:
    /// let replay = Replay::from_file(&path)?;
    /// let response = replay.lm().complete(request).await?;
    /// assert_eq!(response.completions[0].text, "Paris");
    /// assert!(replay.unused().is_empty());
    /// # let _ = std::fs::remove_file(path);
    /// # Ok(())
    /// # }
    /// ```
    pub fn record(self, path: impl AsRef<Path>) -> Self {
        match Recorder::open(path.as_ref()) {
            Ok(recorder) => self.with_layers(|layers| layers.set_recorder(recorder)),
            Err(error) => self.with_mistake(error),
        }
    }
}
