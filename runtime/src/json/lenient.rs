//! Parses flawed JSON: objects, lists, and the signs between values.

use std::ops::Range;

use serde_json::{Map, Value};

use super::{
    DEPTH, Flaw, Found, Repair, Repairs, scalar, string,
    written::{SpanRecorder, SpanTree},
};

/// A position in a text, with the repairs so far.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    end: usize,
    repairs: Repairs,
    /// Records the spans of the values, if the caller needs them.
    record: Option<&'a SpanRecorder>,
    escapes: Escapes,
    /// Where and why the text could mean two things. The value is still read to its end, so that no part of it is taken for a
    /// value of its own.
    doubt: Option<(usize, &'static str)>,
}

/// Escapes seen so far: they decide how the backslashes of all texts are read.
#[derive(Clone, Copy, Default)]
struct Escapes {
    /// True if `\b` and `\f` stay as written.
    are_kept: bool,
    /// True if there was an escape that JSON does not know.
    has_unknown: bool,
    /// True if there was a `\b` or `\f`.
    has_controls: bool,
}

/// Container of a value: it decides where an unquoted text ends, and which quote is the last.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Within {
    Object,
    List,
    Tuple,
}

impl Within {
    fn close(self) -> char {
        match self {
            Self::Object => '}',
            Self::List => ']',
            Self::Tuple => ')',
        }
    }
}

/// True for blanks of JSON and Unicode, and for the zero-width ones that editors and models leave behind.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Reads the object, list or tuple that begins at this byte of the text.
pub(super) fn container(text: &str, start: usize) -> Result<Found, Flaw> {
    let begin = Cursor::new(text, start, text.len());
    let (value, cursor) = begin.read_consistently(|cursor| cursor.container(1))?;
    Ok(Found { value, repairs: cursor.repairs, start, end: cursor.at, has_large: false }.with_large_noted())
}

/// Locates the parts of the object or list with which the text begins; `None` if it begins with neither.
pub(super) fn parts(text: &str) -> Option<SpanTree> {
    let record = SpanRecorder::default();
    let mut cursor = Cursor { record: Some(&record), ..Cursor::new(text, 0, text.len()) };
    cursor.container(1).ok()?;
    record.add(0..cursor.at, 0);
    record.last()
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, at: usize, end: usize) -> Self {
        Self {
            text,
            at,
            end,
            repairs: Repairs::default(),
            record: None,
            escapes: Escapes::default(),
            doubt: None,
        }
    }

    /// Reads a value with one rule for all its backslashes: if one of its escapes is unknown to JSON, `\b` and `\f` stay as written
    /// too, also in the texts before it.
    pub(super) fn read_consistently<T>(
        &self,
        read: impl Fn(&mut Self) -> Result<T, Flaw>,
    ) -> Result<(T, Self), Flaw> {
        let mut cursor = self.clone();
        let mut value = read(&mut cursor)?;
        if cursor.escapes.has_unknown && cursor.escapes.has_controls {
            cursor = self.clone();
            cursor.escapes.are_kept = true;
            value = read(&mut cursor)?;
        }
        match cursor.doubt {
            Some((offset, message)) => {
                Err(Flaw { message: message.into(), offset, end: cursor.at, fatal: false })
            }
            None => Ok((value, cursor)),
        }
    }

    /// Notes a doubt that makes the value an error once it is read.
    pub(super) fn doubt(&mut self, message: &'static str) {
        self.doubt.get_or_insert((self.at, message));
    }

    /// Notes `\b` or `\f`; true if it stays as written.
    pub(super) fn keeps_controls(&mut self) -> bool {
        self.escapes.has_controls = true;
        self.escapes.are_kept
    }

    /// Notes an escape that JSON does not know.
    pub(super) fn add_unknown_escape(&mut self) {
        self.escapes.has_unknown = true;
        self.add(Repair::Escape);
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

    /// Records the span of a value without parts.
    pub(super) fn record(&self, span: Range<usize>) {
        if let Some(record) = self.record {
            record.add(span, record.height());
        }
    }

    pub(super) fn flaw(&self, message: impl Into<String>) -> Flaw {
        Flaw { message: message.into(), offset: self.at, end: self.at, fatal: false }
    }

    /// Takes this character, if it is next.
    pub(super) fn take(&mut self, wanted: char) -> bool {
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

    /// Reads the object, list or tuple that begins here.
    pub(super) fn container(&mut self, depth: usize) -> Result<Value, Flaw> {
        if depth > DEPTH {
            let message = format!("the value is nested more than {DEPTH} levels deep");
            return Err(Flaw { fatal: true, ..self.flaw(message) });
        }
        if self.take('{') {
            return self.object(depth);
        }
        if self.take('[') {
            return self.items(Within::List, depth).map(|(items, _)| Value::Array(items));
        }
        self.add(Repair::PythonLiteral);
        if !self.take('(') {
            return self.ordered(depth);
        }
        match self.items(Within::Tuple, depth)? {
            // Parentheses around one value mean that value.
            (mut items, false) if items.len() == 1 => Ok(items.remove(0)),
            (items, _) => Ok(Value::Array(items)),
        }
    }

    /// Reads items up to the closing bracket; true if a comma stands before it.
    fn items(&mut self, within: Within, depth: usize) -> Result<(Vec<Value>, bool), Flaw> {
        let mut items = Vec::new();
        loop {
            if let Between::Closed { has_comma } = self.between(within, items.is_empty())? {
                return Ok((items, has_comma));
            }
            items.push(self.value(within, depth)?);
        }
    }

    /// Adds an entry to an object.
    pub(super) fn enter(
        &mut self,
        entries: &mut Map<String, Value>,
        key: String,
        value: Value,
    ) -> Result<(), Flaw> {
        if let Some(before) = entries.get(&key) {
            // The recording pass reads a text that was accepted before.
            if *before != value && self.record.is_none() {
                return Err(self.flaw(format!("the key `{key}` stands twice, with different values")));
            }
            self.add(Repair::DoubleKey);
        }
        entries.insert(key, value);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<Value, Flaw> {
        let mut entries = Map::new();
        loop {
            if let Between::Closed { .. } = self.between(Within::Object, entries.is_empty())? {
                return Ok(Value::Object(entries));
            }
            let start = self.clone();
            let key = string::key(self)?;
            self.skip()?;
            if self.is_at_end() {
                // A key without a value, which may itself be cut off.
                self.add(Repair::Truncated);
                return Ok(Value::Object(entries));
            }
            if !self.take(':') {
                // Only between a quoted key and a certain value is the missing colon clear.
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
            self.enter(&mut entries, key, value)?;
        }
    }

    /// Reads up to the container's end or the next value, with the comma between two values.
    fn between(&mut self, within: Within, is_first: bool) -> Result<Between, Flaw> {
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
                Ok(Between::Closed { has_comma })
            }
            Some(c) if c == within.close() => {
                self.advance(1);
                // A tuple of one ends with a comma.
                if has_comma && within != Within::Tuple {
                    self.add(Repair::ExtraComma);
                }
                Ok(Between::Closed { has_comma })
            }
            Some(c @ (',' | '}' | ']')) => Err(self.flaw(format!("expected a value, found `{c}`"))),
            Some(_) => {
                if !has_comma && !is_first {
                    self.add(Repair::MissingComma);
                    if within == Within::Tuple {
                        self.doubt("texts beside each other in parentheses may be one text or several");
                    }
                }
                Ok(Between::Value)
            }
        }
    }

    fn value(&mut self, within: Within, depth: usize) -> Result<Value, Flaw> {
        let (start, height) = (self.at, self.record.map_or(0, SpanRecorder::height));
        let value = match self.peek() {
            Some('{' | '[') => self.container(depth + 1)?,
            Some(c) if string::opens(c) => string::quoted(self, within).map(Value::String)?,
            Some('\\') if self.rest().starts_with("\\\"") => {
                string::quoted(self, within).map(Value::String)?
            }
            Some('(' | 'O') if self.begins_python() => {
                let value = self.container(depth + 1)?;
                let mut after = self.clone();
                let _ = after.skip();
                if !matches!(after.peek(), None | Some(',' | '}' | ']' | ')')) {
                    self.doubt("text behind a value in parentheses");
                }
                value
            }
            _ => return scalar::bare(self, within),
        };
        if let Some(record) = self.record {
            record.add(start..self.at, height);
        }
        Ok(value)
    }

    /// Returns a copy that sees 1 KiB from `from` bytes ahead, so that looking ahead stays linear.
    pub(super) fn lookahead(&self, from: usize) -> Self {
        /// In bytes.
        const FAR: usize = 1_024;
        let at = (self.at + from).min(self.end);
        let mut end = self.end.min(at + FAR);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        Self { at, end, ..self.clone() }
    }

    /// True if a value certainly comes next: a quote, a container, a number or a literal.
    pub(super) fn is_before_value(&self) -> bool {
        let rest = self.rest();
        let is_literal = |word: &&str| rest.starts_with(*word);
        rest.starts_with(|c: char| string::opens(c) || c.is_ascii_digit() || "{[-".contains(c))
            || ["true", "false", "null", "True", "False", "None"].iter().any(is_literal)
    }

    /// True if a key and a colon come next within the lookahead.
    pub(super) fn is_before_key(&self) -> bool {
        self.sees_key() == Some(true)
    }

    /// True if a key comes next, behind a comma; a quoted key may be longer than the lookahead.
    pub(super) fn is_before_next_key(&self) -> bool {
        let rest = self.rest().trim_start_matches(is_blank);
        self.sees_key().unwrap_or(rest.starts_with('"'))
    }

    /// True if a key and a colon come next; `None` if the closing quote is beyond the lookahead.
    fn sees_key(&self) -> Option<bool> {
        /// Most bytes of the lookahead, so that reading stays linear.
        const FAR: usize = 256;
        let blanks = self.rest().len() - self.rest().trim_start_matches(is_blank).len();
        let (blanks, rest) = self.rest().split_at(blanks);
        // Several words are a key only at the start of a line.
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

/// Returns the text behind the quote that closes `open`.
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
    Closed { has_comma: bool },
    Value,
}
