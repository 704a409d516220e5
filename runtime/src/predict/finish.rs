//! Checks an answer against its finish reason: a part of it may be missing.

use std::borrow::Cow;

use karat_lm::{Completion, Error, ErrorKind, Finish, Result, internal::shortened};

use crate::{
    json::{Repair, Repairs},
    signature::{Layout, Slot},
};

/// Returns the repairs by field of an answer that could be read, with a flaw added where its end has an unknown reason. `cut`
/// gives the field of which a part may be missing if the model's token limit cut the answer.
///
/// # Errors
/// [`ErrorKind::Truncated`]: a part may be missing.
pub(super) fn check<'n>(
    finish: &Finish,
    cut: impl FnOnce() -> Option<&'n str>,
    layout: &Layout,
    repairs: Vec<(Cow<'static, str>, Repairs)>,
) -> Result<Vec<(Cow<'static, str>, Repairs)>> {
    match finish {
        Finish::Length => cut().map_or(Ok(repairs), |field| Err(truncated_in(field))),
        Finish::Stop | Finish::ContentFilter => Ok(repairs),
        // An end that says nothing of the answer: a tool call, a reason that is not known.
        _ => Ok(flagged(layout, repairs)),
    }
}

/// The error of an answer that the server broke off.
pub(super) fn broken_off(finish: &Finish) -> Error {
    let reason = shortened(finish.as_str(), 100);
    Error::new(
        ErrorKind::Server,
        format!("the server broke the answer off ({reason}). This may pass: try again later"),
    )
}

/// Turns the parse error of an answer that was cut at its token limit into that of a truncated one, which is not asked for
/// again: with the same limit it would not help.
pub(super) fn explain_truncation(error: Error, completion: &Completion) -> Error {
    if completion.finish == Finish::Length && error.is_parse() {
        let explained = truncated(&format!("the model's answer was cut at its token limit: {error}"));
        return match error.field() {
            Some(field) => explained.with_field(field),
            None => explained,
        };
    }
    error
}

/// The error of an answer that was cut before it showed that all of this field is there.
fn truncated_in(field: &str) -> Error {
    let message =
        format!("the model's answer was cut at its token limit, in the field `{field}` or before it");
    truncated(&message).with_field(field)
}

/// The repairs with a flaw in each field, for an answer that ended for an unknown reason.
fn flagged(layout: &Layout, repairs: Vec<(Cow<'static, str>, Repairs)>) -> Vec<(Cow<'static, str>, Repairs)> {
    let of = |slot: &Slot| {
        let known = repairs.iter().find(|(name, _)| *name == slot.name()).map(|(_, repairs)| *repairs);
        let mut repairs = known.unwrap_or_default();
        repairs.add(Repair::Finish);
        (slot.owned_name(), repairs)
    };
    layout.outputs.iter().map(of).collect()
}

pub(super) fn truncated(what: &str) -> Error {
    Error::new(ErrorKind::Truncated, format!("{what}; raise `max_tokens` or ask for less"))
}
