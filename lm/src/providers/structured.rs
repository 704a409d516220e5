//! Structured output of each provider: the schemas that it takes, and where they stand in the request.

use std::sync::Arc;

use serde_json::Value;

use crate::data::{
    ResponseFormat, Support,
    schema::{Dialect, LLAMA_CPP, OPENAI, OPENAI_LOOSE, PLAIN, PLAIN_LOOSE, Refusal, XGRAMMAR},
};

/// One provider's structured output, by its documentation.
#[derive(Debug)]
pub(crate) struct Structured {
    /// `None` for a provider that has `json_object` alone.
    schema: Option<Schema>,
}

#[derive(Debug)]
struct Schema {
    form: Form,
    /// The schemas that it enforces.
    strict: &'static Dialect,
    /// The schemas that it takes as advice, if it has such a mode.
    loose: Option<&'static Dialect>,
    /// The beginnings of the names of models that can be held to a schema; empty if all can.
    strict_models: &'static [&'static str],
    /// The beginnings of the names of models that take no rules besides types.
    plain_models: &'static [&'static str],
}

/// The values that most rows share.
const USUAL: Schema =
    Schema { form: Form::Always, strict: &PLAIN, loose: None, strict_models: &[], plain_models: &[] };

/// Where the schema stands in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `response_format: {type: "json_schema", json_schema: {name, schema, strict}}`.
    OpenAi,
    /// The same without `strict`: the schema is always enforced.
    Always,
    /// vLLM's own `structured_outputs: {json: schema}`.
    Vllm,
}

/// <https://developers.openai.com/api/docs/guides/structured-outputs>: strict mode and JSON mode.
pub(crate) static OPENAI_API: Structured = Structured {
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
pub(crate) static GROQ: Structured = Structured {
    schema: Some(Schema {
        form: Form::OpenAi,
        strict: &OPENAI,
        loose: Some(&OPENAI_LOOSE),
        strict_models: &["openai/gpt-oss-"],
        ..USUAL
    }),
};

/// <https://openrouter.ai/docs/structured-outputs>: the schema goes on to whatever provider has the model.
pub(crate) static OPENROUTER: Structured = Structured {
    schema: Some(Schema { form: Form::OpenAi, strict: &PLAIN, loose: Some(&PLAIN_LOOSE), ..USUAL }),
};

/// <https://docs.together.ai/docs/inference/chat/structured-outputs>: "any schema you supply", by engines that it does not name.
pub(crate) static TOGETHER: Structured =
    Structured { schema: Some(Schema { strict: &PLAIN_LOOSE, ..USUAL }) };

/// <https://docs.vllm.ai/en/latest/features/structured_outputs/>: `guided_json` before 0.12.
pub(crate) static VLLM: Structured =
    Structured { schema: Some(Schema { form: Form::Vllm, strict: &XGRAMMAR, ..USUAL }) };

/// <https://docs.sglang.io/advanced_features/structured_outputs.html>: `response_format`, xgrammar unless started otherwise.
pub(crate) static SGLANG: Structured = Structured { schema: Some(Schema { strict: &XGRAMMAR, ..USUAL }) };

/// <https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>, and its `grammars/README.md`.
pub(crate) static LLAMACPP: Structured = Structured { schema: Some(Schema { strict: &LLAMA_CPP, ..USUAL }) };

/// <https://ollama.com/blog/structured-outputs>: its compatible API (`openai/openai.go`) hands the schema on as its own
/// `format`, which llama.cpp's converter reads.
pub(crate) static OLLAMA: Structured = Structured { schema: Some(Schema { strict: &LLAMA_CPP, ..USUAL }) };

/// <https://platform.deepseek.com/api-docs/guides/json_mode/>: `json_object` alone.
pub(crate) static DEEPSEEK: Structured = Structured { schema: None };

impl Schema {
    /// The dialect that is enforced for this model; `None` if the schema can only be advice.
    fn strict(&self, model: &str) -> Option<&'static Dialect> {
        let is_one_of = |starts: &[&str]| starts.iter().any(|start| model.starts_with(start));
        if is_one_of(self.plain_models) {
            return Some(&PLAIN);
        }
        (self.strict_models.is_empty() || is_one_of(self.strict_models)).then_some(self.strict)
    }
}

impl Structured {
    /// The words of the page on structured output for what is sent.
    #[cfg(test)]
    pub(crate) fn in_words(&self) -> &'static str {
        match self.schema.as_ref().map(|schema| schema.form) {
            Some(Form::OpenAi) => {
                "`response_format: {type: \"json_schema\", json_schema: {name, schema, strict}}`"
            }
            Some(Form::Always) => "`response_format: {type: \"json_schema\", json_schema: {name, schema}}`",
            Some(Form::Vllm) => "`structured_outputs: {json: schema}`",
            None => "`response_format: {type: \"json_object\"}`",
        }
    }

    /// How far a model can be held to a format, known before it is asked.
    pub(crate) fn supports(&self, model: &str, format: &ResponseFormat) -> Support {
        let ResponseFormat::JsonSchema { schema, strict, .. } = format else { return Support::Strict };
        let Some(own) = &self.schema else { return Support::None };
        let loosely = match own.loose.map(|dialect| schema.written(dialect)) {
            Some(Ok(_)) => Support::Loose,
            Some(Err(refusal)) if refusal.is_limit => Support::Loose,
            _ => Support::None,
        };
        // A provider without a mode for advice enforces what its dialect can express.
        if !strict && own.loose.is_some() {
            return loosely;
        }
        match own.strict(model).map(|dialect| schema.written(dialect)) {
            Some(Ok(_)) => Support::Strict,
            // A schema that is too large is an error of the call, no reason to ask for less: the program has to know.
            Some(Err(refusal)) if refusal.is_limit => Support::Strict,
            _ => loosely,
        }
    }

    /// Converts the schema for the provider, with its place in the request; `None` if no schema is asked for.
    ///
    /// # Errors
    /// The provider takes no schema at all, or not this one.
    pub(crate) fn written(
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
