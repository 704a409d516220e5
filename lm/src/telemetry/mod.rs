//! The `tracing` spans of a run, and the names of their fields.
//!
//! There is one for each module, predictor, LM call, rollout and reward; [`set_names`] chooses the names.

// Without a listener nothing is formatted: values are computed inside of the macros, which check first.

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

/// The targets by which a subscriber filters spans.
mod target {
    pub(super) const MODULE: &str = "karat::module";
    pub(super) const PREDICTOR: &str = "karat::predictor";
    pub(super) const LM: &str = "karat::lm";
    pub(super) const ROLLOUT: &str = "karat::rollout";
    pub(super) const REWARD: &str = "karat::reward";
}

/// A span that waits for its outcome. Dropped without one, it is marked as cancelled, or as failed by a panic.
#[derive(Debug)]
#[doc(hidden)]
pub struct OpenSpan(Span);

/// Takes the API key out of a text.
pub(crate) type Redact<'a> = &'a (dyn Fn(String) -> String + Sync);

/// The facts of an LM call at its beginning.
pub(crate) struct LmCall<'a> {
    pub(crate) provider: &'a str,
    pub(crate) model: &'a str,
    pub(crate) server: Option<(String, u16)>,
    pub(crate) request: &'a Request,
    pub(crate) is_stream: bool,
    /// `None` where no content is recorded.
    pub(crate) redact: Option<Redact<'a>>,
}

impl LmCall<'_> {
    /// The format of the answer.
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
pub struct RewardOutcome<'a> {
    pub score: Option<f64>,
    /// Whether the score reached the threshold, if there is one.
    pub passed: Option<bool>,
    /// Only where content is recorded.
    pub feedback: Option<&'a str>,
    pub error: Option<&'a Error>,
}

/// Opens the span of a module's run.
#[doc(hidden)]
pub fn module(type_name: &'static str) -> OpenSpan {
    OpenSpan(form::module(TypeName(type_name)))
}

/// No span.
#[doc(hidden)]
pub fn none() -> OpenSpan {
    OpenSpan(Span::none())
}

/// Opens the span of a predictor's run.
#[doc(hidden)]
pub fn predictor(path: impl FnOnce() -> Arc<str>, signature: &str) -> OpenSpan {
    OpenSpan(if is_on() { form::predictor(&path(), signature) } else { Span::none() })
}

/// Opens the span of an LM call, with all that its layers do.
pub(crate) fn lm<'a>(asked: impl FnOnce() -> LmCall<'a>) -> OpenSpan {
    if !is_on() {
        return none();
    }
    let asked = asked();
    let span = form::lm(&asked);
    if let Some(redact) = asked.redact.filter(|_| !span.is_disabled()) {
        form::record_prompt(&span, &redact(content::prompt(&asked.request.prompt)));
    }
    OpenSpan(span)
}

/// Opens the span of a rollout: its module's run and its reward.
#[doc(hidden)]
pub fn rollout(index: usize, id: u64) -> OpenSpan {
    OpenSpan(form::rollout(index, id))
}

/// Opens the span of a reward; `rule` is the name of its type.
#[doc(hidden)]
pub fn reward(rule: &'static str) -> OpenSpan {
    OpenSpan(form::reward(rule))
}

/// False if no subscriber wants spans; costs one read of a number.
fn is_on() -> bool {
    tracing::level_enabled!(tracing::Level::INFO)
}

impl OpenSpan {
    /// The span, for entering it.
    pub fn get(&self) -> Span {
        self.0.clone()
    }

    /// False without a listener.
    pub fn is_heard(&self) -> bool {
        !self.0.is_disabled()
    }

    /// Records the end of a run.
    pub fn end(self, error: Option<&Error>) {
        self.finish(|span| {
            if let Some(error) = error {
                form::record_error(span, kind(error));
            }
        });
    }

    /// Records an LM's answer or error.
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

    /// Records a reward's outcome for the rollout around it. `passed`: whether it reached the threshold, if there is one.
    pub fn end_reward(self, rollout: &Self, rule: &'static str, judged: &RewardOutcome<'_>) {
        self.finish(|span| form::record_score(span, &rollout.0, rule, judged));
    }

    fn finish(mut self, record: impl FnOnce(&Span)) {
        // The empty span left behind records nothing when it is dropped.
        let span = std::mem::replace(&mut self.0, Span::none());
        if !span.is_disabled() {
            record(&span);
        }
    }
}

impl Drop for OpenSpan {
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

/// The name of the error's kind. Never its message, which may hold a model's text.
fn kind(error: &Error) -> &'static str {
    error.kind().as_str()
}
