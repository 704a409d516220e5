//! What fallbacks and pools have in common: they ask other LMs, each with all that is set on it.

use std::sync::Arc;

use super::{LanguageModel, Lm, Request, Response, ResponseFormat, Sink, Takes, Usage};
use crate::error::{Error, ErrorKind, Fact, Result};

/// Asks a member, with the request's config over its own.
pub(super) async fn ask(lm: &Lm, request: &Request, sink: Option<&mut Sink<'_>>) -> Result<Response> {
    let mut response = Arc::unwrap_or_clone(lm.send(None, request.clone(), sink).await?);
    response.model.get_or_insert_with(|| lm.name().to_owned());
    response.usage.calls = response.usage.calls.max(1);
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
pub(super) fn takes(members: &[Lm], format: &ResponseFormat) -> Takes {
    let each: Vec<_> = members.iter().map(|lm| lm.takes(format)).collect();
    let weakest = [Takes::Not, Takes::Loosely].into_iter().find(|takes| each.contains(takes));
    weakest.unwrap_or(Takes::Strictly)
}

/// Makes an LM of several; the mistake of having none of them is told at the first call.
pub(super) fn several(what: &str, members: &[Lm], model: impl LanguageModel) -> Lm {
    let mut lm = Lm::custom(model);
    if members.is_empty() {
        let mistake = Error::config(format!("a {what} of no LMs can answer nothing: give it at least one"));
        Arc::make_mut(&mut lm.inner).mistake = Some(mistake);
    }
    lm
}

/// False where there was no key, so that nothing was sent: what was paid for it is there for the next one.
fn was_sent(error: &Error) -> bool {
    error.kind() != ErrorKind::MissingKey
}

/// Pays for asking one more after these errors; the first request of a call is paid by its caller.
///
/// # Errors
/// [`is_budget`](Error::is_budget): the call's budget is used up. What was tried is its source.
pub(super) fn pay(request: &Request, name: &str, errors: &mut Vec<(&str, Error)>) -> Result<()> {
    if !errors.last().is_some_and(|(_, error)| was_sent(error)) {
        return Ok(());
    }
    request.pay().map_err(|refusal| {
        let attempts = attempts(calls(errors));
        refusal
            .with_attempts(attempts)
            .with_usage(usage(errors))
            .with_source(all_failed(name, std::mem::take(errors)))
    })
}

/// The calls that failed attempts have cost: one each, but where there was no key to send.
pub(super) fn calls(errors: &[(&str, Error)]) -> u64 {
    let sent = errors.iter().filter(|(_, error)| was_sent(error));
    sent.map(|(_, error)| u64::from(error.attempts())).sum()
}

/// What failed attempts have cost.
pub(super) fn usage(errors: &[(&str, Error)]) -> Usage {
    let known = errors.iter().map(|(_, error)| error.spent()).sum();
    Usage { calls: calls(errors), ..known }
}

/// The error that is the call's, with the attempts of those that failed before.
pub(super) fn after(error: Error, errors: &[(&str, Error)]) -> Error {
    let all = attempts(calls(errors).saturating_add(error.attempts().into()));
    let mut spent = error.spent();
    spent += usage(errors);
    error.with_attempts(all).with_usage(Usage { calls: all.into(), ..spent })
}

fn attempts(calls: u64) -> u32 {
    u32::try_from(calls).unwrap_or(u32::MAX)
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
    let (attempts, spent) = (attempts(calls(&errors)), usage(&errors));
    let wait = errors
        .iter()
        .filter(|(_, error)| error.kind().is(Fact::Transient))
        .filter_map(|(_, error)| error.retry_after())
        .min();
    let at =
        errors.iter().position(|(_, error)| error.kind().is(Fact::Transient)).unwrap_or(errors.len() - 1);
    let (_, chosen) = errors.swap_remove(at);
    let error = Error::new(chosen.kind(), message).with_attempts(attempts).with_usage(spent);
    let error = chosen.status().into_iter().fold(error, Error::with_status);
    wait.into_iter().fold(error, Error::with_retry_after).with_source(chosen)
}
