//! What an answer says of its tokens: read straight from its text, for a tree of it costs as much as all the rest of a short
//! answer.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::lm::Usage;

/// The counts of an answer's `usage`. What is missing, null or of another type counts as 0; of one that is there twice the last
/// counts.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::lm::chat_completions) struct Tokens {
    prompt: Option<u64>,
    completion: Option<u64>,
    cached: Option<u64>,
    /// DeepSeek's place for them.
    cache_hit: Option<u64>,
    reasoning: Option<u64>,
}

impl Tokens {
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

/// The names at both levels.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    PromptTokens,
    CompletionTokens,
    PromptTokensDetails,
    CompletionTokensDetails,
    PromptCacheHitTokens,
    CachedTokens,
    ReasoningTokens,
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

    fn visit_str<E: Error>(self, _: &str) -> Result<Part, E> {
        Ok(Part::default())
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
                Name::Other => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Part { count: None, tokens })
    }
}
