//! The part of JSON Schema that a provider takes.

use serde_json::{Map, Value};

use super::words::is_number_format;

/// The part of JSON Schema that a provider's structured output takes. All dialects share: objects whose keys are all required,
/// `anyOf` for all unions, `enum` for all constants, `$ref` alone, definitions at the root.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The name in error messages.
    pub(super) name: &'static str,
    /// The rules that it takes; other rules go to the descriptions in words.
    pub(super) rules: &'static [&'static str],
    /// The formats of texts that it takes.
    pub(super) formats: Formats,
    /// The regular expressions that it takes.
    pub(super) patterns: Patterns,
    /// Whether it is compiled to a grammar: bounds of whole numbers only, and for a text either a form or a length.
    pub(super) grammar: bool,
    /// The largest count in rules about lengths, if it has such a bound.
    pub(super) max_count: Option<u64>,
    /// Whether it takes a list of types for a value or null; otherwise a union is written.
    pub(super) type_lists: bool,
    /// Whether it takes `prefixItems`, so lists whose items have types of their own.
    pub(super) tuples: bool,
    /// How it writes that any value will do; `None` if it takes neither that nor objects with keys that the schema does not name.
    pub(super) open: Option<AnyValue>,
    pub(super) limits: Option<&'static SizeLimits>,
}

/// How a dialect writes that any value will do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AnyValue {
    /// No keyword at all.
    NoKeyword,
    /// A list of all types: no keyword would mean any object.
    AllTypes,
}

#[derive(Debug)]
pub(super) enum Formats {
    All,
    These(&'static [&'static str]),
}

#[derive(Debug, PartialEq)]
pub(super) enum Patterns {
    All,
    /// From `^` to `$`, without escapes of letters, without `(?`: what a converter to grammars reads.
    Anchored,
}

/// How large a schema may be.
#[derive(Debug)]
pub(super) struct SizeLimits {
    /// Properties of all objects together.
    pub(super) properties: usize,
    /// Levels of objects and lists within each other.
    pub(super) depth: usize,
    /// Characters of all property names, definition names and enum values together.
    pub(super) names: usize,
    /// Values of all enums together.
    pub(super) values: usize,
    /// An enum of texts with more values than this ..
    pub(super) long_enum: usize,
    /// .. may have so many characters.
    pub(super) long_enum_characters: usize,
}

const BOUNDS: [&str; 5] = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"];

impl Dialect {
    /// True if the dialect takes this rule as it is.
    pub(super) fn takes(&self, rule: &str, value: &Value, schema: &Map<String, Value>) -> bool {
        if !self.rules.contains(&rule) {
            return false;
        }
        match (rule, value) {
            ("format", Value::String(format)) => match &self.formats {
                Formats::All => !is_number_format(format),
                Formats::These(formats) => formats.contains(&format.as_str()),
            },
            ("pattern", Value::String(pattern)) => self.patterns == Patterns::All || is_anchored(pattern),
            ("minLength" | "maxLength", _) if self.grammar && self.has_form(schema) => false,
            (_, Value::Number(bound)) if BOUNDS.contains(&rule) && self.grammar => {
                schema.get("type").and_then(Value::as_str) == Some("integer") && bound.as_i64().is_some()
            }
            (_, Value::Number(count)) if !BOUNDS.contains(&rule) => {
                self.max_count.is_none_or(|max| count.as_u64().is_some_and(|count| count <= max))
            }
            _ => true,
        }
    }

    /// True if the dialect takes the text's `pattern` or `format`.
    fn has_form(&self, schema: &Map<String, Value>) -> bool {
        let goes = |rule| schema.get(rule).is_some_and(|value| self.takes(rule, value, schema));
        goes("pattern") || goes("format")
    }
}

/// True from `^` to `$`, without escapes of letters and without `(?`.
fn is_anchored(pattern: &str) -> bool {
    let Some(inside) = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')) else {
        return false;
    };
    let mut chars = inside.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_alphanumeric() => {}
                _ => return false,
            },
            '[' => in_class = true,
            ']' => in_class = false,
            '^' | '$' if !in_class => return false,
            _ => {}
        }
    }
    !inside.contains("(?")
}

/// All of JSON Schema, for custom models.
pub(super) static STANDARD: Dialect = Dialect {
    name: "JSON Schema",
    rules: &super::words::RULES,
    formats: Formats::All,
    patterns: Patterns::All,
    grammar: false,
    max_count: None,
    type_lists: true,
    tuples: true,
    open: Some(AnyValue::NoKeyword),
    limits: None,
};

/// OpenAI's strict mode: <https://developers.openai.com/api/docs/guides/structured-outputs#supported-schemas>.
const OPENAI_STRICT: Dialect = Dialect {
    name: "OpenAI's strict mode",
    rules: &[
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "exclusiveMaximum",
        "multipleOf",
        "pattern",
        "format",
        "minItems",
        "maxItems",
    ],
    formats: Formats::These(&[
        "date-time",
        "time",
        "date",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uuid",
    ]),
    patterns: Patterns::All,
    grammar: false,
    max_count: None,
    type_lists: true,
    tuples: false,
    open: None,
    limits: Some(&SizeLimits {
        properties: 5_000,
        depth: 10,
        names: 120_000,
        values: 1_000,
        long_enum: 250,
        long_enum_characters: 15_000,
    }),
};

/// Types, names and unions alone, which every provider behind a router takes; Anthropic, for example, refuses bounds and lists of
/// types.
const PLAIN_STRICT: Dialect = Dialect {
    name: "a strict mode",
    rules: &[],
    formats: Formats::These(&[]),
    type_lists: false,
    limits: None,
    ..OPENAI_STRICT
};

/// The dialect of xgrammar, with which vLLM and SGLang enforce a schema: the features that vLLM's
/// `vllm/v1/structured_output/backend_xgrammar.py` accepts, so that a server without a second backend takes them too.
const GRAMMAR: Dialect = Dialect {
    name: "xgrammar",
    rules: &[
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "minItems",
        "maxItems",
    ],
    formats: Formats::These(&[
        "email",
        "date",
        "time",
        "date-time",
        "duration",
        "ipv4",
        "ipv6",
        "hostname",
        "uuid",
        "uri",
        "uri-reference",
        "uri-template",
        "json-pointer",
        "relative-json-pointer",
    ]),
    patterns: Patterns::All,
    grammar: true,
    max_count: None,
    type_lists: true,
    tuples: true,
    open: Some(AnyValue::NoKeyword),
    limits: None,
};

pub(crate) static OPENAI: Dialect = OPENAI_STRICT;

/// Without strict mode OpenAI still refuses unknown keywords, such as `oneOf`.
pub(crate) static OPENAI_LOOSE: Dialect =
    Dialect { name: "OpenAI", open: Some(AnyValue::NoKeyword), limits: None, ..OPENAI_STRICT };

pub(crate) static PLAIN: Dialect = PLAIN_STRICT;

pub(crate) static PLAIN_LOOSE: Dialect =
    Dialect { name: "the provider", open: Some(AnyValue::NoKeyword), ..PLAIN_STRICT };

pub(crate) static XGRAMMAR: Dialect = GRAMMAR;

/// llama.cpp's converter to grammars, which Ollama has too: `common/json-schema-to-grammar.cpp`.
pub(crate) static LLAMA_CPP: Dialect = Dialect {
    name: "llama.cpp",
    formats: Formats::These(&["date", "time", "date-time", "uuid"]),
    patterns: Patterns::Anchored,
    // It refuses longer repetitions.
    max_count: Some(1_000),
    open: Some(AnyValue::AllTypes),
    ..GRAMMAR
};
