//! Reads state files with care, and writes them as a whole or not at all.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use karat_lm::{Error, ErrorKind, Result, internal::NewFile};
use serde::Serialize;
use serde_json::{Map, Value, error::Category};

use super::{error, json::Object};

const PICKLE: &str = "is a Python pickle, which can run any code when it is loaded, and is not read: in Python, load the \
                      program and save it with `program.save(\"program.json\")`";

/// How many links are followed; Linux follows as many.
const LINKS: usize = 40;

/// The object in a `.json` file.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>> {
    check_name(path)?;
    let failed = |error| io_error("read", path, error);
    // Before it is opened: to open a pipe is to wait for whoever writes to it.
    expect_file(&fs::metadata(path).map_err(failed)?).map_err(failed)?;
    let mut file = File::open(path).map_err(failed)?;
    expect_file(&file.metadata().map_err(failed)?).map_err(failed)?;
    check_start(&mut file).map_err(failed)?.map_or(Ok(()), |what| {
        let path = path.display();
        Err(error(format!("{path} {what}")))
    })?;
    // From the file piece by piece: nesting without end is an error long before it is in memory.
    serde_json::from_reader(BufReader::new(file)).map(|Object(object)| object).map_err(|cause| {
        let path = path.display();
        let message = match cause.classify() {
            Category::Io => return failed(cause.into()),
            Category::Eof => format!("{path} is cut off: {cause}; expected the whole file that `save` wrote"),
            Category::Syntax | Category::Data => {
                format!("{path} is not a state file: {cause}; expected the JSON that `save` writes")
            }
        };
        error(message).with_source(cause)
    })
}

/// Describes the file by its first bytes if it is surely no JSON. The file is left at its start.
fn check_start(file: &mut File) -> io::Result<Option<&'static str>> {
    let mut start = Vec::new();
    Read::take(&mut *file, 3).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(match start.as_slice() {
        [] => Some("is empty: expected the JSON that `save` writes"),
        // The first byte of every pickle since 2003, whatever the file is called.
        [0x80, ..] => Some(PICKLE),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("is UTF-16: save it as UTF-8"),
        [0xEF, 0xBB, 0xBF] => Some("begins with a byte order mark: save it as UTF-8 without one"),
        _ => None,
    })
}

/// Writes the value as indented JSON. What was there stays as it is until the new file is whole and on disk.
pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    Replacement::new(path, value)?.replace()
}

/// A file that is whole and on disk under another name, to take its target's place. Dropped, it is taken away.
pub(super) struct Replacement<'p> {
    path: &'p Path,
    target: PathBuf,
    new: NewFile,
}

impl<'p> Replacement<'p> {
    pub(super) fn new(path: &'p Path, value: &impl Serialize) -> Result<Self> {
        check_name(path)?;
        let failed = |error| io_error("written", path, error);
        let target = resolve(path).map_err(failed)?;
        if let Ok(there) = fs::metadata(&target) {
            expect_file(&there).map_err(failed)?;
            if there.permissions().readonly() {
                let message = "the file there is read-only";
                return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, message)));
            }
        }
        make_folder(folder_of(&target)).map_err(failed)?;
        let new = NewFile::beside(&target, ".karat-", ".tmp").map_err(failed)?;
        let mut out = BufWriter::new(new.file());
        serde_json::to_writer_pretty(&mut out, value).map_err(|cause| match cause.classify() {
            Category::Io => failed(cause.into()),
            _ => error(format!("the state has no JSON form: {cause}")).with_source(cause),
        })?;
        out.write_all(b"\n").and_then(|()| out.flush()).map_err(failed)?;
        drop(out);
        new.file().sync_all().map_err(failed)?;
        Ok(Self { path, target, new })
    }

    pub(super) fn replace(self) -> Result<()> {
        self.new.replace(&self.target).map_err(|error| io_error("written", self.path, error))?;
        // The new name has to be on disk too. Not every system lets a folder be opened.
        if let Ok(folder) = File::open(folder_of(&self.target)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

/// The path to write to: a link stays, and the file that it points to is replaced, whether it exists or not.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = folder_of(&target).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other(format!("there are more than {LINKS} links one after another")))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the folder and those above it, where they are not there.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder).map_err(|cause| match folder.ancestors().find(|above| above.is_file()) {
        Some(file) => io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("expected a folder at {}, found a file", file.display()),
        ),
        None => cause,
    })
}

fn expect_file(there: &fs::Metadata) -> io::Result<()> {
    let found = match there {
        there if there.is_file() => return Ok(()),
        there if there.is_dir() => "a folder",
        _ => "a pipe or a device",
    };
    Err(io::Error::other(format!("expected a file, found {found}")))
}

fn check_name(path: &Path) -> Result<()> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let hint = if path.is_dir() { "; a folder is for `save_program` and `load_program`" } else { "" };
    let path = path.display();
    match ending.as_deref() {
        Some("json") => Ok(()),
        Some("pkl" | "pickle") => Err(error(format!("{path} {PICKLE}"))),
        _ => Err(error(format!(
            "expected a name that ends with `.json`, such as `state.json`, found `{path}`{hint}"
        ))),
    }
}

pub(super) fn io_error(what: &str, path: &Path, cause: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{} cannot be {what}: {cause}", path.display())).with_source(cause)
}
