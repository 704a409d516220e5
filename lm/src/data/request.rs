//! Requests and responses: plain data, the same for every provider.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AnswerSchema, Caller, Config, Content, Meter, Part, Prompt, ToolCall, ToolChoice, ToolSpec};
use crate::{
    report::{RateLimit, Usage},
    setters::setters,
};

/// The format of answer that the provider is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON of a schema, enforced by the provider.
    #[non_exhaustive]
    JsonSchema {
        /// A name for the schema, of letters, digits, `_` and `-`.
        name: String,
        /// The schema. A client converts it to what its provider takes.
        schema: AnswerSchema,
        /// Whether the provider has to enforce it to the letter. Many strict modes refuse schemas with open maps.
        strict: bool,
    },
}

impl ResponseFormat {
    /// JSON of this schema. `name`: of letters, digits, `_` and `-`; `strict`: whether the provider has to enforce it.
    pub fn json_schema(name: impl Into<String>, schema: impl Into<AnswerSchema>, strict: bool) -> Self {
        Self::JsonSchema { name: name.into(), schema: schema.into(), strict }
    }

    /// The same format as advice, which a model may fail to follow.
    #[must_use]
    pub fn loose(self) -> Self {
        match self {
            Self::JsonSchema { name, schema, .. } => Self::JsonSchema { name, schema, strict: false },
            other => other,
        }
    }
}

/// How far a model supports a [`ResponseFormat`], known before it is asked; see
/// [`LanguageModel::supports`](crate::LanguageModel::supports).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Support {
    /// The provider enforces the format.
    Strict,
    /// The model is advised of the format, with `strict` off.
    Loose,
    /// The model cannot be asked for the format.
    None,
}

/// One request to a [`LanguageModel`](crate::LanguageModel). Two are equal if they ask the same, whoever the caller is.
///
/// ```
/// use karat::lm::{Config, Message, Request, ResponseFormat};
///
/// let request = Request::new(vec![Message::user("Hi")])
///     .config(Config::new().temperature(0.0))
///     .response_format(ResponseFormat::JsonObject);
/// assert_eq!(request.prompt.last(), "Hi");
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// The messages.
    pub prompt: Prompt,
    /// How to generate.
    #[serde(default)]
    pub config: Config,
    /// The format of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// The tools that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Whether it may, must or must not call a tool; left to the provider if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// The caller, so that [`Limits`](crate::Limits) are fair between callers. [`Lm`](crate::Lm) sets it; it is never sent nor
    /// serialized.
    #[serde(skip)]
    pub caller: Option<Caller>,
    /// Counts the requests that its call sends, within the caller's `Budget`. [`Lm`](crate::Lm) sets it; it is never
    /// sent nor serialized.
    #[serde(skip)]
    pub meter: Meter,
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        let Self { prompt, config, response_format, tools, tool_choice, caller: _, meter: _ } = self;
        *prompt == other.prompt
            && *config == other.config
            && *response_format == other.response_format
            && *tools == other.tools
            && *tool_choice == other.tool_choice
    }
}

impl Request {
    /// A request of messages alone.
    pub fn new(prompt: impl Into<Prompt>) -> Self {
        Self {
            prompt: prompt.into(),
            config: Config::default(),
            response_format: None,
            tools: Vec::new(),
            tool_choice: None,
            caller: None,
            meter: Meter::default(),
        }
    }

    /// The tools that the model may call, in place of those before.
    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = ToolSpec>) -> Self {
        self.tools = tools.into_iter().collect();
        self
    }
}

setters!(Request {
    /// How to generate.
    config: Config,
    /// The format of the answer.
    response_format: impl Into<Option<ResponseFormat>>,
    /// Whether the model may, must or must not call a tool.
    tool_choice: impl Into<Option<ToolChoice>>,
    /// The caller.
    caller: impl Into<Option<Caller>>,
    /// What counts the requests that are sent for it, in place of a meter of its own.
    meter: Meter,
});

/// Why a completion ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finish {
    /// The model was done, or met a stop text.
    #[default]
    Stop,
    /// The token limit was reached.
    Length,
    /// The provider's content filter stepped in.
    ContentFilter,
    /// The model waits for the results of the tools that it called.
    ToolCalls,
    /// Anything else, as the provider calls it.
    Other(String),
}

/// Reads a provider's finish reason, in upper or lower case; an unknown one is [`Finish::Other`].
///
/// ```
/// use karat::lm::Finish;
///
/// assert_eq!(Finish::from("MAX_TOKENS"), Finish::Length);
/// assert_eq!(Finish::from("end_turn"), Finish::Stop);
/// assert!(Finish::from("abort").is_broken());
/// ```
impl From<&str> for Finish {
    fn from(word: &str) -> Self {
        match &*word.to_ascii_lowercase() {
            "" | "stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn" | "complete" => Self::Stop,
            "length" | "max_tokens" | "model_length" => Self::Length,
            "content_filter" => Self::ContentFilter,
            "tool_calls" | "tool_use" | "function_call" => Self::ToolCalls,
            _ => Self::Other(word.to_owned()),
        }
    }
}

/// The name that OpenAI's API gives it: `stop`, `length`, ..
impl fmt::Display for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Finish {
    /// True if the server broke off the answer: it is incomplete, and the same request may succeed later.
    pub fn is_broken(&self) -> bool {
        const WORDS: [&str; 4] = ["insufficient_system_resource", "abort", "aborted", "error"];
        matches!(self, Self::Other(word) if WORDS.iter().any(|broken| word.eq_ignore_ascii_case(broken)))
    }

    /// The name that OpenAI's API and OpenTelemetry's conventions give it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::ToolCalls => "tool_calls",
            Self::Other(other) => other,
        }
    }
}

/// One completion of a response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Completion {
    /// The answer's text.
    pub text: String,
    /// Why it ended.
    #[serde(default)]
    pub finish: Finish,
    /// The model's refusal, where it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Reasoning that the provider returns apart from the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// All parts of the answer in order, its texts among them; empty where it is one text. See [`content`](Completion::content).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

impl Completion {
    /// A finished completion of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A completion of these parts, ended by its tool calls if there are any.
    ///
    /// ```
    /// use karat::lm::{Completion, Finish, ToolCall};
    ///
    /// let call = ToolCall::new("call_1", "weather", r#"{"city": "Paris"}"#);
    /// let completion = Completion::of_parts(["Let me see.".into(), call.clone().into()]);
    /// assert_eq!((&*completion.text, &completion.finish), ("Let me see.", &Finish::ToolCalls));
    /// assert!(completion.tool_calls().eq([&call]));
    /// ```
    pub fn of_parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().collect();
        let text = parts.iter().map(Part::text).collect();
        if matches!(&parts[..], [] | [Part::Text(_)]) {
            parts.clear();
        }
        let mut completion = Self { text, parts, ..Self::default() };
        if completion.tool_calls().next().is_some() {
            completion.finish = Finish::ToolCalls;
        }
        completion
    }

    /// The tools that the model calls, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(&**call),
            _ => None,
        })
    }

    /// The answer as a message's content, to show it to the model again.
    pub fn content(&self) -> Content {
        if self.parts.is_empty() {
            self.text.as_str().into()
        } else {
            Content::new(self.parts.iter().cloned())
        }
    }

    /// The model's refusal.
    #[must_use]
    pub fn refusal(mut self, refusal: impl Into<String>) -> Self {
        self.refusal = Some(refusal.into());
        self
    }

    /// Reasoning that the provider returns apart from the answer.
    #[must_use]
    pub fn reasoning(mut self, reasoning: impl Into<String>) -> Self {
        self.reasoning = Some(reasoning.into());
        self
    }
}

setters!(Completion {
    /// Why it ended.
    finish: Finish,
});

/// What a [`LanguageModel`](crate::LanguageModel) returns.
///
/// ```
/// use karat::{Usage, lm::{Completion, Response}};
///
/// assert_eq!(Response::of("Paris").completions[0].text, "Paris");
/// let two = Response::new([Completion::new("a"), Completion::new("b")]).usage(Usage::new().calls(1)).model("x-2");
/// assert_eq!((two.completions.len(), two.usage.calls), (2, 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Response {
    /// The completions; at least one.
    pub completions: Vec<Completion>,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
    /// The model that answered, as it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The server's rate limits. They are of the moment, so they are not serialized.
    #[serde(skip)]
    pub rate_limit: Option<RateLimit>,
}

impl Response {
    /// A response of these completions.
    pub fn new(completions: impl IntoIterator<Item = Completion>) -> Self {
        Self { completions: completions.into_iter().collect(), ..Self::default() }
    }

    /// A response of one completion with this text.
    pub fn of(text: impl Into<String>) -> Self {
        Self { completions: vec![Completion::new(text)], ..Self::default() }
    }

    /// The model that answered, as it calls itself.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }
}

setters!(Response {
    /// The completions, in place of those before.
    completions: Vec<Completion>,
    /// What it cost.
    usage: Usage,
    /// The server's rate limits.
    rate_limit: impl Into<Option<RateLimit>>,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_further_parameters_are_not_shown() {
        let mut config = Config { temperature: Some(0.5), ..Config::default() };
        config.params.insert("extra_headers".into(), "sk-canary".into());
        let shown = format!("{:?}", Request { config, ..Request::new(Vec::new()) });
        assert!(
            shown.contains("extra_headers") && shown.contains("0.5") && !shown.contains("sk-canary"),
            "{shown}"
        );
    }
}
