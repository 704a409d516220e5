//! What the model is told when its answer could not be read.

use super::Task;
use crate::{report::Error, text::shortened};

/// The user message after an unreadable answer: what was wrong, and that the whole answer is wanted again.
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
