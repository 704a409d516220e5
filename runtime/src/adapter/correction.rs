//! Writes the message that asks again after an unreadable answer.

use karat_lm::{Error, internal::shortened};

use super::Task;

/// Writes the user message after an unreadable answer: it names the error and asks for the whole answer again.
pub(super) fn message(task: &Task<'_>, error: &Error) -> String {
    let problem = shortened(&error.to_string(), 1_000);
    let names = task.outputs().map(|field| format!("`{}`", field.name())).collect::<Vec<_>>().join(", ");
    let (wrong, also) = match error.is_violation() {
        true => ("breaks a rule", " Keep every rule."),
        false => ("could not be read", ""),
    };
    format!(
        "Your answer {wrong}: {problem}.\nGive the whole answer again, with {names}, in the form asked for.{also}"
    )
}
