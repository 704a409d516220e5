//! The keys of a cache: a digest of everything that an answer depends on.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use serde_json::Value;

use crate::{
    data::{
        Config, Content, Media, MediaSource, Message, Opaque, Part, Request, ResponseFormat, Role, ToolCall,
        ToolChoice, ToolResult, ToolSpec,
    },
    sha256::{Sha256, sha256},
};

/// A SHA-256 of a request and of the model's identity.
pub(crate) type Key = [u8; 32];

/// The key of a request to this model: of every value in an unambiguous order, each text with its length in front.
///
/// The messages come first, so that the digest of a shared prefix can be continued. The cache setting is no part of the key.
pub(crate) fn key(prefixes: &Prefixes, identity: &str, request: &Request) -> Key {
    let Request { prompt, config, response_format, tools, tool_choice, caller: _, meter: _ } = request;
    let Config { temperature, max_tokens, n, seed, stop, rollout_id, cache: _, params } = config;
    let (prefix, tail) = (prompt.prefix(), prompt.tail());
    let mut encoder = Encoder(Vec::with_capacity(size(tail) + identity.len() + 256));
    let begun = prefixes.digest(prefix);
    if begun.is_none() {
        encoder.0.reserve(size(prefix));
        encoder.text(VERSION);
        encoder.messages(prefix);
    }
    encoder.messages(tail);
    encoder.tag(0);
    encoder.text(identity);
    encoder.number(temperature.map(f64::to_bits));
    encoder.number(max_tokens.map(u64::from));
    encoder.number(n.map(u64::from));
    encoder.number(*seed);
    encoder.number(*rollout_id);
    encoder.count(stop.len());
    stop.iter().for_each(|text| encoder.text(text));
    encoder.count(params.len());
    for (name, value) in params {
        encoder.text(name);
        encoder.value(value);
    }
    match response_format {
        None => encoder.tag(0),
        Some(ResponseFormat::JsonObject) => encoder.tag(1),
        Some(ResponseFormat::JsonSchema { name, schema, strict }) => {
            encoder.tag(if *strict { 3 } else { 2 });
            encoder.text(name);
            encoder.value(schema);
        }
    }
    // Without tools nothing is added, so that keys from before there were tools stay valid.
    if !tools.is_empty() || tool_choice.is_some() {
        encoder.count(tools.len());
        for ToolSpec { name, description, parameters, strict } in tools {
            encoder.text(name);
            encoder.text(description);
            encoder.value(parameters);
            encoder.tag(u8::from(*strict));
        }
        encoder.tag(match tool_choice {
            None => b'0',
            Some(ToolChoice::Auto) => b'a',
            Some(ToolChoice::None) => b'n',
            Some(ToolChoice::Required) => b'r',
            Some(ToolChoice::Tool(_)) => b't',
        });
        if let Some(ToolChoice::Tool(name)) = tool_choice {
            encoder.text(name);
        }
    }
    match begun {
        None => sha256(&encoder.0),
        Some(mut context) => {
            context.update(&encoder.0);
            context.finish()
        }
    }
}

/// The version of the encoding, at its beginning; change it when the encoding changes.
const VERSION: &str = "karat cache 1";

/// The encoded size of these messages in bytes.
fn size(messages: &[Message]) -> usize {
    messages.iter().map(|message| message.content.bytes() + 9).sum()
}

/// Unfinished digests of prompts' shared prefixes, so that a predictor's system text and demos are not hashed again at each of its
/// calls. The keys are the same without it.
#[derive(Default)]
pub(crate) struct Prefixes {
    /// By address. A weak reference keeps no text alive, but keeps the address from being used again, so that a known address is
    /// always that of this prefix.
    begun: Mutex<VecDeque<(Weak<[Message]>, Sha256)>>,
}

/// How many prefixes are remembered: about as many as a program has predictors.
const REMEMBERED: usize = 16;

/// Shorter prefixes, in bytes, are hashed faster than they are looked up.
const SHORTEST: usize = 512;

impl Prefixes {
    /// The unfinished digest of the version and these messages; `None` if the prefix is too short.
    fn digest(&self, prefix: &Arc<[Message]>) -> Option<Sha256> {
        if size(prefix) < SHORTEST {
            return None;
        }
        let lock = || self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let is_this =
            |(known, _): &&(Weak<[Message]>, Sha256)| std::ptr::addr_eq(known.as_ptr(), Arc::as_ptr(prefix));
        if let Some((_, context)) = lock().iter().find(is_this) {
            return Some(context.clone());
        }
        let mut encoder = Encoder(Vec::with_capacity(size(prefix) + 64));
        encoder.text(VERSION);
        encoder.messages(prefix);
        let mut context = Sha256::new();
        context.update(&encoder.0);
        let mut begun = lock();
        begun.truncate(REMEMBERED - 1);
        begun.push_front((Arc::downgrade(prefix), context.clone()));
        Some(context)
    }
}

/// True if both requests are equal in every value that [`key`] covers.
pub(super) fn is_same(one: &Request, other: &Request) -> bool {
    let parts = |request: &Request| {
        let Config { temperature, max_tokens, n, seed, stop: _, rollout_id, cache: _, params: _ } =
            &request.config;
        (temperature.map(f64::to_bits), *max_tokens, *n, *seed, *rollout_id)
    };
    parts(one) == parts(other)
        && one.config.stop == other.config.stop
        && one.prompt == other.prompt
        && one.config.params == other.config.params
        && one.response_format == other.response_format
        && one.tools == other.tools
        && one.tool_choice == other.tool_choice
}

struct Encoder(Vec<u8>);

impl Encoder {
    fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    fn messages(&mut self, messages: &[Message]) {
        for message in messages {
            let Message { role, content } = message;
            let role = match role {
                Role::System => b's',
                Role::User => b'u',
                Role::Assistant => b'a',
                Role::Tool => b't',
            };
            // A single text is encoded as it was before there were parts, so that its key stays valid; parts have a tag of their own.
            if content.is_text() {
                self.tag(role);
                self.text(content);
            } else {
                self.tag(role.to_ascii_uppercase());
                self.parts(content);
            }
        }
    }

    fn parts(&mut self, content: &Content) {
        self.count(content.parts().len());
        for part in content.parts() {
            match part {
                Part::Text(text) => {
                    self.tag(b'x');
                    self.text(text);
                }
                Part::Media(media) => {
                    let Media { media_type, source, name } = &**media;
                    self.tag(match source {
                        MediaSource::Url(_) => b'u',
                        MediaSource::Base64(_) => b'b',
                        MediaSource::Id(_) => b'i',
                    });
                    self.text(media_type);
                    self.text(source.as_str());
                    self.optional(name.as_deref());
                }
                Part::ToolCall(call) => {
                    let ToolCall { id, name, arguments } = &**call;
                    self.tag(b'c');
                    [id, name, arguments].into_iter().for_each(|text| self.text(text));
                }
                Part::ToolResult(result) => {
                    let ToolResult { call, name, content, is_error } = &**result;
                    self.tag(if *is_error { b'e' } else { b'r' });
                    self.text(call);
                    self.optional(name.as_deref());
                    self.parts(content);
                }
                Part::Opaque(opaque) => {
                    let Opaque { maker, json } = &**opaque;
                    self.tag(b'o');
                    self.text(maker);
                    self.text(json);
                }
            }
        }
    }

    fn optional(&mut self, text: Option<&str>) {
        self.tag(u8::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn count(&mut self, count: usize) {
        self.0.extend_from_slice(&(count as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: Option<u64>) {
        self.tag(u8::from(number.is_some()));
        self.0.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
    }

    /// An object's entries keep their order: a model writes a schema's fields in the order in which it reads them.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.tag(b'0'),
            Value::Bool(false) => self.tag(b'f'),
            Value::Bool(true) => self.tag(b't'),
            Value::Number(number) => {
                let (tag, bits) = match (number.as_u64(), number.as_i64()) {
                    (Some(whole), _) => (b'u', whole),
                    (None, Some(negative)) => (b'i', u64::from_le_bytes(negative.to_le_bytes())),
                    (None, None) => (b'd', number.as_f64().unwrap_or(f64::NAN).to_bits()),
                };
                self.tag(tag);
                self.number(Some(bits));
            }
            Value::String(text) => {
                self.tag(b's');
                self.text(text);
            }
            Value::Array(items) => {
                self.tag(b'[');
                self.count(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(entries) => {
                self.tag(b'{');
                self.count(entries.len());
                for (name, value) in entries {
                    self.text(name);
                    self.value(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(bytes: usize) -> Arc<[Message]> {
        // A message takes 9 bytes besides its text.
        [Message::system("x".repeat(bytes - 9))].into()
    }

    fn known(prefixes: &Prefixes) -> usize {
        prefixes.begun.lock().unwrap().len()
    }

    #[test]
    fn a_long_prefix_is_hashed_once_and_a_short_one_is_not_remembered() {
        let prefixes = Prefixes::default();
        assert!(prefixes.digest(&prefix(SHORTEST - 1)).is_none());
        assert_eq!(known(&prefixes), 0);
        let (one, other) = (prefix(SHORTEST), prefix(SHORTEST + 1));
        for _ in 0..3 {
            assert!(prefixes.digest(&one).is_some() && prefixes.digest(&other).is_some());
            assert_eq!(known(&prefixes), 2);
        }
    }

    #[test]
    fn no_more_prefixes_are_remembered_than_a_program_has_predictors() {
        let prefixes = Prefixes::default();
        let all: Vec<_> = (0..20).map(|more| prefix(SHORTEST + more)).collect();
        all.iter().for_each(|prefix| assert!(prefixes.digest(prefix).is_some()));
        assert_eq!(known(&prefixes), REMEMBERED);
    }
}
