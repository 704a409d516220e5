//! Spans and fields under the names of OpenTelemetry's GenAI conventions, as `tracing-opentelemetry` exports them.

use serde_json::Value;
use tracing::{Level, Span, event, field::Empty, info_span};

use super::{
    LmCall, RewardOutcome,
    conventions::*,
    target,
    words::{TypeName, rule},
};
use crate::{data::Response, report::Usage};

pub(super) fn module(name: TypeName) -> Span {
    info_span!(
        target: target::MODULE, "module",
        { OTEL_NAME } = %format_args!("{INVOKE_WORKFLOW} {name}"),
        { OTEL_KIND } = "internal",
        { OTEL_STATUS_CODE } = Empty,
        { OPERATION_NAME } = INVOKE_WORKFLOW,
        { WORKFLOW_NAME } = %name,
        { ERROR_TYPE } = Empty,
        { KARAT_CANCELLED } = Empty,
    )
}

pub(super) fn predictor(path: &str, signature: &str) -> Span {
    info_span!(
        target: target::PREDICTOR, "predictor",
        { OTEL_NAME } = %format_args!("{INVOKE_AGENT} {path}"),
        { OTEL_KIND } = "internal",
        { OTEL_STATUS_CODE } = Empty,
        { OPERATION_NAME } = INVOKE_AGENT,
        { AGENT_NAME } = path,
        { KARAT_SIGNATURE } = signature,
        { ERROR_TYPE } = Empty,
        { KARAT_CANCELLED } = Empty,
    )
}

pub(super) fn lm(asked: &LmCall<'_>) -> Span {
    let config = &asked.request.config;
    info_span!(
        target: target::LM, "lm",
        { OTEL_NAME } = %format_args!("{CHAT} {}", asked.model),
        { OTEL_KIND } = "client",
        { OTEL_STATUS_CODE } = Empty,
        { OPERATION_NAME } = CHAT,
        { PROVIDER_NAME } = asked.provider,
        { REQUEST_MODEL } = asked.model,
        { SERVER_ADDRESS } = asked.server.as_ref().map(|(host, _)| host.as_str()),
        { SERVER_PORT } = asked.server.as_ref().map(|(_, port)| i64::from(*port)),
        { REQUEST_TEMPERATURE } = config.temperature,
        { REQUEST_MAX_TOKENS } = config.max_tokens.map(i64::from),
        { REQUEST_CHOICE_COUNT } = config.n.filter(|n| *n != 1).map(i64::from),
        { REQUEST_SEED } = config.seed.map(int),
        { REQUEST_STREAM } = asked.is_stream,
        { OUTPUT_TYPE } = asked.format(),
        { KARAT_ROLLOUT_ID } = config.rollout_id.map(int),
        { INPUT_MESSAGES } = Empty,
        { OUTPUT_MESSAGES } = Empty,
        { RESPONSE_MODEL } = Empty,
        { RESPONSE_FINISH_REASONS } = Empty,
        { USAGE_INPUT_TOKENS } = Empty,
        { USAGE_OUTPUT_TOKENS } = Empty,
        { USAGE_CACHE_READ_INPUT_TOKENS } = Empty,
        { USAGE_REASONING_OUTPUT_TOKENS } = Empty,
        { KARAT_COST } = Empty,
        { ERROR_TYPE } = Empty,
        { KARAT_CANCELLED } = Empty,
    )
}

pub(super) fn rollout(index: usize, id: u64) -> Span {
    info_span!(
        target: target::ROLLOUT, "rollout",
        { OTEL_NAME } = "rollout",
        { OTEL_KIND } = "internal",
        { OTEL_STATUS_CODE } = Empty,
        { KARAT_ROLLOUT_INDEX } = int(index as u64),
        { KARAT_ROLLOUT_ID } = int(id),
        { ERROR_TYPE } = Empty,
        { KARAT_CANCELLED } = Empty,
    )
}

pub(super) fn reward(of: &'static str) -> Span {
    info_span!(
        target: target::REWARD, "reward",
        { OTEL_NAME } = "reward",
        { OTEL_KIND } = "internal",
        { OTEL_STATUS_CODE } = Empty,
        { EVALUATION_NAME } = rule(of),
        { ERROR_TYPE } = Empty,
        { KARAT_CANCELLED } = Empty,
    )
}

pub(super) fn record_prompt(span: &Span, prompt: &str) {
    span.record(INPUT_MESSAGES, prompt);
}

pub(super) fn record_completion(span: &Span, completion: &str) {
    span.record(OUTPUT_MESSAGES, completion);
}

pub(super) fn record_response(span: &Span, response: &Response) {
    // `tracing` has no lists.
    let finishes = response.completions.iter().map(|completion| completion.finish.as_str().into());
    span.record(RESPONSE_FINISH_REASONS, Value::Array(finishes.collect()).to_string());
    span.record(RESPONSE_MODEL, response.model.as_deref());
    record_usage(span, &response.usage);
}

pub(super) fn record_usage(span: &Span, usage: &Usage) {
    // Zero means that the provider reported nothing.
    let known = |tokens: u64| Some(int(tokens)).filter(|tokens| *tokens > 0);
    span.record(USAGE_INPUT_TOKENS, known(usage.prompt_tokens));
    span.record(USAGE_OUTPUT_TOKENS, known(usage.completion_tokens));
    span.record(USAGE_CACHE_READ_INPUT_TOKENS, known(usage.cached_tokens));
    span.record(USAGE_REASONING_OUTPUT_TOKENS, known(usage.reasoning_tokens));
    span.record(KARAT_COST, Some(usage.cost.amount()).filter(|cost| *cost > 0.0));
}

/// The event of the conventions, on the span of the rollout that was judged.
pub(super) fn record_score(span: &Span, rollout: &Span, of: &'static str, judged: &RewardOutcome<'_>) {
    let error = judged.error.map(super::kind);
    if let Some(error) = &error {
        record_error(span, error);
    }
    let label = judged.passed.map(|passed| if passed { "pass" } else { "fail" });
    event!(
        target: target::REWARD,
        parent: rollout,
        Level::INFO,
        { EVALUATION_NAME } = rule(of),
        { EVALUATION_SCORE_VALUE } = judged.score,
        { EVALUATION_SCORE_LABEL } = label,
        { EVALUATION_EXPLANATION } = judged.feedback,
        { ERROR_TYPE } = error,
        message = EVALUATION_RESULT,
    );
}

pub(super) fn record_error(span: &Span, kind: &str) {
    span.record(ERROR_TYPE, kind);
    span.record(OTEL_STATUS_CODE, "ERROR");
}

pub(super) fn record_cancelled(span: &Span) {
    span.record(KARAT_CANCELLED, true);
}

/// OpenTelemetry's integers are signed 64-bit numbers; others would become texts.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
