//! Shared code of fallbacks and pools: both ask other LMs, each with its own settings.

use std::sync::Arc;

use crate::{
    data::{Request, Response, ResponseFormat, Sink, Support},
    handle::{Lm, Model},
    model::LanguageModel,
    report::{Error, Fact, Result, Usage},
};

/// Asks a member, with the request's config over its own.
pub(crate) async fn ask(lm: &Lm, request: &Request, sink: Option<&mut Sink<'_>>) -> Result<Response> {
    let mut response = Arc::unwrap_or_clone(lm.send(None, request.clone(), sink).await?);
    response.model.get_or_insert_with(|| lm.name().to_owned());
    Ok(response)
}

/// The common name, e.g. `pool(a, b)`.
pub(crate) fn name(what: &str, members: &[Lm]) -> String {
    let names: Vec<_> = members.iter().map(Lm::name).collect();
    format!("{what}({})", names.join(", "))
}

/// The identities of all members.
pub(crate) fn identities(members: &[Lm]) -> Vec<String> {
    members.iter().map(|lm| lm.identity()).collect()
}

/// What all members take, so that the format holds whichever answers.
pub(crate) fn supports(members: &[Lm], format: &ResponseFormat) -> Support {
    let each: Vec<_> = members.iter().map(|lm| lm.supports(format)).collect();
    let weakest = [Support::None, Support::Loose].into_iter().find(|takes| each.contains(takes));
    weakest.unwrap_or(Support::Strict)
}

/// Combines several LMs into one; without any the first call fails.
pub(crate) fn combined(what: &str, members: &[Lm], model: impl LanguageModel) -> Lm {
    // Each member counts its own requests.
    let lm = Lm::from_model(Model::Custom(Arc::new(model)));
    match members {
        [] => lm.with_mistake(Error::config(format!(
            "a {what} of no LMs can answer nothing: give it at least one"
        ))),
        _ => lm,
    }
}

/// Checks that the budget allows another member after these errors.
///
/// # Errors
/// [`is_budget`](Error::is_budget): the call's budget is used up. The members' errors are its source.
pub(crate) fn check(request: &Request, name: &str, errors: &mut Vec<(&str, Error)>) -> Result<()> {
    match request.meter.check() {
        Err(refusal) if !errors.is_empty() => {
            Err(refusal.with_usage(spent(errors)).with_source(all_failed(name, std::mem::take(errors))))
        }
        outcome => outcome,
    }
}

/// The cost of failed attempts.
pub(crate) fn spent(errors: &[(&str, Error)]) -> Usage {
    errors.iter().map(|(_, error)| error.spent()).sum()
}

/// Adds the cost of earlier failures to the call's error.
pub(crate) fn after(error: Error, errors: &[(&str, Error)]) -> Error {
    let mut usage = error.spent();
    usage += spent(errors);
    error.with_usage(usage)
}

/// One error for all: of the kind of the first transient one, so that the call is retried, else of the last one's.
pub(crate) fn all_failed(name: &str, mut errors: Vec<(&str, Error)>) -> Error {
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
