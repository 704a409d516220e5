//! How each provider is asked for an answer of a schema: what it takes, and where in the request it stands.

use std::sync::Arc;

use serde_json::Value;

use super::{
    request::{ResponseFormat, Support},
    schema::{Dialect, LLAMA_CPP, OPENAI, OPENAI_LOOSE, PLAIN, PLAIN_LOOSE, Refusal, XGRAMMAR},
};

/// One provider's structured output, as its documentation has it.
#[derive(Debug)]
pub(crate) struct Structured {
    /// `None` where it has `json_object` alone.
    schema: Option<Schema>,
}

#[derive(Debug)]
struct Schema {
    form: Form,
    /// What it holds a model to.
    strict: &'static Dialect,
    /// What it takes as advice, where it has such a mode.
    loose: Option<&'static Dialect>,
    /// The start of the names of the models that can be held to a schema; empty where all can.
    strict_models: &'static [&'static str],
    /// The start of the names of the models that take no rules beside types.
    plain_models: &'static [&'static str],
}

/// What most rows have in common.
const USUAL: Schema =
    Schema { form: Form::Always, strict: &PLAIN, loose: None, strict_models: &[], plain_models: &[] };

/// Where the schema stands in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `response_format: {type: "json_schema", json_schema: {name, schema, strict}}`.
    OpenAi,
    /// The same without `strict`: a model is always held to it.
    Always,
    /// vLLM's own `structured_outputs: {json: schema}`.
    Vllm,
}

/// <https://developers.openai.com/api/docs/guides/structured-outputs>: strict mode and JSON mode.
pub(super) static OPENAI_API: Structured = Structured {
    schema: Some(Schema {
        form: Form::OpenAi,
        strict: &OPENAI,
        loose: Some(&OPENAI_LOOSE),
        // Fine-tuned ones.
        plain_models: &["ft:"],
        ..USUAL
    }),
};

/// <https://console.groq.com/docs/structured-outputs>: strict for these models, else best effort.
pub(super) static GROQ: Structured = Structured {
    schema: Some(Schema {
        form: Form::OpenAi,
        strict: &OPENAI,
        loose: Some(&OPENAI_LOOSE),
        strict_models: &["openai/gpt-oss-"],
        ..USUAL
    }),
};

/// <https://openrouter.ai/docs/structured-outputs>: the schema goes on to whatever provider has the model.
pub(super) static OPENROUTER: Structured = Structured {
    schema: Some(Schema { form: Form::OpenAi, strict: &PLAIN, loose: Some(&PLAIN_LOOSE), ..USUAL }),
};

/// <https://docs.together.ai/docs/inference/chat/structured-outputs>: "any schema you supply", by engines that it does not name.
pub(super) static TOGETHER: Structured =
    Structured { schema: Some(Schema { strict: &PLAIN_LOOSE, ..USUAL }) };

/// <https://docs.vllm.ai/en/latest/features/structured_outputs/>: `guided_json` before 0.12.
pub(super) static VLLM: Structured =
    Structured { schema: Some(Schema { form: Form::Vllm, strict: &XGRAMMAR, ..USUAL }) };

/// <https://docs.sglang.io/advanced_features/structured_outputs.html>: `response_format`, xgrammar unless started otherwise.
pub(super) static SGLANG: Structured = Structured { schema: Some(Schema { strict: &XGRAMMAR, ..USUAL }) };

/// <https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>, and its `grammars/README.md`.
pub(super) static LLAMACPP: Structured = Structured { schema: Some(Schema { strict: &LLAMA_CPP, ..USUAL }) };

/// <https://ollama.com/blog/structured-outputs>: its compatible API (`openai/openai.go`) hands the schema on as its own
/// `format`, which llama.cpp's converter reads.
pub(super) static OLLAMA: Structured = Structured { schema: Some(Schema { strict: &LLAMA_CPP, ..USUAL }) };

/// <https://platform.deepseek.com/api-docs/guides/json_mode/>: `json_object` alone.
pub(super) static DEEPSEEK: Structured = Structured { schema: None };

impl Schema {
    /// The dialect in which a model is held to a schema; `None` where it can only be advised.
    fn strict(&self, model: &str) -> Option<&'static Dialect> {
        let is_one_of = |starts: &[&str]| starts.iter().any(|start| model.starts_with(start));
        if is_one_of(self.plain_models) {
            return Some(&PLAIN);
        }
        (self.strict_models.is_empty() || is_one_of(self.strict_models)).then_some(self.strict)
    }
}

impl Structured {
    /// What the page about it says is sent.
    #[cfg(test)]
    pub(super) fn in_words(&self) -> &'static str {
        match self.schema.as_ref().map(|schema| schema.form) {
            Some(Form::OpenAi) => {
                "`response_format: {type: \"json_schema\", json_schema: {name, schema, strict}}`"
            }
            Some(Form::Always) => "`response_format: {type: \"json_schema\", json_schema: {name, schema}}`",
            Some(Form::Vllm) => "`structured_outputs: {json: schema}`",
            None => "`response_format: {type: \"json_object\"}`",
        }
    }

    /// What becomes of a form, known before it is asked for.
    pub(super) fn supports(&self, model: &str, format: &ResponseFormat) -> Support {
        let ResponseFormat::JsonSchema { schema, strict, .. } = format else { return Support::Strict };
        let Some(own) = &self.schema else { return Support::None };
        let loosely = match own.loose.map(|dialect| schema.written(dialect)) {
            Some(Ok(_)) => Support::Loose,
            Some(Err(refusal)) if refusal.is_limit => Support::Loose,
            _ => Support::None,
        };
        // Without a mode for advice, advice is held to as far as it can be said.
        if !strict && own.loose.is_some() {
            return loosely;
        }
        match own.strict(model).map(|dialect| schema.written(dialect)) {
            Some(Ok(_)) => Support::Strict,
            // Too large is an error of the call and no reason to ask for less: the program is to know.
            Some(Err(refusal)) if refusal.is_limit => Support::Strict,
            _ => loosely,
        }
    }

    /// The schema as the provider takes it, and where it stands in the request; `None` where no schema is asked for.
    ///
    /// # Errors
    /// The provider takes no schema, or not this one.
    pub(super) fn written(
        &self,
        model: &str,
        format: &ResponseFormat,
    ) -> Result<Option<(Form, Arc<Value>)>, Refusal> {
        let ResponseFormat::JsonSchema { schema, strict, .. } = format else { return Ok(None) };
        let own = self
            .schema
            .as_ref()
            .ok_or_else(|| Refusal::cannot("", "is of no use: the provider takes none"))?;
        let loose = own.loose.filter(|_| !strict);
        let dialect = loose.or(own.strict(model)).unwrap_or(own.strict);
        schema.written(dialect).map(|schema| Some((own.form, schema)))
    }
}
