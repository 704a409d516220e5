//! The LM of several predictors.

use karat_lm::{Error, Lm, Result};

use crate::predict::Predictor;

/// The one LM that all have; `None` if none has one.
///
/// # Errors
/// [`is_config`](Error::is_config): they have different ones; the message names each.
pub(super) fn one_lm(named: &[(String, &Predictor)]) -> Result<Option<Lm>> {
    let mut lms = named.iter().map(|(_, predictor)| predictor.lm());
    let first = lms.next().flatten();
    if lms.all(|lm| lm == first) {
        return Ok(first.cloned());
    }
    let name = |lm: Option<&Lm>| lm.map_or("none", Lm::name).to_owned();
    let each: Vec<_> =
        named.iter().map(|(path, predictor)| format!("`{path}`: {}", name(predictor.lm()))).collect();
    let each = each.join(", ");
    Err(Error::config(format!(
        "the predictors have different LMs, so that there is no one LM to get: {each}"
    )))
}
