//! The recording of a handle's calls.

use std::path::Path;

use super::Lm;
use crate::layers::record::Recorder;

impl Lm {
    /// Appends every sent request and its outcome to this file, for a [`Replay`](crate::Replay) in tests.
    ///
    /// It records next to the model: calls that a cache answers are not in it, and every attempt of a retry is. A line of JSON is
    /// written when a call ends; a dropped call leaves none. Only its owner can read a new file. Several handles and processes may
    /// write to one file on a local disk.
    ///
    /// The file holds prompts and answers as they are. Each [`param`](Lm::param) that may be a secret (keys, tokens, headers) is
    /// taken out, and API keys are no part of a request.
    ///
    /// A file that cannot be opened is an [`is_io`](crate::Error::is_io) error of the first call. If a line cannot be written, a warning is
    /// logged once, and the calls go on.
    ///
    /// ```
    /// use karat::{ScriptedLm, lm::{Message, Replay, Request}};
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
