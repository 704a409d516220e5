//! Spans and fields under karat's own names; `docs/telemetry.md` has the table.

use tracing::{Span, field::Empty, info_span};

use super::{
    LmCall, RewardOutcome, target,
    words::{TypeName, rule},
};
use crate::{data::Response, report::Usage};

pub(super) fn module(name: TypeName) -> Span {
    info_span!(target: target::MODULE, "module", %name, error = Empty, cancelled = Empty)
}

pub(super) fn predictor(path: &str, signature: &str) -> Span {
    info_span!(
        target: target::PREDICTOR, "predictor",
        path, signature, error = Empty, cancelled = Empty
    )
}

pub(super) fn lm(asked: &LmCall<'_>) -> Span {
    let config = &asked.request.config;
    info_span!(
        target: target::LM, "lm",
        provider = asked.provider,
        model = asked.model,
        host = asked.server.as_ref().map(|(host, _)| host.as_str()),
        port = asked.server.as_ref().map(|(_, port)| *port),
        temperature = config.temperature,
        max_tokens = config.max_tokens,
        n = config.n,
        seed = config.seed,
        rollout_id = config.rollout_id,
        format = asked.format(),
        stream = asked.is_stream,
        prompt = Empty,
        completion = Empty,
        finish = Empty,
        response_model = Empty,
        prompt_tokens = Empty,
        completion_tokens = Empty,
        cached_tokens = Empty,
        reasoning_tokens = Empty,
        cost = Empty,
        error = Empty,
        cancelled = Empty,
    )
}

pub(super) fn rollout(index: usize, id: u64) -> Span {
    info_span!(target: target::ROLLOUT, "rollout", index, rollout_id = id, error = Empty, cancelled = Empty)
}

pub(super) fn reward(of: &'static str) -> Span {
    info_span!(
        target: target::REWARD, "reward",
        name = rule(of), score = Empty, passed = Empty, feedback = Empty, error = Empty, cancelled = Empty
    )
}

pub(super) fn record_prompt(span: &Span, prompt: &str) {
    span.record("prompt", prompt);
}

pub(super) fn record_completion(span: &Span, completion: &str) {
    span.record("completion", completion);
}

pub(super) fn record_response(span: &Span, response: &Response) {
    let finishes: Vec<_> = response.completions.iter().map(|completion| completion.finish.as_str()).collect();
    span.record("finish", finishes.join(","));
    span.record("response_model", response.model.as_deref());
    record_usage(span, &response.usage);
}

pub(super) fn record_usage(span: &Span, usage: &Usage) {
    span.record("prompt_tokens", usage.prompt_tokens);
    span.record("completion_tokens", usage.completion_tokens);
    span.record("cached_tokens", usage.cached_tokens);
    span.record("reasoning_tokens", usage.reasoning_tokens);
    span.record("cost", usage.cost.amount());
}

pub(super) fn record_score(span: &Span, _: &Span, _: &str, judged: &RewardOutcome<'_>) {
    span.record("score", judged.score);
    span.record("passed", judged.passed);
    span.record("feedback", judged.feedback);
    if let Some(error) = judged.error {
        record_error(span, super::kind(error));
    }
}

pub(super) fn record_error(span: &Span, kind: &str) {
    span.record("error", kind);
}

pub(super) fn record_cancelled(span: &Span) {
    span.record("cancelled", true);
}
