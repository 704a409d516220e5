//! The spans that a run opens for `tracing`, and the names that they and their fields have.
//!
//! There is one for each module, predictor, LM call, rollout and reward; [`set_names`] chooses how they are called.

// Where nobody listens nothing is formatted: values are worked out inside of the macros, which ask first.

mod content;
#[cfg(feature = "otel")]
mod conventions;
mod form;
#[cfg(feature = "otel")]
mod otel;
mod plain;
#[cfg(test)]
mod tests;
mod words;

use std::{sync::Arc, thread};

use tracing::Span;

pub use self::form::{Names, set_names};
use self::words::TypeName;
use crate::{
    data::{Request, Response, ResponseFormat},
    report::Error,
};

/// The targets by which a subscriber tells them apart.
mod target {
    pub(super) const MODULE: &str = "karat::module";
    pub(super) const PREDICTOR: &str = "karat::predictor";
    pub(super) const LM: &str = "karat::lm";
    pub(super) const ROLLOUT: &str = "karat::rollout";
    pub(super) const REWARD: &str = "karat::reward";
}

/// A span that waits for its outcome. One that is dropped without it is marked as cancelled, or as failed by a panic.
#[derive(Debug)]
#[doc(hidden)]
pub struct Open(Span);

/// Takes the API key out of a text.
pub(crate) type Redact<'a> = &'a (dyn Fn(String) -> String + Sync);

/// What an LM call's span records when the call begins.
pub(crate) struct Asked<'a> {
    pub(crate) provider: &'a str,
    pub(crate) model: &'a str,
    pub(crate) server: Option<(String, u16)>,
    pub(crate) request: &'a Request,
    pub(crate) is_stream: bool,
    /// `None` where no content is recorded.
    pub(crate) redact: Option<Redact<'a>>,
}

impl Asked<'_> {
    /// What form the answer shall have.
    fn format(&self) -> &'static str {
        match self.request.response_format {
            None => "text",
            Some(ResponseFormat::JsonObject | ResponseFormat::JsonSchema { .. }) => "json",
        }
    }
}

/// A reward's outcome, to be recorded.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Judged<'a> {
    pub score: Option<f64>,
    /// Whether the score reached the threshold, if there is one.
    pub passed: Option<bool>,
    /// Only where content is recorded.
    pub feedback: Option<&'a str>,
    pub error: Option<&'a Error>,
}

/// A run of a module of this type.
#[doc(hidden)]
pub fn module(type_name: &'static str) -> Open {
    Open(form::module(TypeName(type_name)))
}

/// No span.
#[doc(hidden)]
pub fn none() -> Open {
    Open(Span::none())
}

/// A run of a predictor.
#[doc(hidden)]
pub fn predictor(path: impl FnOnce() -> Arc<str>, signature: &str) -> Open {
    Open(if is_on() { form::predictor(&path(), signature) } else { Span::none() })
}

/// A call of an LM, with all that its layers do.
pub(crate) fn lm<'a>(asked: impl FnOnce() -> Asked<'a>) -> Open {
    if !is_on() {
        return none();
    }
    let asked = asked();
    let span = form::lm(&asked);
    if let Some(redact) = asked.redact.filter(|_| !span.is_disabled()) {
        form::record_prompt(&span, &redact(content::prompt(&asked.request.prompt)));
    }
    Open(span)
}

/// A rollout: its module's run and its reward.
#[doc(hidden)]
pub fn rollout(index: usize, id: u64) -> Open {
    Open(form::rollout(index, id))
}

/// A reward at work; `rule` is the name of its type.
#[doc(hidden)]
pub fn reward(rule: &'static str) -> Open {
    Open(form::reward(rule))
}

/// False where no subscriber could want a span: one look at a number.
fn is_on() -> bool {
    tracing::level_enabled!(tracing::Level::INFO)
}

impl Open {
    /// The span, to be entered.
    pub fn get(&self) -> Span {
        self.0.clone()
    }

    /// False where nobody listens.
    pub fn is_heard(&self) -> bool {
        !self.0.is_disabled()
    }

    /// Records how it ended.
    pub fn end(self, error: Option<&Error>) {
        self.finish(|span| {
            if let Some(error) = error {
                form::record_error(span, kind(error));
            }
        });
    }

    /// Records what an LM answered; its texts only with `redact`.
    pub(crate) fn end_lm(self, redact: Option<Redact<'_>>, outcome: &Result<Arc<Response>, Error>) {
        self.finish(|span| match outcome {
            Ok(response) => {
                form::record_response(span, response);
                if let Some(redact) = redact {
                    form::record_completion(span, &redact(content::completions(response)));
                }
            }
            Err(error) => {
                form::record_error(span, kind(error));
                if error.spent().total_tokens() > 0 {
                    form::record_usage(span, &error.spent());
                }
            }
        });
    }

    /// Records what a reward said of the rollout around it.
    pub fn end_reward(self, rollout: &Self, rule: &'static str, judged: &Judged<'_>) {
        self.finish(|span| form::record_score(span, &rollout.0, rule, judged));
    }

    fn finish(mut self, record: impl FnOnce(&Span)) {
        // What is left behind has nothing to tell when it is dropped.
        let span = std::mem::replace(&mut self.0, Span::none());
        if !span.is_disabled() {
            record(&span);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.is_disabled() {
            return;
        }
        match thread::panicking() {
            true => form::record_error(&self.0, "panic"),
            false => form::record_cancelled(&self.0),
        }
    }
}

/// The name of the error's kind. Never its message, which may hold what a model wrote.
fn kind(error: &Error) -> &'static str {
    error.kind().as_str()
}
