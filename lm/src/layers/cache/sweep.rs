//! Removes the least recently used entries from a full folder.
//!
//! A process counts what it writes. When that exceeds the bounds, and now and then because of what others write, it reads the
//! folder and removes the oldest entries, until a tenth of the bounds is free.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// The ending of entries' names.
pub(super) const ENDING: &str = ".entry";

/// The beginning of the names of files that are being written.
pub(super) const TEMPORARY: &str = ".writing-";

/// An unfinished file of this age was left behind.
const STALE: Duration = Duration::from_secs(3600);

/// The folder's contents as far as this process knows.
#[derive(Default)]
pub(super) struct Totals {
    /// Entries and bytes at the last sweep; `None` before the first one.
    seen: Option<(u64, u64)>,
    /// Written since.
    entries: u64,
    bytes: u64,
}

impl Totals {
    /// Counts a new entry; true if it is time to sweep.
    pub(super) fn add(&mut self, bytes: u64, most_entries: u64, most_bytes: u64) -> bool {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let Some((entries, bytes)) = self.seen else {
            // Others that write meanwhile need not sweep as well.
            self.seen = Some((0, 0));
            return true;
        };
        let is_full = entries.saturating_add(self.entries) > most_entries
            || bytes.saturating_add(self.bytes) > most_bytes;
        let is_time = self.entries > most_entries / 8 || self.bytes > most_bytes / 8;
        if is_full || is_time {
            *self = Self { seen: Some((0, 0)), ..Self::default() };
        }
        is_full || is_time
    }
}

struct Old {
    time: SystemTime,
    path: PathBuf,
    bytes: u64,
}

/// Removes the oldest entries, except the `new` one, if the bounds are exceeded. Returns the totals left and how many were removed.
pub(super) fn sweep(folder: &Path, most_entries: u64, most_bytes: u64, new: &Path) -> (Totals, u64) {
    let mut entries = Vec::new();
    // Unreadable folders are not counted: the next sweep may see them.
    let _ = each(folder, |path, kind| {
        let Ok(there) = fs::symlink_metadata(&path) else { return };
        let time = there.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        match kind {
            Kind::Entry => entries.push(Old { time, path, bytes: there.len() }),
            Kind::Temporary if time.elapsed().is_ok_and(|age| age > STALE) => drop(fs::remove_file(path)),
            Kind::Temporary => {}
        }
    });
    let mut count = entries.len() as u64;
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut evicted = 0;
    if count > most_entries || bytes > most_bytes {
        let (few, small) = (most_entries - most_entries / 10, most_bytes - most_bytes / 10);
        entries.sort_unstable_by(|one, other| (one.time, &one.path).cmp(&(other.time, &other.path)));
        for entry in entries.iter().filter(|entry| entry.path != new) {
            if count <= few && bytes <= small {
                break;
            }
            if fs::remove_file(&entry.path).is_ok() {
                evicted += 1;
            }
            count -= 1;
            bytes -= entry.bytes;
        }
    }
    (Totals { seen: Some((count, bytes)), ..Totals::default() }, evicted)
}

/// Removes every entry.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    let mut outcome = Ok(());
    let all = each(folder, |path, _| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => outcome = Err(error),
        _ => {}
    });
    match all {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        all => all.and(outcome),
    }
}

enum Kind {
    Entry,
    Temporary,
}

/// Visits every file with a name that a cache gives, and no other.
fn each(folder: &Path, mut visit: impl FnMut(PathBuf, Kind)) -> io::Result<()> {
    for part in fs::read_dir(folder)? {
        let part = part?;
        // No link is followed.
        if !part.file_type()?.is_dir() || !part.file_name().to_str().is_some_and(|name| is_hex(name, 2)) {
            continue;
        }
        let Ok(files) = fs::read_dir(part.path()) else { continue };
        for file in files.flatten() {
            let name = file.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.strip_suffix(ENDING).is_some_and(|digits| is_hex(digits, 62)) {
                visit(file.path(), Kind::Entry);
            } else if name.starts_with(TEMPORARY) {
                visit(file.path(), Kind::Temporary);
            }
        }
    }
    Ok(())
}

fn is_hex(name: &str, length: usize) -> bool {
    name.len() == length && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many entries of `bytes` each it is time to sweep, twice in a row.
    fn sweeps_after(seen: (u64, u64), bytes: u64, most_entries: u64, most_bytes: u64) -> [usize; 2] {
        let mut totals = Totals { seen: Some(seen), ..Totals::default() };
        let mut entries = || (1..).find(|_| totals.add(bytes, most_entries, most_bytes)).unwrap();
        [entries(), entries()]
    }

    #[test]
    fn it_is_time_to_sweep_when_the_folder_is_full_or_an_eighth_of_it_is_new() {
        // An eighth of 100 is 12, of 1,000 it is 125.
        assert_eq!(sweeps_after((0, 0), 1, 100, 1_000_000), [13, 13]);
        assert_eq!(sweeps_after((0, 0), 25, 1_000_000, 1_000), [6, 6]);
        assert_eq!(sweeps_after((95, 0), 1, 100, 1_000_000), [6, 13]);
        assert_eq!(sweeps_after((0, 950), 25, 1_000_000, 1_000), [3, 6]);
        let mut new = Totals::default();
        assert!(new.add(1, 100, 1_000) && !new.add(1, 100, 1_000));
    }

    #[test]
    fn a_folder_that_is_exactly_full_stays_as_it_is() {
        let folder = std::env::temp_dir().join(format!("karat-sweep-{}", std::process::id()));
        let part = folder.join("ab");
        fs::create_dir_all(&part).unwrap();
        for number in 0..10 {
            fs::write(part.join(format!("{number:062}{ENDING}")), [0; 10]).unwrap();
        }
        let new = part.join("new");
        for (entries, bytes, evicted) in [(10, 100, 0), (9, 100, 1), (10, 89, 1)] {
            let (totals, gone) = sweep(&folder, entries, bytes, &new);
            assert_eq!((gone, totals.seen.is_some()), (evicted, true), "{entries} {bytes}");
        }
        assert_eq!(fs::read_dir(&part).unwrap().count(), 8);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn clearing_removes_the_caches_own_files_and_returns_what_fails() {
        let folder = std::env::temp_dir().join(format!("karat-clear-{}", std::process::id()));
        let entry = format!("{:062}{ENDING}", 0);
        let others = [
            folder.join("ab").join(format!("short{ENDING}")),
            folder.join("ab").join(format!("{}{ENDING}", "x".repeat(62))),
            folder.join("ab").join("notes"),
            folder.join("abc").join(&entry),
            folder.join("zz").join(&entry),
        ];
        let own = folder.join("ab").join(&entry);
        for file in others.iter().chain([&own]) {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "x").unwrap();
        }
        clear(&folder).unwrap();
        assert!(!own.exists() && others.iter().all(|file| file.exists()));
        fs::create_dir(&own).unwrap();
        assert!(clear(&folder).is_err(), "a folder in the place of an entry");
        assert!(clear(&folder.join("none")).is_ok() && clear(&others[0]).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
