//! The entries on disk: one file each, which any number of processes may read and replace at the same time.
//!
//! A file is written under another name and renamed, so it is whole or absent. It is read and written on the calling thread:
//! for a few KB that takes less time than handing it to another thread.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use super::{
    file,
    key::Key,
    memory::Entry,
    sweep::{self, Totals},
};
use crate::{
    data::{Request, Response},
    new_file::NewFile,
};

/// Larger files are neither written nor read.
const MOST: u64 = 16 << 20;

/// How often the folder of an entry is created for it.
const FOLDER_ATTEMPTS: usize = 1_000;

/// The result of reading a key's file.
pub(super) enum Lookup {
    /// The answer to the request.
    Answer(Box<Response>),
    /// Nothing, or the answer to another request.
    Nothing,
    /// A file that is no valid entry: cut, changed, of another version, not ours.
    Corrupt,
}

/// A folder of entries.
pub(super) struct Disk {
    folder: PathBuf,
    most_entries: u64,
    most_bytes: u64,
    totals: Mutex<Totals>,
    warned: AtomicBool,
}

impl Disk {
    /// Reads and creates nothing before the first entry.
    pub(super) fn new(folder: &Path, most_entries: u64, most_bytes: u64) -> Self {
        // The cache stays in its folder when the program changes its working directory.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let (totals, warned) = (Mutex::default(), AtomicBool::new(false));
        Self { folder, most_entries, most_bytes, totals, warned }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the key's entry, if it answers this request to this model.
    pub(super) fn read(&self, key: &Key, identity: &str, request: &Request) -> Lookup {
        let path = self.path(key);
        match read(&path) {
            Ok(Some(bytes)) => file::decode(&bytes, identity, request),
            Ok(None) => Lookup::Corrupt,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Lookup::Nothing,
            Err(error) => {
                self.warn_once("read", &error);
                Lookup::Nothing
            }
        }
    }

    /// Writes the key's entry, in place of the former one. Returns how many others were removed; `None` if it was not written.
    pub(super) fn write(&self, key: &Key, entry: &Entry) -> Option<u64> {
        // A request without a JSON form was not sent either.
        let bytes = file::encode(entry)?;
        let size = bytes.len() as u64;
        if size > MOST.min(self.most_bytes) || self.most_entries == 0 {
            return None;
        }
        let path = self.path(key);
        if let Err(error) = write(&path, &bytes) {
            self.warn_once("written", &error);
            return None;
        }
        if !self.totals().add(size, self.most_entries, self.most_bytes) {
            return Some(0);
        }
        // Without the lock: it takes time where there are many entries.
        let (totals, evicted) = sweep::sweep(&self.folder, self.most_entries, self.most_bytes, &path);
        *self.totals() = totals;
        Some(evicted)
    }

    /// Removes every entry. Files that are not the cache's stay.
    pub(super) fn clear(&self) -> io::Result<()> {
        let outcome = sweep::clear(&self.folder);
        *self.totals() = Totals::default();
        outcome
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = hex(key);
        let (start, rest) = name.split_at(2);
        self.folder.join(start).join(format!("{rest}{}", sweep::ENDING))
    }

    fn warn_once(&self, what: &str, error: &io::Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "the cache's files cannot be {what}: it goes on in memory alone where they fail");
        }
    }
}

pub(super) fn hex(key: &Key) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |number: u8| DIGITS.get(usize::from(number)).copied().unwrap_or_default();
    key.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The file's bytes; `None` if it is no regular file, or too large. No link is followed and no pipe is opened.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let there = match fs::symlink_metadata(path) {
        // A file where the folder should be.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        there => there?,
    };
    if !there.is_file() || there.len() > MOST {
        return Ok(None);
    }
    let file = File::open(path)?;
    if !is_same_file(&there, &file.metadata()?) {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(there.len()).unwrap_or_default() + 1);
    (&file).take(MOST + 1).read_to_end(&mut bytes)?;
    // The time of the last use: entries in use are removed last. If it cannot be set, the time of writing counts.
    let _ = file.set_modified(SystemTime::now());
    Ok(Some(bytes))
}

/// True if both are one file: it may have been replaced between the two calls.
fn is_same_file(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }
    #[cfg(not(unix))]
    {
        one.is_file() && other.is_file()
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = create_beside(path)?;
    new.file().write_all(bytes)?;
    new.replace(path)
}

/// A new file in the folder of the path, which is created if it is missing; only their owner can read them.
fn create_beside(path: &Path) -> io::Result<NewFile> {
    let mut attempts = 0;
    loop {
        match NewFile::beside(path, sweep::TEMPORARY, "") {
            // Another process may remove the folder again.
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < FOLDER_ATTEMPTS => {
                attempts += 1
            }
            outcome => return outcome,
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path.parent().unwrap_or(path))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_names_are_skipped_and_other_failures_are_returned() {
        let folder = std::env::temp_dir().join(format!("karat-beside-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        for count in (0..400).step_by(2) {
            let name = format!("{}{}-{count}", sweep::TEMPORARY, std::process::id());
            fs::write(folder.join(name), "left behind").unwrap();
        }
        let path = folder.join("entry");
        for text in ["one", "two", "three"] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let error = write(&path.join("beside").join("entry"), b"text").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        fs::remove_dir_all(folder).unwrap();
    }
}
