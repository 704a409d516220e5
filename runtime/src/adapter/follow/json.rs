//! Following an answer of one JSON object.

use serde_json::Value;

use super::{Follow, Followed, Growing, Trimmed};
use crate::{adapter::TaskField, field::FieldValue, json::Written};

/// Follows the keys of an object that are a task's outputs.
///
/// It knows JSON as it should be, in a code block or not. Where a text is anything else, it tells no more: mending it is left to
/// the reading of the whole.
pub(in crate::adapter) struct JsonFollow<'a> {
    fields: Vec<TaskField<'a>>,
    seen: Vec<bool>,
    place: Place,
    /// The value that is being read, if its key is a field's.
    open: Option<usize>,
    /// The text of the key or value so far.
    text: Growing,
    trimmed: Trimmed,
    /// A half of a pair of `\u` escapes.
    high: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// Before the object, in a line that opens a code block if it is true.
    Before {
        fence: bool,
    },
    /// Before a key; whether the object may end here.
    Key {
        may_end: bool,
    },
    InKey(Quoted),
    Colon,
    Value,
    InText(Quoted),
    /// In a value that is no text: how deep in lists and objects, and whether in a text or behind its backslash.
    InOther {
        depth: usize,
        text: Option<bool>,
    },
    /// Behind a value.
    Comma,
    /// Behind the object, or where the text is not what was expected.
    Over,
}

/// Where in a text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Quoted {
    Plain,
    Backslash,
    /// In a `\u` escape: how many digits came, and their number.
    Hex(u8, u32),
}

impl<'a> JsonFollow<'a> {
    pub(in crate::adapter) fn new(fields: Vec<TaskField<'a>>) -> Self {
        Self {
            seen: vec![false; fields.len()],
            fields,
            place: Place::Before { fence: false },
            open: None,
            text: Growing::default(),
            trimmed: Trimmed::default(),
            high: None,
        }
    }

    fn take(&mut self, char: char, tell: &mut dyn FnMut(Followed<'_>)) {
        let is_blank = char.is_ascii_whitespace();
        self.place = match (self.place, char) {
            (Place::Before { .. }, '{') => Place::Key { may_end: true },
            (Place::Before { .. }, '\n') => Place::Before { fence: false },
            (Place::Before { fence: false }, '`') => Place::Before { fence: true },
            (Place::Before { fence: true }, c) if c == '`' || c.is_ascii_alphanumeric() => {
                Place::Before { fence: true }
            }
            (Place::Before { fence }, _) if is_blank => Place::Before { fence },
            (Place::Key { .. }, '"') => Place::InKey(Quoted::Plain),
            (Place::Key { may_end: true }, '}') => Place::Over,
            (Place::InKey(Quoted::Plain), '"') => Place::Colon,
            (Place::InKey(quoted), char) => self.quoted(quoted, char, tell).map_or(Place::Over, Place::InKey),
            (Place::Colon, ':') => {
                let key = self.text.take();
                self.open = self.fields.iter().position(|field| field.answers_to(&key));
                Place::Value
            }
            (Place::Value, _) if is_blank => Place::Value,
            (Place::Value, '"') => match self.start(tell) {
                true => Place::InText(Quoted::Plain),
                false => Place::Over,
            },
            (Place::Value, char) if !matches!(char, ',' | '}' | ']') => match self.start(tell) {
                true => {
                    self.place = Place::InOther { depth: 0, text: None };
                    return self.take(char, tell);
                }
                false => Place::Over,
            },
            (Place::InText(Quoted::Plain), '"') => Place::Comma,
            (Place::InText(quoted), char) => {
                self.quoted(quoted, char, tell).map_or(Place::Over, Place::InText)
            }
            (Place::InOther { depth: 0, text: None }, ',' | '}') => {
                let text = self.text.take();
                match serde_json::from_str(&text) {
                    Ok(value) => {
                        let written = Written::of(&text, &value);
                        self.finish(FieldValue::from(value).with(written), tell);
                    }
                    Err(_) => return self.place = Place::Over,
                }
                if char == ',' { Place::Key { may_end: false } } else { Place::Over }
            }
            (Place::InOther { depth, text }, char) => {
                let mut bytes = [0; 4];
                self.write(char.encode_utf8(&mut bytes), tell);
                let deeper = depth + usize::from(text.is_none() && matches!(char, '[' | '{'));
                let depth = deeper.saturating_sub(usize::from(text.is_none() && matches!(char, ']' | '}')));
                let text = match (text, char) {
                    (Some(true), _) => Some(false),
                    (Some(false), '\\') => Some(true),
                    (Some(false), '"') => None,
                    (None, '"') => Some(false),
                    (text, _) => text,
                };
                Place::InOther { depth, text }
            }
            // A quote that ends no text is one that the model forgot to escape.
            (Place::Comma, ',' | '}') => {
                let value = Value::String(self.text.take());
                self.finish(value.into(), tell);
                if char == ',' { Place::Key { may_end: false } } else { Place::Over }
            }
            (place @ (Place::Key { .. } | Place::Colon | Place::Comma), _) if is_blank => place,
            _ => Place::Over,
        };
    }

    /// Starts the value of a key; false if that came before, and which of the two counts is for the whole to tell.
    fn start(&mut self, tell: &mut dyn FnMut(Followed<'_>)) -> bool {
        self.text.clear();
        self.trimmed = Trimmed::default();
        let Some(index) = self.open else { return true };
        let is_first = self.seen.get_mut(index).is_some_and(|seen| !std::mem::replace(seen, true));
        if is_first {
            tell(Followed::Started(index));
        }
        is_first
    }

    /// How many bytes of the text only add to what is between quotes.
    fn plain(&self, text: &str) -> usize {
        match self.place {
            Place::InKey(Quoted::Plain) | Place::InText(Quoted::Plain) if self.high.is_none() => {}
            Place::InOther { text: Some(false), .. } => {}
            _ => return 0,
        }
        text.find(['"', '\\']).unwrap_or(text.len())
    }

    /// Adds to the key or value.
    fn write(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let is_told = self.open.is_some();
        match self.place {
            Place::InText(_) if is_told => {
                self.text.push(text);
                tell(Followed::Text(text));
            }
            Place::InText(_) => {}
            Place::InOther { .. } => self.trimmed.push(text, &mut |text| {
                self.text.push(text);
                if is_told {
                    tell(Followed::Text(text));
                }
            }),
            _ => self.text.push(text),
        }
    }

    /// Takes a character between quotes; `None` if it cannot stand there.
    fn quoted(&mut self, quoted: Quoted, char: char, tell: &mut dyn FnMut(Followed<'_>)) -> Option<Quoted> {
        if self.high.is_some()
            && !matches!(
                (quoted, char),
                (Quoted::Plain, '\\') | (Quoted::Backslash, 'u') | (Quoted::Hex(..), _)
            )
        {
            // Half of a pair alone stands for no character.
            return None;
        }
        let plain = match (quoted, char) {
            (Quoted::Plain, '\\') => return Some(Quoted::Backslash),
            (Quoted::Plain, char) => char,
            (Quoted::Backslash, 'u') => return Some(Quoted::Hex(0, 0)),
            (Quoted::Backslash, 'n') => '\n',
            (Quoted::Backslash, 't') => '\t',
            (Quoted::Backslash, 'r') => '\r',
            (Quoted::Backslash, '"' | '\\' | '/') => char,
            // Whether `\b` and `\f` stand for themselves is told by the other escapes, also by those to come.
            (Quoted::Backslash, _) => return None,
            (Quoted::Hex(count, number), char) => {
                let number = number * 16 + char.to_digit(16)?;
                if count < 3 {
                    return Some(Quoted::Hex(count + 1, number));
                }
                match (self.high.take(), number) {
                    (None, 0xD800..=0xDBFF) => {
                        self.high = Some(number);
                        return Some(Quoted::Plain);
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
        self.write(plain.encode_utf8(&mut bytes), tell);
        Some(Quoted::Plain)
    }

    fn finish(&mut self, value: FieldValue, tell: &mut dyn FnMut(Followed<'_>)) {
        self.text.clear();
        if self.open.take().is_some() {
            tell(Followed::Ended(value));
        }
    }
}

impl Follow for JsonFollow<'_> {
    fn push(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let mut rest = text;
        while !rest.is_empty() && self.place != Place::Over {
            let (plain, from) = rest.split_at(self.plain(rest));
            if !plain.is_empty() {
                self.write(plain, tell);
            }
            let mut chars = from.chars();
            if let Some(char) = chars.next() {
                self.take(char, tell);
            }
            rest = chars.as_str();
        }
    }

    fn end(&mut self, _: &mut dyn FnMut(Followed<'_>)) {}
}
