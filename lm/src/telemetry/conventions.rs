//! The names of OpenTelemetry's conventions for generative AI that karat uses.
//!
//! They are those of the repository `open-telemetry/semantic-conventions-genai`, to which the GenAI conventions moved after
//! version 1.41 of the general ones, as of September 2026 (page "client inference", over the general conventions 1.44.0; the
//! names here are the same in 1.41). Their state is "development": names may still change.

pub(super) const OPERATION_NAME: &str = "gen_ai.operation.name";
/// Values of [`OPERATION_NAME`].
pub(super) const CHAT: &str = "chat";
pub(super) const INVOKE_AGENT: &str = "invoke_agent";
pub(super) const INVOKE_WORKFLOW: &str = "invoke_workflow";

pub(super) const WORKFLOW_NAME: &str = "gen_ai.workflow.name";
pub(super) const AGENT_NAME: &str = "gen_ai.agent.name";

pub(super) const PROVIDER_NAME: &str = "gen_ai.provider.name";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";

pub(super) const REQUEST_MODEL: &str = "gen_ai.request.model";
pub(super) const REQUEST_TEMPERATURE: &str = "gen_ai.request.temperature";
pub(super) const REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
pub(super) const REQUEST_CHOICE_COUNT: &str = "gen_ai.request.choice.count";
pub(super) const REQUEST_SEED: &str = "gen_ai.request.seed";
pub(super) const REQUEST_STREAM: &str = "gen_ai.request.stream";
pub(super) const OUTPUT_TYPE: &str = "gen_ai.output.type";

pub(super) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(super) const RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(super) const USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(super) const USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(super) const USAGE_CACHE_READ_INPUT_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub(super) const USAGE_REASONING_OUTPUT_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";

pub(super) const INPUT_MESSAGES: &str = "gen_ai.input.messages";
pub(super) const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";

/// The name of the event of a reward.
pub(super) const EVALUATION_RESULT: &str = "gen_ai.evaluation.result";
pub(super) const EVALUATION_NAME: &str = "gen_ai.evaluation.name";
pub(super) const EVALUATION_SCORE_VALUE: &str = "gen_ai.evaluation.score.value";
/// `pass` or `fail`; absent where there is no threshold.
pub(super) const EVALUATION_SCORE_LABEL: &str = "gen_ai.evaluation.score.label";
pub(super) const EVALUATION_EXPLANATION: &str = "gen_ai.evaluation.explanation";

pub(super) const ERROR_TYPE: &str = "error.type";

/// karat's own names, for which the conventions have none.
pub(super) const KARAT_SIGNATURE: &str = "karat.signature";
pub(super) const KARAT_ROLLOUT_INDEX: &str = "karat.rollout.index";
pub(super) const KARAT_ROLLOUT_ID: &str = "karat.rollout.id";
pub(super) const KARAT_CANCELLED: &str = "karat.cancelled";
pub(super) const KARAT_COST: &str = "karat.usage.cost";

/// Fields that `tracing-opentelemetry` applies to the span itself.
pub(super) const OTEL_NAME: &str = "otel.name";
pub(super) const OTEL_KIND: &str = "otel.kind";
pub(super) const OTEL_STATUS_CODE: &str = "otel.status_code";
