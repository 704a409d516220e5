//! Chooses the names of spans and their fields: karat's own, or those of OpenTelemetry's GenAI conventions.
//!
//! A program chooses once, at its start; a span keeps the names under which it was opened.

use std::sync::atomic::{AtomicU8, Ordering};

use tracing::Span;

use super::{LmCall, RewardOutcome, plain, words::TypeName};
#[cfg(feature = "otel")]
use super::{conventions::OTEL_KIND, otel};
use crate::{data::Response, report::Usage};

/// The names of karat's spans and their fields; `docs/telemetry.md` has the table of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Names {
    /// karat's own: `model`, `prompt_tokens`, ..
    #[default]
    Karat,
    /// Those of OpenTelemetry's GenAI conventions: `gen_ai.request.model`, .. Needs the feature `otel`, which brings no
    /// dependency and changes nothing by itself.
    #[cfg(feature = "otel")]
    OpenTelemetry,
}

static CHOSEN: AtomicU8 = AtomicU8::new(Names::Karat as u8);

/// Chooses the names of all spans that the process opens from now on. The program that sets up the subscriber calls it; a
/// library does not.
///
/// ```
/// use karat::telemetry::{Names, set_names};
///
/// set_names(Names::Karat); // as it is by default
/// ```
pub fn set_names(names: Names) {
    CHOSEN.store(names as u8, Ordering::Relaxed);
}

fn chosen() -> Names {
    match CHOSEN.load(Ordering::Relaxed) {
        #[cfg(feature = "otel")]
        names if names == Names::OpenTelemetry as u8 => Names::OpenTelemetry,
        _ => Names::Karat,
    }
}

/// The names under which a span was opened.
fn names_of(_span: &Span) -> Names {
    #[cfg(feature = "otel")]
    if _span.has_field(OTEL_KIND) {
        return Names::OpenTelemetry;
    }
    Names::Karat
}

/// Calls the function of the module that writes these names.
macro_rules! by {
    ($names:expr, $function:ident($($argument:expr),*)) => {
        match $names {
            Names::Karat => plain::$function($($argument),*),
            #[cfg(feature = "otel")]
            Names::OpenTelemetry => otel::$function($($argument),*),
        }
    };
}

pub(super) fn module(name: TypeName) -> Span {
    by!(chosen(), module(name))
}

pub(super) fn predictor(path: &str, signature: &str) -> Span {
    by!(chosen(), predictor(path, signature))
}

pub(super) fn lm(asked: &LmCall<'_>) -> Span {
    by!(chosen(), lm(asked))
}

pub(super) fn rollout(index: usize, id: u64) -> Span {
    by!(chosen(), rollout(index, id))
}

pub(super) fn reward(of: &'static str) -> Span {
    by!(chosen(), reward(of))
}

pub(super) fn record_prompt(span: &Span, prompt: &str) {
    by!(names_of(span), record_prompt(span, prompt));
}

pub(super) fn record_completion(span: &Span, completion: &str) {
    by!(names_of(span), record_completion(span, completion));
}

pub(super) fn record_response(span: &Span, response: &Response) {
    by!(names_of(span), record_response(span, response));
}

pub(super) fn record_usage(span: &Span, usage: &Usage) {
    by!(names_of(span), record_usage(span, usage));
}

pub(super) fn record_score(span: &Span, rollout: &Span, of: &'static str, judged: &RewardOutcome<'_>) {
    by!(names_of(span), record_score(span, rollout, of, judged));
}

pub(super) fn record_error(span: &Span, kind: &str) {
    by!(names_of(span), record_error(span, kind));
}

pub(super) fn record_cancelled(span: &Span) {
    by!(names_of(span), record_cancelled(span));
}
