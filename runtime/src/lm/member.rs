//! What fallbacks and pools have in common: they ask other LMs, each with all that is set on it.

use std::sync::Arc;

use super::{LanguageModel, Lm, Model, Request, Response, ResponseFormat, Sink, Support, Usage};
use crate::report::{Error, Fact, Result};

/// Asks a member, with the request's config over its own.
pub(super) async fn ask(lm: &Lm, request: &Request, sink: Option<&mut Sink<'_>>) -> Result<Response> {
    let mut response = Arc::unwrap_or_clone(lm.send(None, request.clone(), sink).await?);
    response.model.get_or_insert_with(|| lm.name().to_owned());
    Ok(response)
}

/// `pool(a, b)`.
pub(super) fn name(what: &str, members: &[Lm]) -> String {
    let names: Vec<_> = members.iter().map(Lm::name).collect();
    format!("{what}({})", names.join(", "))
}

/// The identities of all.
pub(super) fn identities(members: &[Lm]) -> Vec<String> {
    members.iter().map(|lm| lm.inner.model.get().identity()).collect()
}

/// What all of them take: whoever answers, the form holds.
pub(super) fn supports(members: &[Lm], format: &ResponseFormat) -> Support {
    let each: Vec<_> = members.iter().map(|lm| lm.supports(format)).collect();
    let weakest = [Support::None, Support::Loose].into_iter().find(|takes| each.contains(takes));
    weakest.unwrap_or(Support::Strict)
}

/// Makes an LM of several; the mistake of having none of them is told at the first call.
pub(super) fn several(what: &str, members: &[Lm], model: impl LanguageModel) -> Lm {
    // The members count what is sent, each for itself.
    let mut lm = Lm::from_model(Model::Custom(Arc::new(model)));
    if members.is_empty() {
        let mistake = Error::config(format!("a {what} of no LMs can answer nothing: give it at least one"));
        Arc::make_mut(&mut lm.inner).mistake = Some(mistake);
    }
    lm
}

/// Whether one more may be asked after these errors.
///
/// # Errors
/// [`is_budget`](Error::is_budget): the call's budget is used up. What was tried is its source.
pub(super) fn check(request: &Request, name: &str, errors: &mut Vec<(&str, Error)>) -> Result<()> {
    match request.meter.check() {
        Err(refusal) if !errors.is_empty() => {
            Err(refusal.with_usage(spent(errors)).with_source(all_failed(name, std::mem::take(errors))))
        }
        outcome => outcome,
    }
}

/// What failed attempts have cost.
pub(super) fn spent(errors: &[(&str, Error)]) -> Usage {
    errors.iter().map(|(_, error)| error.spent()).sum()
}

/// The error that is the call's, with what those have cost that failed before.
pub(super) fn after(error: Error, errors: &[(&str, Error)]) -> Error {
    let mut usage = error.spent();
    usage += spent(errors);
    error.with_usage(usage)
}

/// One error of all: of the kind of the first one that may pass, so that the call is tried again, else of the last one's.
pub(super) fn all_failed(name: &str, mut errors: Vec<(&str, Error)>) -> Error {
    if errors.len() < 2 {
        let alone = errors.pop().map(|(_, error)| error);
        return alone.unwrap_or_else(|| Error::config(format!("`{name}` has no LM to ask")));
    }
    let texts: Vec<_> =
        errors.iter().enumerate().map(|(i, (_, error))| format!("({}) {error}", i + 1)).collect();
    let message = format!("`{name}`: all {} of those asked failed: {}", errors.len(), texts.join("; "));
    let spent = spent(&errors);
    let wait = errors
        .iter()
        .filter(|(_, error)| error.kind().is(Fact::Transient))
        .filter_map(|(_, error)| error.retry_after())
        .min();
    let at =
        errors.iter().position(|(_, error)| error.kind().is(Fact::Transient)).unwrap_or(errors.len() - 1);
    let (_, chosen) = errors.swap_remove(at);
    let error = Error::new(chosen.kind(), message).with_usage(spent);
    let error = chosen.status().into_iter().fold(error, Error::with_status);
    wait.into_iter().fold(error, Error::with_retry_after).with_source(chosen)
}
