//! Recordings: writes requests and answers to a file line by line, and replays them in tests.

mod line;
mod nearest;
mod replay;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::time::Instant;

use self::line::Line;
pub use self::replay::Replay;
use super::{BoxFuture, Layer, Lm, Next, Request, Response, Sink};
use crate::error::{Error, ErrorKind, Result};

impl Lm {
    /// Appends every sent request and its outcome to this file, for a [`Replay`] in tests.
    ///
    /// It records next to the model: calls that a cache answers are not in it, and every attempt of a retry is. A line of JSON is
    /// written when a call ends; a dropped call leaves none. Only its owner can read a new file. Several handles and processes may
    /// write to one file on a local disk.
    ///
    /// The file holds prompts and answers as they are. Each [`param`](Lm::param) that may be a secret (keys, tokens, headers) is
    /// taken out, and API keys are no part of a request.
    ///
    /// A file that cannot be opened is an [`is_io`](Error::is_io) error of the first call. If a line cannot be written, a warning is
    /// logged once, and the calls go on.
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

/// An open recording, to which lines are appended.
pub(super) struct Recorder {
    path: PathBuf,
    file: Mutex<File>,
    warned: AtomicBool,
}

impl Recorder {
    fn open(path: &Path) -> Result<Self> {
        let failed = |cause| io_error("written", path, cause);
        // Checked before it is opened: opening a pipe waits for its reader.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(failed(io::Error::other("expected a file, found something else")));
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        end_line(&mut file).map_err(failed)?;
        let (path, file, warned) = (path.to_owned(), Mutex::new(file), AtomicBool::new(false));
        Ok(Self { path, file, warned })
    }
}

/// Ends a last line that an earlier process left unfinished.
fn end_line(file: &mut File) -> io::Result<()> {
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

impl Layer for Recorder {
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            let start = Instant::now();
            let outcome = next.call(request, sink).await;
            // A request that the budget refused was not sent.
            if !outcome.as_ref().is_err_and(Error::is_budget) {
                self.write(&Line::new(next, request, &outcome, start.elapsed()));
            }
            outcome
        })
    }
}

impl Recorder {
    /// Appends the line in one write, so that lines of several writers stay whole.
    fn write(&self, line: &Line) {
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
        });
        if let Err(error) = written {
            if !self.warned.swap(true, Ordering::Relaxed) {
                let path = self.path.display();
                tracing::warn!(%path, %error, "a call could not be recorded: the recording is not complete");
            }
        }
    }
}

fn io_error(what: &str, path: &Path, cause: io::Error) -> Error {
    let message = format!("the recording {} cannot be {what}: {cause}", path.display());
    Error::new(ErrorKind::Io, message).with_source(cause)
}
