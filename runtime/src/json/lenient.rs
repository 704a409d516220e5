//! The lenient parser: objects, lists, and what stands between values.

use std::ops::Range;

use serde_json::{Map, Value};

use super::{
    DEPTH, Flaw, Found, Repair, Repairs, scalar, string,
    written::{Part, Record},
};

/// A place in a text, and what was mended so far.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    end: usize,
    repairs: Repairs,
    /// Takes down where the values stand, if somebody wants to know.
    record: Option<&'a Record>,
}

/// What a value is a part of: it decides where a text without quotes ends, and which quote is the last.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Within {
    Object,
    List,
}

/// Blanks of JSON, of Unicode, and those without a width that editors and models leave behind.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Reads the object or list that begins at a place of the text.
pub(super) fn container(text: &str, start: usize) -> Result<Found, Flaw> {
    let mut cursor = Cursor::new(text, start, text.len());
    let value = cursor.container(1)?;
    Ok(Found { value, repairs: cursor.repairs, start, end: cursor.at, has_large: false }.measured())
}

/// Where the parts stand of the object or list that the text begins with; `None` if it is none.
pub(super) fn parts(text: &str) -> Option<Part> {
    let record = Record::default();
    let mut cursor = Cursor { record: Some(&record), ..Cursor::new(text, 0, text.len()) };
    cursor.container(1).ok()?;
    record.add(0..cursor.at, 0);
    record.last()
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, at: usize, end: usize) -> Self {
        Self { text, at, end, repairs: Repairs::default(), record: None }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn repairs(&self) -> Repairs {
        self.repairs
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.end
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..self.end).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(super) fn add(&mut self, repair: Repair) {
        self.repairs.add(repair);
    }

    /// Takes down where a value stands that has no parts.
    pub(super) fn record(&self, span: Range<usize>) {
        if let Some(record) = self.record {
            record.add(span, record.height());
        }
    }

    pub(super) fn flaw(&self, message: impl Into<String>) -> Flaw {
        Flaw { message: message.into(), offset: self.at, fatal: false }
    }

    /// Takes this character, if it is next.
    fn take(&mut self, wanted: char) -> bool {
        let is_next = self.rest().starts_with(wanted);
        if is_next {
            self.advance(wanted.len_utf8());
        }
        is_next
    }

    /// Passes over blanks and comments.
    pub(super) fn skip(&mut self) -> Result<(), Flaw> {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches(is_blank).len();
            if !rest[..blanks].bytes().all(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
                self.add(Repair::Blank);
            }
            self.advance(blanks);
            let rest = self.rest();
            let comment = if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(end) => end + 2,
                    None => return Err(self.flaw("a comment without an end")),
                }
            } else if rest.starts_with("//") || rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else {
                return Ok(());
            };
            self.add(Repair::Comment);
            self.advance(comment);
        }
    }

    /// The object or list that begins here.
    fn container(&mut self, depth: usize) -> Result<Value, Flaw> {
        if depth > DEPTH {
            let message = format!("the value is nested more than {DEPTH} levels deep");
            return Err(Flaw { fatal: true, ..self.flaw(message) });
        }
        if self.take('{') {
            return self.object(depth);
        }
        self.advance(1);
        self.list(depth)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Flaw> {
        let mut items = Vec::new();
        loop {
            match self.between(']', items.is_empty())? {
                Between::Closed => return Ok(Value::Array(items)),
                Between::Value => {}
            }
            items.push(self.value(Within::List, depth)?);
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Flaw> {
        let mut entries = Map::new();
        loop {
            match self.between('}', entries.is_empty())? {
                Between::Closed => return Ok(Value::Object(entries)),
                Between::Value => {}
            }
            let start = self.clone();
            let key = string::key(self)?;
            self.skip()?;
            if self.is_at_end() {
                // A key of which nothing is said, not even that it is whole.
                self.add(Repair::Truncated);
                return Ok(Value::Object(entries));
            }
            if !self.take(':') {
                // Only between a quoted key and what is surely a value is it clear that a colon was forgotten.
                if !(start.peek().is_some_and(string::opens) && self.is_before_value()) {
                    return Err(self.flaw(format!("expected `:` after the key `{key}`")));
                }
                self.add(Repair::MissingColon);
            }
            self.skip()?;
            if self.is_at_end() {
                self.add(Repair::Truncated);
                return Ok(Value::Object(entries));
            }
            let value = self.value(Within::Object, depth)?;
            if let Some(record) = self.record {
                record.name(&key);
            }
            if let Some(before) = entries.get(&key) {
                // Where one looks for its parts, what was read before counts.
                if *before != value && self.record.is_none() {
                    return Err(self.flaw(format!("the key `{key}` stands twice, with different values")));
                }
                self.add(Repair::DoubleKey);
            }
            entries.insert(key, value);
        }
    }

    /// What comes after a value or at the beginning: the end, or (behind a comma) another value.
    fn between(&mut self, close: char, is_first: bool) -> Result<Between, Flaw> {
        self.skip()?;
        let has_comma = self.take(',');
        if has_comma {
            self.skip()?;
            if is_first {
                self.add(Repair::ExtraComma);
            }
        }
        match self.peek() {
            None => {
                self.add(Repair::Truncated);
                Ok(Between::Closed)
            }
            Some(c) if c == close => {
                self.advance(1);
                if has_comma {
                    self.add(Repair::ExtraComma);
                }
                Ok(Between::Closed)
            }
            Some(c @ (',' | '}' | ']')) => Err(self.flaw(format!("expected a value, found `{c}`"))),
            Some(_) => {
                if !has_comma && !is_first {
                    self.add(Repair::MissingComma);
                }
                Ok(Between::Value)
            }
        }
    }

    fn value(&mut self, within: Within, depth: usize) -> Result<Value, Flaw> {
        let (start, height) = (self.at, self.record.map_or(0, Record::height));
        let value = match self.peek() {
            Some('{' | '[') => self.container(depth + 1)?,
            Some(c) if string::opens(c) => string::quoted(self, within).map(Value::String)?,
            Some('\\') if self.rest().starts_with("\\\"") => {
                string::quoted(self, within).map(Value::String)?
            }
            _ => return scalar::bare(self, within),
        };
        if let Some(record) = self.record {
            record.add(start..self.at, height);
        }
        Ok(value)
    }

    /// A copy that sees no further than a few lines: for looking ahead, which has to stay linear.
    pub(super) fn glance(&self, from: usize) -> Self {
        /// In bytes.
        const FAR: usize = 1_024;
        let at = (self.at + from).min(self.end);
        let mut end = self.end.min(at + FAR);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        Self { at, end, ..self.clone() }
    }

    /// True if what comes next is surely a value: a quote, a container, a number or a literal.
    pub(super) fn is_before_value(&self) -> bool {
        let rest = self.rest();
        let is_literal = |word: &&str| rest.starts_with(*word);
        rest.starts_with(|c: char| string::opens(c) || c.is_ascii_digit() || "{[-".contains(c))
            || ["true", "false", "null", "True", "False", "None"].iter().any(is_literal)
    }

    /// True if a key and a colon come next, as far as a short look shows.
    pub(super) fn is_before_key(&self) -> bool {
        self.sees_key() == Some(true)
    }

    /// True behind a comma that a key follows; a key in quotes may be longer than a short look.
    pub(super) fn is_before_next_key(&self) -> bool {
        let rest = self.rest().trim_start_matches(is_blank);
        self.sees_key().unwrap_or(rest.starts_with('"'))
    }

    /// Whether a key and a colon come next; `None` where a short look does not show the end of what stands between quotes.
    fn sees_key(&self) -> Option<bool> {
        /// The most bytes of a key that are looked at, so that looking ahead stays linear.
        const FAR: usize = 256;
        let blanks = self.rest().len() - self.rest().trim_start_matches(is_blank).len();
        let (blanks, rest) = self.rest().split_at(blanks);
        // A key of several words is only known as one at the start of a line.
        let several_words = blanks.contains('\n');
        let near = rest.char_indices().map(|(at, _)| at).find(|at| *at >= FAR).unwrap_or(rest.len());
        let near = &rest[..near];
        let Some(first) = near.chars().next() else { return Some(false) };
        let after = if string::opens(first) {
            let is_whole = self.at + blanks.len() + near.len() == self.text.len();
            let behind = behind_quoted(&near[first.len_utf8()..], first);
            if behind.is_none_or(|behind| behind.trim_start_matches(is_blank).is_empty()) && !is_whole {
                return None;
            }
            behind
        } else {
            let is_key = |c: char| string::is_bare_key(c) || (several_words && c == ' ');
            let end = near.find(|c: char| !is_key(c)).unwrap_or(near.len());
            if end == 0 { None } else { near.get(end..) }
        };
        Some(after.is_some_and(|after| {
            let after = after.trim_start_matches(is_blank);
            // `https://` is no key.
            after.starts_with(':') && !after.starts_with("://")
        }))
    }
}

/// What stands behind the end of a text whose quote was `open`.
fn behind_quoted(inside: &str, open: char) -> Option<&str> {
    let mut escaped = false;
    let (end, close) = inside.char_indices().find(|(_, c)| {
        let is_end = !escaped && string::closes(open, *c);
        escaped = !escaped && *c == '\\';
        is_end
    })?;
    inside.get(end + close.len_utf8()..)
}

enum Between {
    Closed,
    Value,
}
