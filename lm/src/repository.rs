//! Reads files of the repository for unit tests. A published package does not have them, and its tests skip what needs them.

use std::{fs, path::Path};

/// The text of a file by its path from the repository's root; `None` in a package, with a line that says what is skipped.
///
/// # Panics
/// The repository lacks the file.
pub(crate) fn file(path: &str) -> Option<&'static str> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !root.join("CONTRIBUTING.md").exists() {
        println!("SKIPPED: `{path}` stands in the repository alone");
        return None;
    }
    let text = fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Some(text.leak())
}

/// The corpora of these names.
#[allow(dead_code, reason = "karat-lm, which has this file too, reads no corpora")]
pub(crate) fn corpora<const N: usize>(names: [&str; N]) -> Option<[&'static str; N]> {
    let files: Vec<_> = names.iter().map_while(|name| file(&format!("tests/corpora/{name}.jsonl"))).collect();
    files.try_into().ok()
}
