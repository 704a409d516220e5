//! Compares the versions that a state was saved with to the current ones.

use karat_lm::internal::shortened;
use serde_json::{Value, json};

/// The versions of DSPy whose files are read and written. Its minor versions may change the layout.
const DSPY: &[&str] = &["3.3", "3.4"];

/// The `metadata` that karat writes beside the parameters. DSPy compares every version in `dependency_versions` with its own and knows no
/// name but its own three, so that this object has to stay empty.
pub(super) fn metadata() -> Value {
    json!({ "dependency_versions": {}, "karat": { "version": env!("CARGO_PKG_VERSION") } })
}

/// Warns of each tool that saved the state in another version: that one may read or mean something else, and need not.
pub(super) fn warn(metadata: &Value) {
    for (tool, saved, current) in others(metadata) {
        tracing::warn!(
            tool,
            saved,
            current = current.join(" or "),
            "the state was saved with another version; check that the program still does what it should"
        );
    }
}

/// The same as the end of an error message; empty where the versions are the same.
pub(super) fn note(metadata: &Value) -> String {
    let notes = others(metadata).into_iter();
    notes
        .map(|(tool, saved, current)| {
            format!("; it was saved with {tool} {saved}, this is for {}", current.join(" or "))
        })
        .collect()
}

/// Each tool whose version is another one now: its name, the version that saved, and the current ones.
fn others(metadata: &Value) -> Vec<(&'static str, String, &'static [&'static str])> {
    const KARAT: &[&str] = &[concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"))];
    let karat = metadata.get("karat").and_then(|karat| karat.get("version"));
    let dspy = metadata.get("dependency_versions").and_then(|versions| versions.get("dspy"));
    [("karat", karat, KARAT), ("dspy", dspy, DSPY)]
        .into_iter()
        .filter_map(|(tool, saved, current)| Some((tool, saved?.as_str()?, current)))
        .filter(|(_, saved, current)| !current.contains(&minor(saved)))
        .map(|(tool, saved, current)| (tool, shortened(saved, 100), current))
        .collect()
}

/// The first two numbers of a version.
fn minor(version: &str) -> &str {
    version.match_indices('.').nth(1).map_or(version, |(end, _)| version.get(..end).unwrap_or(version))
}
