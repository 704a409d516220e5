//! The error of an answer that breaks rules of its fields.

use karat_lm::{Error, ErrorKind, Result};

use crate::field::Violation;

/// Fails if a field's value breaks a rule.
///
/// # Errors
/// [`is_violation`](Error::is_violation): every violation of the answer, with the first one's field.
pub(super) fn require_none(broken: Vec<(&str, Vec<Violation>)>) -> Result<()> {
    let first = broken.iter().find(|(_, broken)| !broken.is_empty()).map(|(field, _)| *field);
    let Some(first) = first else { return Ok(()) };
    let sentences: Vec<_> = broken.iter().flat_map(|(_, broken)| broken).map(sentence).collect();
    Err(Error::new(ErrorKind::Violation, sentences.join("; ")).with_field(first))
}

fn sentence(violation: &Violation) -> String {
    let Violation { place, found, rule, why, .. } = violation;
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("the field `{place}` is {found}, which breaks its rule \"{rule}\"{why}")
}
