//! State files: read with care, written as a whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{error, json::Object};
use crate::error::{Error, ErrorKind, Result};

const PICKLE: &str = "is a Python pickle, which can run any code when it is loaded, and is not read: in Python, load the \
                      program and save it with `program.save(\"program.json\")`";

/// The object in a `.json` file.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>> {
    check_name(path)?;
    let failed = |error| io_error("read", path, error);
    let mut file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(io_error("read", path, io::Error::other("it is not a file")));
    }
    // The first byte of every pickle since 2003, whatever the file is called.
    let mut first = [0];
    if file.read(&mut first).map_err(failed)? == 1 && first == [0x80] {
        return Err(error(format!("{} {PICKLE}", path.display())));
    }
    file.rewind().map_err(failed)?;
    // From the file piece by piece: nesting without end is an error long before it is in memory.
    serde_json::from_reader(BufReader::new(file)).map(|Object(object)| object).map_err(|cause| {
        match cause.classify() {
            serde_json::error::Category::Io => io_error("read", path, cause.into()),
            _ => error(format!("{} is not a state file: {cause}", path.display())).with_source(cause),
        }
    })
}

/// Writes the value as indented JSON. What was there stays as it is until the new file is whole and on disk.
pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    check_name(path)?;
    let target = resolve(path);
    let failed = |error| io_error("written", path, error);
    if let Ok(there) = fs::metadata(&target) {
        if !there.is_file() {
            return Err(failed(io::Error::other("there is something that is not a file")));
        }
        if there.permissions().readonly() {
            return Err(failed(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the file there is read-only",
            )));
        }
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&folder).map_err(failed)?;
    let temporary = Temporary::new(&target).map_err(failed)?;
    let mut out = BufWriter::new(&temporary.file);
    serde_json::to_writer_pretty(&mut out, value).map_err(|cause| match cause.classify() {
        serde_json::error::Category::Io => failed(cause.into()),
        _ => error(format!("the state has no JSON form: {cause}")).with_source(cause),
    })?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(failed)?;
    drop(out);
    temporary.file.sync_all().map_err(failed)?;
    temporary.replace(&target).map_err(failed)?;
    // The new name has to be on disk too. Not every system lets a folder be opened.
    if let Ok(folder) = File::open(&folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// A file beside the target, taken away again unless it becomes the target.
struct Temporary {
    file: File,
    path: PathBuf,
}

impl Temporary {
    fn new(target: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            // Short, whatever the target's name: names have a limit.
            let path = target.with_file_name(format!(".karat-{}-{count}.tmp", std::process::id()));
            match options.open(&path) {
                Ok(file) => return Ok(Self { file, path }),
                // Left behind by a process of this number that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn replace(&self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already where it became the target.
        let _ = fs::remove_file(&self.path);
    }
}

/// The file that a link stands for: the link stays, and what it points to is replaced.
fn resolve(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn check_name(path: &Path) -> Result<()> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("json") => Ok(()),
        Some("pkl" | "pickle") => Err(error(format!("{} {PICKLE}", path.display()))),
        _ => Err(error(format!("a state file's name ends with `.json`, found {}", path.display()))),
    }
}

pub(super) fn io_error(what: &str, path: &Path, cause: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{} cannot be {what}: {cause}", path.display())).with_source(cause)
}
