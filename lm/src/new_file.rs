//! Files that are written beside their target and then take its place, so that a target is whole or not there.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// How many names are tried.
const ATTEMPTS: usize = 1_000;

/// A file beside its target, for its owner alone; it is removed again unless it takes the target's place.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
    is_target: bool,
}

impl NewFile {
    /// A file in the target's folder. Its name is the process's number and a count between `start` and `end`: short, whatever
    /// the target's name, since names have a limit.
    pub fn beside(target: &Path, start: &str, end: &str) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        for _ in 0..ATTEMPTS {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = target.with_file_name(format!("{start}{}-{count}{end}", std::process::id()));
            match options.open(&path) {
                Ok(file) => return Ok(Self { file, path, is_target: false }),
                // Left behind by a process of this number that was killed, or of one in another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no new file can be made there"))
    }

    /// The file, to be written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Takes the target's place.
    pub fn replace(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.is_target = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After it became the target, the name may already be another process's, in another container.
        if !self.is_target {
            let _ = fs::remove_file(&self.path);
        }
    }
}
