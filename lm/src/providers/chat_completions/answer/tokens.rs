//! What an answer says of its tokens: read straight from its text, for a tree of it costs as much as all the rest of a short
//! answer.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::report::Usage;

/// The counts of an answer's `usage`, or of what it stands in. What is missing, null or of another type counts as 0; of one that is
/// there twice the last counts.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::providers::chat_completions) struct Tokens {
    prompt: Option<u64>,
    completion: Option<u64>,
    cached: Option<u64>,
    /// DeepSeek's place for them.
    cache_hit: Option<u64>,
    reasoning: Option<u64>,
}

impl Tokens {
    /// Those of a JSON value.
    pub(in crate::providers::chat_completions) fn of(usage: &serde_json::Value) -> Self {
        Self::deserialize(usage).unwrap_or_default()
    }

    /// True if nothing is known.
    pub(in crate::providers::chat_completions) fn is_nothing(self) -> bool {
        self.usage() == Self::default().usage()
    }

    /// The counts of one answer that are told twice: a stream tells those so far, and an empty one says nothing.
    pub(in crate::providers::chat_completions) fn most(self, other: Self) -> Self {
        self.each(other, u64::max)
    }

    /// The counts of two choices of one answer, which have read the same prompt.
    pub(in crate::providers::chat_completions) fn beside(self, other: Self) -> Self {
        let sum = self.each(other, u64::saturating_add);
        let most = self.most(other);
        Self { completion: sum.completion, reasoning: sum.reasoning, ..most }
    }

    fn each(self, other: Self, either: impl Fn(u64, u64) -> u64) -> Self {
        let either = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(either(one, other)),
            (one, other) => one.or(other),
        };
        Self {
            prompt: either(self.prompt, other.prompt),
            completion: either(self.completion, other.completion),
            cached: either(self.cached, other.cached),
            cache_hit: either(self.cache_hit, other.cache_hit),
            reasoning: either(self.reasoning, other.reasoning),
        }
    }

    /// The error of an answer that cost as much.
    pub(in crate::providers::chat_completions) fn paid(
        self,
        error: crate::report::Error,
    ) -> crate::report::Error {
        if self.is_nothing() { error } else { error.with_usage(self.usage()) }
    }

    /// The usage of one call: it counts in any case.
    pub(super) fn usage(self) -> Usage {
        Usage {
            calls: 1,
            cached_calls: 0,
            prompt_tokens: self.prompt.unwrap_or(0),
            completion_tokens: self.completion.unwrap_or(0),
            cached_tokens: self.cached.or(self.cache_hit).unwrap_or(0),
            reasoning_tokens: self.reasoning.unwrap_or(0),
            ..Usage::default()
        }
    }
}

/// The names at all levels.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    #[serde(alias = "input_tokens")]
    PromptTokens,
    #[serde(alias = "output_tokens")]
    CompletionTokens,
    #[serde(alias = "input_tokens_details")]
    PromptTokensDetails,
    #[serde(alias = "output_tokens_details")]
    CompletionTokensDetails,
    PromptCacheHitTokens,
    CachedTokens,
    ReasoningTokens,
    /// Where it stands in something else.
    Usage,
    #[serde(other)]
    Other,
}

/// One JSON value of any type: a count, an object with counts, or nothing of interest.
#[derive(Clone, Copy, Default)]
struct Part {
    count: Option<u64>,
    tokens: Tokens,
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Part::deserialize(deserializer).map(|part| part.tokens)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<Part, E> {
        Ok(Part { count: Some(count), ..Part::default() })
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<Part, E> {
        self.visit_u64(u64::try_from(count).unwrap_or(0))
    }

    /// Some servers write counts as floats; `as` saturates.
    fn visit_f64<E: Error>(self, count: f64) -> Result<Part, E> {
        self.visit_u64(count as u64)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Part, E> {
        Ok(Part::default())
    }

    fn visit_str<E: Error>(self, count: &str) -> Result<Part, E> {
        Ok(Part { count: count.trim().parse().ok(), ..Part::default() })
    }

    fn visit_unit<E: Error>(self) -> Result<Part, E> {
        Ok(Part::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Part, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Part::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Part, A::Error> {
        let mut tokens = Tokens::default();
        while let Some(name) = entries.next_key()? {
            match name {
                Name::PromptTokens => tokens.prompt = entries.next_value::<Part>()?.count,
                Name::CompletionTokens => tokens.completion = entries.next_value::<Part>()?.count,
                Name::PromptTokensDetails => tokens.cached = entries.next_value::<Part>()?.tokens.cached,
                Name::CompletionTokensDetails => {
                    tokens.reasoning = entries.next_value::<Part>()?.tokens.reasoning
                }
                Name::PromptCacheHitTokens => tokens.cache_hit = entries.next_value::<Part>()?.count,
                Name::CachedTokens => tokens.cached = entries.next_value::<Part>()?.count,
                Name::ReasoningTokens => tokens.reasoning = entries.next_value::<Part>()?.count,
                Name::Usage => tokens = entries.next_value::<Part>()?.tokens,
                Name::Other => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Part { count: None, tokens })
    }
}
