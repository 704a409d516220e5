//! Recordings: writes requests and answers to a file line by line, and replays them in tests.

pub(crate) mod line;

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
use crate::{
    data::{Request, Response, Sink},
    model::{BoxFuture, Layer, Next},
    report::{Error, ErrorKind, Result},
};

/// A file to which lines are added.
pub(crate) struct Recorder {
    path: PathBuf,
    file: Mutex<File>,
    warned: AtomicBool,
}

impl Recorder {
    pub(crate) fn open(path: &Path) -> Result<Self> {
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

pub(crate) fn io_error(what: &str, path: &Path, cause: io::Error) -> Error {
    let message = format!("the recording {} cannot be {what}: {cause}", path.display());
    Error::new(ErrorKind::Io, message).with_source(cause)
}
