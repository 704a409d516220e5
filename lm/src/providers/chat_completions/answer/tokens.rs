//! Reads an answer's token counts straight from its text: a tree of JSON values would cost as much as all the rest of a short
//! answer.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::report::Usage;

/// The counts of an answer's `usage`, or of the object around it. A count that is missing, null or of another type is 0; of a
/// count given twice the last one counts.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::providers::chat_completions) struct Tokens {
    prompt: Option<u64>,
    completion: Option<u64>,
    cached: Option<u64>,
    /// The cached tokens in DeepSeek's place.
    cache_hit: Option<u64>,
    reasoning: Option<u64>,
}

impl Tokens {
    /// The counts of a JSON value.
    pub(in crate::providers::chat_completions) fn of(usage: &serde_json::Value) -> Self {
        Self::deserialize(usage).unwrap_or_default()
    }

    /// True if all counts are 0.
    pub(in crate::providers::chat_completions) fn is_nothing(self) -> bool {
        self.usage() == Self::default().usage()
    }

    /// The maxima of two reports of one answer: a stream reports its counts so far, some of them empty.
    pub(in crate::providers::chat_completions) fn most(self, other: Self) -> Self {
        self.each(other, u64::max)
    }

    /// The sum of two choices of one answer, which have read the same prompt.
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

    /// Adds this cost to the answer's error.
    pub(in crate::providers::chat_completions) fn paid(
        self,
        error: crate::report::Error,
    ) -> crate::report::Error {
        if self.is_nothing() { error } else { error.with_usage(self.usage()) }
    }

    /// The usage of one call, which counts even without tokens.
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

/// The names of fields at all levels.
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
    /// The `usage` inside of another object.
    Usage,
    #[serde(other)]
    Other,
}

/// One JSON value of any type: a count, an object with counts, or nothing of interest.
#[derive(Clone, Copy, Default)]
struct TokenValue {
    count: Option<u64>,
    tokens: Tokens,
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TokenValue::deserialize(deserializer).map(|part| part.tokens)
    }
}

impl<'de> Deserialize<'de> for TokenValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = TokenValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<TokenValue, E> {
        Ok(TokenValue { count: Some(count), ..TokenValue::default() })
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<TokenValue, E> {
        self.visit_u64(u64::try_from(count).unwrap_or(0))
    }

    /// Some servers write counts as floats; `as` saturates.
    fn visit_f64<E: Error>(self, count: f64) -> Result<TokenValue, E> {
        self.visit_u64(count as u64)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<TokenValue, E> {
        Ok(TokenValue::default())
    }

    fn visit_str<E: Error>(self, count: &str) -> Result<TokenValue, E> {
        Ok(TokenValue { count: count.trim().parse().ok(), ..TokenValue::default() })
    }

    fn visit_unit<E: Error>(self) -> Result<TokenValue, E> {
        Ok(TokenValue::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<TokenValue, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(TokenValue::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<TokenValue, A::Error> {
        let mut tokens = Tokens::default();
        while let Some(name) = entries.next_key()? {
            match name {
                Name::PromptTokens => tokens.prompt = entries.next_value::<TokenValue>()?.count,
                Name::CompletionTokens => tokens.completion = entries.next_value::<TokenValue>()?.count,
                Name::PromptTokensDetails => {
                    tokens.cached = entries.next_value::<TokenValue>()?.tokens.cached
                }
                Name::CompletionTokensDetails => {
                    tokens.reasoning = entries.next_value::<TokenValue>()?.tokens.reasoning
                }
                Name::PromptCacheHitTokens => tokens.cache_hit = entries.next_value::<TokenValue>()?.count,
                Name::CachedTokens => tokens.cached = entries.next_value::<TokenValue>()?.count,
                Name::ReasoningTokens => tokens.reasoning = entries.next_value::<TokenValue>()?.count,
                Name::Usage => tokens = entries.next_value::<TokenValue>()?.tokens,
                Name::Other => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(TokenValue { count: None, tokens })
    }
}
