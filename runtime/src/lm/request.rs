//! Requests and responses: plain data, the same for every provider.

use std::{collections::BTreeMap, fmt, ops::AddAssign};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Caller, Content, Cost, Meter, Part, RateLimit, ToolCall, ToolChoice, ToolSpec, cache::CacheUse,
    message::Prompt, schema::AnswerSchema, setters::setters,
};

/// How to generate. Every value is optional; what is absent is left to the provider.
///
/// ```
/// use karat::lm::Config;
///
/// let config = Config::new().temperature(0.2).max_tokens(300).stop(["\n\n"]).param("top_k", 5);
/// assert_eq!(config.temperature, Some(0.2));
/// assert_eq!(config.temperature(None).temperature, None);
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Config {
    /// Sampling temperature, 0.0 for greedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How many completions to return.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// The sampler's seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Texts at which generation ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Distinguishes equal requests: part of a cache's key, never sent to the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_id: Option<u64>,
    /// How a [cache](crate::Cache) is used for the request; [`CacheUse::Use`] if it is not set. Never sent to the provider, no
    /// part of a cache's key, and not serialized.
    #[serde(skip)]
    pub cache: Option<CacheUse>,
    /// Any further parameter of the provider, sent as it is.
    #[serde(flatten)]
    pub params: BTreeMap<String, Value>,
}

setters!(Config {
    /// Sampling temperature, 0.0 for greedy.
    temperature: impl Into<Option<f64>>,
    /// The most tokens to generate.
    max_tokens: impl Into<Option<u32>>,
    /// How many completions to return.
    n: impl Into<Option<u32>>,
    /// The sampler's seed.
    seed: impl Into<Option<u64>>,
    /// Part of a cache's key, never sent to the provider.
    rollout_id: impl Into<Option<u64>>,
    /// The further parameters of the provider, in place of those before.
    params: BTreeMap<String, Value>,
    /// How a [cache](crate::Cache) is used for the request.
    cache: impl Into<Option<CacheUse>>,
});

impl Config {
    /// A config that leaves everything to the provider.
    pub fn new() -> Self {
        Self::default()
    }

    /// Texts at which generation ends, in place of those before.
    #[must_use]
    pub fn stop<T: Into<String>>(mut self, stop: impl IntoIterator<Item = T>) -> Self {
        self.stop = stop.into_iter().map(Into::into).collect();
        self
    }

    /// One further parameter of the provider, sent as it is.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// This config, with each value that `over` sets replaced by it.
    #[must_use]
    pub fn overridden_by(&self, over: &Config) -> Config {
        let mut config = self.clone();
        config.temperature = over.temperature.or(config.temperature);
        config.max_tokens = over.max_tokens.or(config.max_tokens);
        config.n = over.n.or(config.n);
        config.seed = over.seed.or(config.seed);
        config.rollout_id = over.rollout_id.or(config.rollout_id);
        config.cache = over.cache.or(config.cache);
        if !over.stop.is_empty() {
            config.stop.clone_from(&over.stop);
        }
        for (name, value) in &over.params {
            config.params.insert(name.clone(), value.clone());
        }
        config
    }
}

/// Shows only the names of further parameters: a value may be a secret, such as a header's.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { temperature, max_tokens, n, seed, stop, rollout_id, cache, params } = self;
        f.debug_struct("Config")
            .field("temperature", temperature)
            .field("max_tokens", max_tokens)
            .field("n", n)
            .field("seed", seed)
            .field("stop", stop)
            .field("rollout_id", rollout_id)
            .field("cache", cache)
            .field("params", &params.keys())
            .finish()
    }
}

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
    pub(crate) fn loose(self) -> Self {
        match self {
            Self::JsonSchema { name, schema, .. } => Self::JsonSchema { name, schema, strict: false },
            other => other,
        }
    }
}

/// How far a model can be held to a [`ResponseFormat`], known before it is asked; see
/// [`LanguageModel::takes`](crate::LanguageModel::takes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Takes {
    /// The provider enforces the format.
    Strictly,
    /// The model is advised of the format, with `strict` off.
    Loosely,
    /// The model cannot be asked for the format.
    Not,
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
    /// The caller, so that [`Limits`](super::Limits) are fair between callers. [`Lm`](super::Lm) sets it; it is never sent nor
    /// serialized.
    #[serde(skip)]
    pub caller: Option<Caller>,
    /// Counts the requests that its call sends, within the caller's [`Budget`](crate::Budget). [`Lm`](super::Lm) sets it; it is never
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
    pub(crate) fn as_str(&self) -> &str {
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

/// Calls and tokens spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// LM calls, those that a cache answered included.
    pub calls: u64,
    /// How many of the calls a [cache](crate::Cache) answered: they cost no tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_calls: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written, reasoning included.
    pub completion_tokens: u64,
    /// How many of the tokens read came from the provider's prompt cache.
    pub cached_tokens: u64,
    /// How many of the tokens written were reasoning.
    pub reasoning_tokens: u64,
    /// The cost by the LM's [`Prices`](super::Prices); 0 if none are set.
    pub cost: Cost,
    /// How many of the calls to the provider have a known price, so that their cost is in [`cost`](Usage::cost).
    #[serde(skip_serializing_if = "is_zero")]
    pub priced_calls: u64,
}

/// The usage in words: `2 calls, 812 tokens read (512 cached), 96 written, cost 0.0012`. The cost is in the unit of the
/// [`Prices`](super::Prices); `cost unknown` where the LM has none, and `cost at least ..` where only some calls have a price.
///
/// ```
/// use karat::{Usage, lm::Cost};
///
/// let usage = Usage::new().calls(2).prompt_tokens(812).completion_tokens(96);
/// assert_eq!(usage.to_string(), "2 calls, 812 tokens read, 96 written, cost unknown");
/// let usage = usage.priced_calls(2).cost(Cost::new(0.5));
/// assert_eq!(usage.to_string(), "2 calls, 812 tokens read, 96 written, cost 0.5");
/// ```
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, cached_calls, prompt_tokens, completion_tokens, .. } = self;
        let unit = if *calls == 1 { "call" } else { "calls" };
        write!(f, "{calls} {unit}")?;
        of_which(f, *cached_calls, "from a cache")?;
        write!(f, ", {prompt_tokens} tokens read")?;
        of_which(f, self.cached_tokens, "cached")?;
        write!(f, ", {completion_tokens} written")?;
        of_which(f, self.reasoning_tokens, "reasoning")?;
        match (self.cost_is_known(), self.priced_calls) {
            (true, _) => write!(f, ", cost {}", self.cost),
            (false, 0) => f.write_str(", cost unknown"),
            (false, _) => write!(f, ", cost at least {}", self.cost),
        }
    }
}

/// Writes a part of the number before it, unless the part is 0.
fn of_which(f: &mut fmt::Formatter<'_>, part: u64, what: &str) -> fmt::Result {
    if part > 0 {
        write!(f, " ({part} {what})")?;
    }
    Ok(())
}

setters!(Usage {
    /// LM calls, those that a cache answered included.
    calls: u64,
    /// How many of the calls a cache answered.
    cached_calls: u64,
    /// Tokens read.
    prompt_tokens: u64,
    /// Tokens written, reasoning included.
    completion_tokens: u64,
    /// How many of the tokens read came from the provider's prompt cache.
    cached_tokens: u64,
    /// How many of the tokens written were reasoning.
    reasoning_tokens: u64,
    /// What it cost.
    cost: Cost,
    /// How many of the calls to the provider have a known price.
    priced_calls: u64,
});

impl Usage {
    /// Nothing spent.
    pub const fn new() -> Self {
        Self {
            calls: 0,
            cached_calls: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            cached_tokens: 0,
            reasoning_tokens: 0,
            cost: Cost::NOTHING,
            priced_calls: 0,
        }
    }

    /// Calls that went to the provider.
    pub fn sent_calls(&self) -> u64 {
        self.calls.saturating_sub(self.cached_calls)
    }

    /// True if a [cache](crate::Cache) answered every call.
    pub fn is_cached(&self) -> bool {
        self.cached_calls > 0 && self.sent_calls() == 0
    }

    /// True if the price of every call that went to the provider is known, so that [`cost`](Usage::cost) is the cost of all of them;
    /// otherwise it is the cost of those with a price, and zero if there is none.
    pub fn cost_is_known(&self) -> bool {
        self.priced_calls >= self.sent_calls()
    }

    /// Tokens read and written.
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cost += other.cost;
        for (sum, more) in [
            (&mut self.calls, other.calls),
            (&mut self.cached_calls, other.cached_calls),
            (&mut self.priced_calls, other.priced_calls),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.cached_tokens, other.cached_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), |mut sum, usage| {
            sum += usage;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_says_in_words_what_was_spent_and_whether_the_cost_is_known() {
        let free =
            Usage { calls: 1, prompt_tokens: 5, completion_tokens: 2, priced_calls: 1, ..Usage::default() };
        assert_eq!(free.to_string(), "1 call, 5 tokens read, 2 written, cost 0");
        assert_eq!(Usage::default().to_string(), "0 calls, 0 tokens read, 0 written, cost 0");
        let cached = Usage { calls: 1, cached_calls: 1, ..Usage::default() };
        assert_eq!(cached.to_string(), "1 call (1 from a cache), 0 tokens read, 0 written, cost 0");
        let dear = Usage {
            calls: 2,
            priced_calls: 2,
            prompt_tokens: 1000,
            cached_tokens: 400,
            completion_tokens: 90,
            reasoning_tokens: 70,
            cost: Cost::new(0.0125),
            ..Usage::default()
        };
        let expected = "2 calls, 1000 tokens read (400 cached), 90 written (70 reasoning), cost 0.0125";
        assert_eq!(dear.to_string(), expected);
        let unknown = Usage { calls: 1, ..Usage::default() };
        assert!(unknown.to_string().ends_with("cost unknown"));
        let sum: Usage = [dear, unknown, cached].into_iter().sum();
        assert!(sum.to_string().ends_with("cost at least 0.0125"), "{sum}");
        assert!(!sum.cost_is_known() && dear.cost_is_known());
    }

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
