//! Reads a choice's message in the forms that servers write. A value of a wrong type is left out: it never fails the answer.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

/// A choice's message, or a stream's addition to it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::providers::chat_completions) struct ChoiceMessage {
    pub(in crate::providers::chat_completions) content: Value,
    pub(in crate::providers::chat_completions) refusal: Value,
    /// Reasoning, under DeepSeek's and older vLLM's name.
    pub(in crate::providers::chat_completions) reasoning_content: Value,
    /// Reasoning, under OpenRouter's, Groq's and newer vLLM's name.
    pub(in crate::providers::chat_completions) reasoning: Value,
    pub(in crate::providers::chat_completions) tool_calls: Value,
}

/// The texts of a message; absent reasoning and refusals are `None`, never empty.
#[derive(Default)]
pub(in crate::providers::chat_completions) struct MessageTexts {
    pub(in crate::providers::chat_completions) text: String,
    pub(in crate::providers::chat_completions) reasoning: Option<String>,
    pub(in crate::providers::chat_completions) refusal: Option<String>,
}

impl MessageTexts {
    pub(in crate::providers::chat_completions) fn is_nothing(&self) -> bool {
        self.text.is_empty() && self.reasoning.is_none() && self.refusal.is_none()
    }
}

impl ChoiceMessage {
    pub(in crate::providers::chat_completions) fn calls_a_tool(&self) -> bool {
        self.tool_calls.as_array().is_some_and(|calls| !calls.is_empty())
    }

    /// The message's texts. Of reasoning in several places the first that is not blank counts.
    pub(in crate::providers::chat_completions) fn said(self) -> MessageTexts {
        let mut said = match self.content {
            Value::String(text) => MessageTexts { text, ..MessageTexts::default() },
            Value::Array(parts) => {
                let mut said = MessageTexts::default();
                parts.into_iter().for_each(|part| add_part(&mut said, part));
                said
            }
            part @ Value::Object(_) => {
                let mut said = MessageTexts::default();
                add_part(&mut said, part);
                said
            }
            _ => MessageTexts::default(),
        };
        let places = [words(self.reasoning_content), words(self.reasoning), said.reasoning.take()];
        let mut places: Vec<_> = places.into_iter().flatten().collect();
        if !places.is_empty() {
            let first = places.iter().position(|text| !text.trim().is_empty()).unwrap_or(0);
            said.reasoning = Some(places.swap_remove(first));
        }
        said.refusal = words(self.refusal).or(said.refusal);
        said
    }
}

/// Adds one part of a content in parts; other kinds (pictures, ..) are left out.
fn add_part(said: &mut MessageTexts, part: Value) {
    let (kind, is_thought) = (part["type"].as_str(), part["thought"] == true);
    match kind {
        Some("thinking" | "reasoning" | "reasoning_content" | "reasoning_text" | "thought") => {
            join(&mut said.reasoning, words(part));
        }
        None | Some("text" | "output_text") if is_thought => join(&mut said.reasoning, words(part)),
        None | Some("text" | "output_text") => {
            said.text += part["text"].as_str().or(part.as_str()).unwrap_or_default();
            join(&mut said.refusal, part["refusal"].as_str().map(str::to_owned));
        }
        _ => join(&mut said.refusal, part["refusal"].as_str().map(str::to_owned)),
    }
}

fn join(all: &mut Option<String>, more: Option<String>) {
    match (all, more) {
        (Some(all), Some(more)) => *all += &more,
        (none, Some(more)) => *none = Some(more),
        (_, None) => {}
    }
}

/// A text that servers write as a string, in parts, or in an object; `None` if it is empty or absent.
fn words(value: Value) -> Option<String> {
    const PLACES: [&str; 6] = ["text", "content", "thinking", "reasoning", "summary", "refusal"];
    let text = match value {
        Value::String(text) => Some(text),
        Value::Array(parts) => parts.into_iter().filter_map(words).reduce(|all, part| all + &part),
        Value::Object(mut parts) => PLACES.iter().find_map(|place| words(parts.remove(*place)?)),
        _ => None,
    };
    text.filter(|text| !text.is_empty())
}

/// Reads a message of any type: an object, a bare text, or nothing.
///
/// # Errors
/// It is no JSON.
pub(super) fn of_any_type<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ChoiceMessage>, D::Error> {
    deserializer.deserialize_any(AnyType)
}

struct AnyType;

impl<'de> Visitor<'de> for AnyType {
    type Value = Option<ChoiceMessage>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        ChoiceMessage::deserialize(MapAccessDeserializer::new(entries)).map(Some)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(ChoiceMessage { content: text.into(), ..ChoiceMessage::default() }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
}
