//! Atomic writes: a file is written beside its target and then replaces it, so that a target is whole or absent.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// How many names are tried for a file.
const ATTEMPTS: usize = 1_000;

/// A file beside its target, readable by its owner alone; it is removed again unless it replaces the target.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
    is_target: bool,
}

impl NewFile {
    /// Creates a file in the target's folder. Its name is the process's number and a count between `start` and `end`: short, whatever
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
                // Left behind by a killed process of this number, or in use by one in another container.
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

    /// Replaces the target.
    pub fn replace(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.is_target = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Once it replaced the target, its name may already be in use by a process in another container.
        if !self.is_target {
            let _ = fs::remove_file(&self.path);
        }
    }
}
