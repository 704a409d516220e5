//! Shortens Rust's type names for spans.

use std::fmt;

/// The name of a type without the paths in it: `BestOfN<Rag>`.
#[derive(Clone, Copy)]
pub(super) struct TypeName(pub(super) &'static str);

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for piece in self.0.split_inclusive(|c| !is_of_path(c)) {
            let name = piece.trim_end_matches(|c| !is_of_path(c));
            f.write_str(name.rsplit("::").next().unwrap_or(name))?;
            f.write_str(piece.strip_prefix(name).unwrap_or_default())?;
        }
        Ok(())
    }
}

/// The name of a reward's function or type; `reward` for a closure.
pub(super) fn rule(type_name: &'static str) -> &'static str {
    let name = type_name.split('<').next().unwrap_or(type_name);
    match name.rsplit("::").next() {
        Some(last) if !last.is_empty() && last.chars().all(|c| c.is_alphanumeric() || c == '_') => last,
        _ => "reward",
    }
}
