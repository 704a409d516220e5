//! Recordings: what was really sent and answered, written to a file line by line, and a model that plays it back in tests.

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
use crate::report::{Error, ErrorKind, Result};

impl Lm {
    /// Writes every request that is sent, and what comes back, to the end of this file, for a [`Replay`] in tests.
    ///
    /// It stands next to the model: what a cache answers is not in it, and every attempt of a retry is. A line of JSON is
    /// written for each call that ends, at its end; a call that is dropped leaves none. A new file is for its owner alone.
    /// Several handles and processes may write to one file on a local disk.
    ///
    /// Prompts and answers stand in the file as they are. What may be a secret among the [`param`](Lm::param)s (keys, tokens,
    /// headers) is taken out, and API keys are no part of a request.
    ///
    /// A file that cannot be opened is an [`is_io`](Error::is_io) error of the first call. Where a line cannot be written, that
    /// is logged once, and the calls go on.
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

/// A file to which lines are added.
pub(super) struct Recorder {
    path: PathBuf,
    file: Mutex<File>,
    warned: AtomicBool,
}

impl Recorder {
    fn open(path: &Path) -> Result<Self> {
        let failed = |cause| io_error("written", path, cause);
        // Before it is opened: to open a pipe is to wait for whoever reads from it.
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

/// Ends a line that an earlier process did not.
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
            // What the budget refused was not sent.
            if !outcome.as_ref().is_err_and(Error::is_budget) {
                self.write(&Line::new(next, request, &outcome, start.elapsed()));
            }
            outcome
        })
    }
}

impl Recorder {
    /// In one piece, at the end of the file whoever else writes to it.
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
