//! Reads a streamed answer of one JSON object.

use serde_json::Value;

use super::{Follow, Followed, TextBuffer, Trimmer};
use crate::{adapter::TaskField, field::FieldValue, json::Written};

/// Reads a streamed JSON object whose keys are a task's outputs.
///
/// It reads strict JSON, in a code block or not. From a flaw on it emits nothing: mending is left to the reading of the whole.
pub(in crate::adapter) struct JsonFollow<'a> {
    fields: Vec<TaskField<'a>>,
    seen: Vec<bool>,
    state: ObjectState,
    /// Index of the field whose value is being read.
    open: Option<usize>,
    /// Text of the key or value so far.
    text: TextBuffer,
    trimmer: Trimmer,
    /// First half of a pair of `\u` escapes.
    high: Option<u32>,
}

/// State within the object.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ObjectState {
    /// Before the object; `fence` is true in a line that opens a code block.
    Before {
        fence: bool,
    },
    /// Before a key; `may_end` is true if the object may end here.
    Key {
        may_end: bool,
    },
    InKey(StringState),
    Colon,
    Value,
    InText(StringState),
    /// In a value that is no text: its depth in lists and objects; `text` is set between quotes, and true behind a backslash.
    InOther {
        depth: usize,
        text: Option<bool>,
    },
    /// Behind a value.
    Comma,
    /// Behind the object, or behind a flaw.
    Over,
}

/// State between quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum StringState {
    Plain,
    Backslash,
    /// In a `\u` escape: the count and the value of its digits so far.
    Hex(u8, u32),
}

impl<'a> JsonFollow<'a> {
    pub(in crate::adapter) fn new(fields: Vec<TaskField<'a>>) -> Self {
        Self {
            seen: vec![false; fields.len()],
            fields,
            state: ObjectState::Before { fence: false },
            open: None,
            text: TextBuffer::default(),
            trimmer: Trimmer::default(),
            high: None,
        }
    }

    fn take(&mut self, char: char, emit: &mut dyn FnMut(Followed<'_>)) {
        let is_blank = char.is_ascii_whitespace();
        self.state = match (self.state, char) {
            (ObjectState::Before { .. }, '{') => ObjectState::Key { may_end: true },
            (ObjectState::Before { .. }, '\n') => ObjectState::Before { fence: false },
            (ObjectState::Before { fence: false }, '`') => ObjectState::Before { fence: true },
            (ObjectState::Before { fence: true }, c) if c == '`' || c.is_ascii_alphanumeric() => {
                ObjectState::Before { fence: true }
            }
            (ObjectState::Before { fence }, _) if is_blank => ObjectState::Before { fence },
            (ObjectState::Key { .. }, '"') => ObjectState::InKey(StringState::Plain),
            (ObjectState::Key { may_end: true }, '}') => ObjectState::Over,
            (ObjectState::InKey(StringState::Plain), '"') => ObjectState::Colon,
            (ObjectState::InKey(quoted), char) => {
                self.quoted(quoted, char, emit).map_or(ObjectState::Over, ObjectState::InKey)
            }
            (ObjectState::Colon, ':') => {
                let key = self.text.take();
                self.open = self.fields.iter().position(|field| field.answers_to(&key));
                ObjectState::Value
            }
            (ObjectState::Value, _) if is_blank => ObjectState::Value,
            (ObjectState::Value, '"') => match self.start(emit) {
                true => ObjectState::InText(StringState::Plain),
                false => ObjectState::Over,
            },
            (ObjectState::Value, char) if !matches!(char, ',' | '}' | ']') => match self.start(emit) {
                true => {
                    self.state = ObjectState::InOther { depth: 0, text: None };
                    return self.take(char, emit);
                }
                false => ObjectState::Over,
            },
            (ObjectState::InText(StringState::Plain), '"') => ObjectState::Comma,
            (ObjectState::InText(quoted), char) => {
                self.quoted(quoted, char, emit).map_or(ObjectState::Over, ObjectState::InText)
            }
            (ObjectState::InOther { depth: 0, text: None }, ',' | '}') => {
                let text = self.text.take();
                match serde_json::from_str(&text) {
                    Ok(value) => {
                        let written = Written::of(&text, &value);
                        self.finish(FieldValue::from(value).with(written), emit);
                    }
                    Err(_) => return self.state = ObjectState::Over,
                }
                if char == ',' { ObjectState::Key { may_end: false } } else { ObjectState::Over }
            }
            (ObjectState::InOther { depth, text }, char) => {
                let mut bytes = [0; 4];
                self.write(char.encode_utf8(&mut bytes), emit);
                let deeper = depth + usize::from(text.is_none() && matches!(char, '[' | '{'));
                let depth = deeper.saturating_sub(usize::from(text.is_none() && matches!(char, ']' | '}')));
                let text = match (text, char) {
                    (Some(true), _) => Some(false),
                    (Some(false), '\\') => Some(true),
                    (Some(false), '"') => None,
                    (None, '"') => Some(false),
                    (text, _) => text,
                };
                ObjectState::InOther { depth, text }
            }
            // The model forgot to escape a quote that does not end the text.
            (ObjectState::Comma, ',' | '}') => {
                let value = Value::String(self.text.take());
                self.finish(value.into(), emit);
                if char == ',' { ObjectState::Key { may_end: false } } else { ObjectState::Over }
            }
            (state @ (ObjectState::Key { .. } | ObjectState::Colon | ObjectState::Comma), _) if is_blank => {
                state
            }
            _ => ObjectState::Over,
        };
    }

    /// Starts the value of a key; false if the key came before, so that the reading of the whole must decide.
    fn start(&mut self, emit: &mut dyn FnMut(Followed<'_>)) -> bool {
        self.text.clear();
        self.trimmer = Trimmer::default();
        let Some(index) = self.open else { return true };
        let is_first = self.seen.get_mut(index).is_some_and(|seen| !std::mem::replace(seen, true));
        if is_first {
            emit(Followed::Started(index));
        }
        is_first
    }

    /// Counts the bytes of the text that are plain characters between quotes.
    fn plain(&self, text: &str) -> usize {
        match self.state {
            ObjectState::InKey(StringState::Plain) | ObjectState::InText(StringState::Plain)
                if self.high.is_none() => {}
            ObjectState::InOther { text: Some(false), .. } => {}
            _ => return 0,
        }
        text.find(['"', '\\']).unwrap_or(text.len())
    }

    /// Appends to the key or value.
    fn write(&mut self, text: &str, emit: &mut dyn FnMut(Followed<'_>)) {
        let is_field = self.open.is_some();
        match self.state {
            ObjectState::InText(_) if is_field => {
                self.text.push(text);
                emit(Followed::Text(text));
            }
            ObjectState::InText(_) => {}
            ObjectState::InOther { .. } => self.trimmer.push(text, &mut |text| {
                self.text.push(text);
                if is_field {
                    emit(Followed::Text(text));
                }
            }),
            _ => self.text.push(text),
        }
    }

    /// Handles a character between quotes; `None` if it cannot stand there.
    fn quoted(
        &mut self,
        quoted: StringState,
        char: char,
        emit: &mut dyn FnMut(Followed<'_>),
    ) -> Option<StringState> {
        if self.high.is_some()
            && !matches!(
                (quoted, char),
                (StringState::Plain, '\\') | (StringState::Backslash, 'u') | (StringState::Hex(..), _)
            )
        {
            // Half of a pair alone is no character.
            return None;
        }
        let plain = match (quoted, char) {
            (StringState::Plain, '\\') => return Some(StringState::Backslash),
            (StringState::Plain, char) => char,
            (StringState::Backslash, 'u') => return Some(StringState::Hex(0, 0)),
            (StringState::Backslash, 'n') => '\n',
            (StringState::Backslash, 't') => '\t',
            (StringState::Backslash, 'r') => '\r',
            (StringState::Backslash, '"' | '\\' | '/') => char,
            // The other escapes, also later ones, decide whether `\b` and `\f` stay as written.
            (StringState::Backslash, _) => return None,
            (StringState::Hex(count, number), char) => {
                let number = number * 16 + char.to_digit(16)?;
                if count < 3 {
                    return Some(StringState::Hex(count + 1, number));
                }
                match (self.high.take(), number) {
                    (None, 0xD800..=0xDBFF) => {
                        self.high = Some(number);
                        return Some(StringState::Plain);
                    }
                    (None, number) => char::from_u32(number)?,
                    (Some(high), 0xDC00..=0xDFFF) => {
                        char::from_u32(0x10000 + ((high - 0xD800) << 10) + (number - 0xDC00))?
                    }
                    (Some(_), _) => return None,
                }
            }
        };
        let mut bytes = [0; 4];
        self.write(plain.encode_utf8(&mut bytes), emit);
        Some(StringState::Plain)
    }

    fn finish(&mut self, value: FieldValue, emit: &mut dyn FnMut(Followed<'_>)) {
        self.text.clear();
        if self.open.take().is_some() {
            emit(Followed::Ended(value));
        }
    }
}

impl Follow for JsonFollow<'_> {
    fn push(&mut self, text: &str, emit: &mut dyn FnMut(Followed<'_>)) {
        let mut rest = text;
        while !rest.is_empty() && self.state != ObjectState::Over {
            let (plain, from) = rest.split_at(self.plain(rest));
            if !plain.is_empty() {
                self.write(plain, emit);
            }
            let mut chars = from.chars();
            if let Some(char) = chars.next() {
                self.take(char, emit);
            }
            rest = chars.as_str();
        }
    }

    fn end(&mut self, _: &mut dyn FnMut(Followed<'_>)) {}
}
