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
    escapes: Escapes,
    /// Where something could mean two things, and what. The value is read to its end all the same, so that no part of it is
    /// taken for a value of its own.
    doubt: Option<(usize, &'static str)>,
}

/// What the escapes in the texts so far tell of the backslashes in all of them.
#[derive(Clone, Copy, Default)]
struct Escapes {
    /// True if `\b` and `\f` are taken as they stand.
    are_kept: bool,
    /// True if there was one that JSON does not know.
    has_unknown: bool,
    /// True if there was a `\b` or `\f`.
    has_controls: bool,
}

/// What a value is a part of: it decides where a text without quotes ends, and which quote is the last.
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

/// Blanks of JSON, of Unicode, and those without a width that editors and models leave behind.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Reads the object, list or tuple that begins at a place of the text.
pub(super) fn container(text: &str, start: usize) -> Result<Found, Flaw> {
    let begin = Cursor::new(text, start, text.len());
    let (value, cursor) = begin.settled(|cursor| cursor.container(1))?;
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

    /// Reads a value by one rule for all its backslashes: where one of its escapes is none of JSON, `\b` and `\f` are none either,
    /// also in the texts before it.
    pub(super) fn settled<T>(&self, read: impl Fn(&mut Self) -> Result<T, Flaw>) -> Result<(T, Self), Flaw> {
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

    /// Notes what makes the value an error once it is read.
    pub(super) fn doubt(&mut self, message: &'static str) {
        self.doubt.get_or_insert((self.at, message));
    }

    /// Notes `\b` or `\f`; true if it is taken as it stands.
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

    /// Takes down where a value stands that has no parts.
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

    /// The object, list or tuple that begins here.
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
            // Parentheses around one value are nothing more.
            (mut items, false) if items.len() == 1 => Ok(items.remove(0)),
            (items, _) => Ok(Value::Array(items)),
        }
    }

    /// The items up to the bracket that closes them, and whether a comma stands before that.
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
            // Where one looks for its parts, what was read before counts.
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
            self.enter(&mut entries, key, value)?;
        }
    }

    /// What comes after a value or at the beginning: the end, or (behind a comma) another value.
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
                // A tuple of one has it.
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
        let (start, height) = (self.at, self.record.map_or(0, Record::height));
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
    Closed { has_comma: bool },
    Value,
}
