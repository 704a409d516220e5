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

use std::{any::type_name, sync::Arc, thread};

use tracing::Span;

pub use self::form::{Names, set_names};
use self::words::TypeName;
use crate::{
    error::Error,
    lm::{Lm, Request, Response, ResponseFormat},
    module::Module,
    reward::Score,
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
pub(crate) struct OpenSpan(Span);

/// The facts of an LM call at its beginning.
struct LmCall<'a> {
    provider: &'a str,
    model: &'a str,
    server: Option<(String, u16)>,
    request: &'a Request,
    is_stream: bool,
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
struct RewardOutcome<'a> {
    score: Option<&'a Score>,
    passed: Option<bool>,
    /// Only where content is recorded.
    feedback: Option<&'a str>,
    error: Option<&'a Error>,
}

/// Opens the span of a module's run.
pub(crate) fn module<M: Module>() -> OpenSpan {
    OpenSpan(if M::HAS_SPAN { form::module(TypeName(type_name::<M>())) } else { Span::none() })
}

/// Opens the span of a predictor's run.
pub(crate) fn predictor(path: impl FnOnce() -> Arc<str>, signature: &'static str) -> OpenSpan {
    OpenSpan(if is_on() { form::predictor(&path(), signature) } else { Span::none() })
}

/// Opens the span of an LM call, with all that its layers do.
pub(crate) fn lm(lm: &Lm, request: &Request, is_stream: bool) -> OpenSpan {
    if !is_on() {
        return OpenSpan(Span::none());
    }
    let (provider, model) = lm.provider_and_model();
    let span = form::lm(&LmCall { provider, model, server: lm.server(), request, is_stream });
    if lm.records_content() && !span.is_disabled() {
        form::record_prompt(&span, &lm.without_key(content::prompt(&request.prompt)));
    }
    OpenSpan(span)
}

/// Opens the span of a rollout: its module's run and its reward.
pub(crate) fn rollout(index: usize, id: u64) -> OpenSpan {
    OpenSpan(form::rollout(index, id))
}

/// Opens the span of a reward; `rule` is the name of its type.
pub(crate) fn reward(rule: &'static str) -> OpenSpan {
    OpenSpan(form::reward(rule))
}

/// False if no subscriber wants spans; costs one read of a number.
fn is_on() -> bool {
    tracing::level_enabled!(tracing::Level::INFO)
}

impl OpenSpan {
    /// The span, for entering it.
    pub(crate) fn get(&self) -> Span {
        self.0.clone()
    }

    /// False without a listener.
    pub(crate) fn is_heard(&self) -> bool {
        !self.0.is_disabled()
    }

    /// Records the end of a run.
    pub(crate) fn end(self, error: Option<&Error>) {
        self.finish(|span| {
            if let Some(error) = error {
                form::record_error(span, kind(error));
            }
        });
    }

    /// Records an LM's answer or error.
    pub(crate) fn end_lm(self, lm: &Lm, outcome: &Result<Arc<Response>, Error>) {
        self.finish(|span| match outcome {
            Ok(response) => {
                form::record_response(span, response);
                if lm.records_content() {
                    form::record_completion(span, &lm.without_key(content::completions(response)));
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
    pub(crate) fn end_reward(
        self,
        rollout: &OpenSpan,
        rule: &'static str,
        outcome: &Result<Score, Error>,
        passed: Option<bool>,
        with_feedback: bool,
    ) {
        self.finish(|span| {
            let score = outcome.as_ref().ok();
            let feedback = score.and_then(Score::feedback).filter(|_| with_feedback);
            let error = outcome.as_ref().err();
            form::record_score(span, &rollout.0, rule, &RewardOutcome { score, passed, feedback, error });
        });
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
