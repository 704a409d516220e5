//! Parses texts between quotes of any kind, and keys.

use super::{
    Flaw, Repair,
    lenient::{Cursor, Within, is_blank},
};

/// True for a quote that may begin a text.
pub(super) fn opens(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '“' | '”' | '‘' | '’')
}

/// True if `c` may end a text that begins with `open`.
pub(super) fn closes(open: char, c: char) -> bool {
    match open {
        '“' | '”' => matches!(c, '“' | '”'),
        '‘' | '’' => matches!(c, '‘' | '’'),
        other => c == other,
    }
}

/// True for a character that a key without quotes may contain.
pub(super) fn is_bare_key(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$')
}

/// Reads a key, with or without quotes.
pub(super) fn key(cursor: &mut Cursor<'_>) -> Result<String, Flaw> {
    match cursor.peek() {
        Some(open) if opens(open) => delimited(cursor, Ends::Key, &mut false),
        Some('\\') if cursor.rest().starts_with("\\\"") => delimited(cursor, Ends::Key, &mut false),
        _ => {
            // A key without quotes may consist of several words, up to the colon.
            let rest = cursor.rest();
            let words = rest.find(|c: char| !(is_bare_key(c) || c == ' ')).unwrap_or(rest.len());
            let end = rest[..words].trim_end().len();
            if end == 0 {
                let found = rest.chars().next().unwrap_or_default();
                return Err(cursor.flaw(format!("expected a key, found `{found}`")));
            }
            cursor.advance(end);
            cursor.add(Repair::Unquoted);
            Ok(rest[..end].to_owned())
        }
    }
}

/// Reads a text between quotes as a value.
pub(super) fn quoted(cursor: &mut Cursor<'_>, within: Within) -> Result<String, Flaw> {
    joined(cursor, Ends::Value(within))
}

/// Reads the whole text as one quoted text, with nothing behind it.
pub(super) fn alone(cursor: &mut Cursor<'_>) -> Result<String, Flaw> {
    joined(cursor, Ends::Text)
}

/// True if `\b` or `\f` stands before a letter in valid JSON.
pub(super) fn has_doubtful_escape(mut text: &str) -> bool {
    while let Some((_, behind)) = text.split_once('\\') {
        let mut chars = behind.chars();
        let is_control = matches!(chars.next(), Some('b' | 'f'));
        text = chars.as_str();
        if is_control && text.starts_with(char::is_alphabetic) {
            return true;
        }
    }
    false
}

/// Reads a quoted text and those that `+` joins to it.
fn joined(cursor: &mut Cursor<'_>, ends: Ends) -> Result<String, Flaw> {
    let mut has_inner_quote = false;
    let mut text = delimited(cursor, ends, &mut has_inner_quote)?;
    loop {
        let mut after = cursor.clone();
        if after.skip().is_err() || !after.take('+') {
            return Ok(text);
        }
        after.skip()?;
        if !after.peek().is_some_and(opens) {
            return Err(cursor.flaw("expected a text behind `+`"));
        }
        *cursor = after;
        cursor.add(Repair::Joined);
        let next = delimited(cursor, ends, &mut has_inner_quote)?;
        // `press "+" twice`: a quoted plus sign looks the same.
        let is_word = next.starts_with(char::is_alphanumeric);
        if has_inner_quote || !is_word && text.chars().next_back().is_none_or(is_blank) {
            cursor.doubt("a `+` between quotes, which may join two texts or stand in one");
        }
        text.push_str(&next);
    }
}

/// Role of a quoted text: it decides which of several quotes is the last.
#[derive(Clone, Copy)]
enum Ends {
    Key,
    Value(Within),
    Text,
}

fn delimited(cursor: &mut Cursor<'_>, ends: Ends, has_inner_quote: &mut bool) -> Result<String, Flaw> {
    let rest = cursor.rest();
    let escaped = rest.starts_with("\\\"");
    let triple = rest.starts_with("\"\"\"");
    let open = if escaped { '"' } else { rest.chars().next().unwrap_or('"') };
    cursor.advance(if triple { 3 } else { usize::from(escaped) + open.len_utf8() });
    if escaped || triple || open != '"' {
        cursor.add(Repair::Quotes);
    }
    let mut out = String::new();
    let mut backslashes = Backslashes::default();
    // Quotations that quotes inside of the text have opened and not closed.
    let mut has_quotes = false;
    let mut quotations = 0_isize;
    loop {
        let rest = cursor.rest();
        // Ordinary characters are copied in one piece.
        let plain = rest.find(|c: char| c == '\\' || c < ' ' || closes(open, c)).unwrap_or(rest.len());
        out.push_str(&rest[..plain]);
        cursor.advance(plain);
        let Some(c) = cursor.peek() else {
            cursor.add(Repair::Truncated);
            break;
        };
        if c == '\\' {
            if escaped && cursor.rest().starts_with("\\\"") {
                cursor.advance(2);
                break;
            }
            if escaped && cursor.rest().starts_with("\\\\") {
                // Between escaped quotes, each backslash and each quote of the text is escaped twice.
                let twice = ["\\\\\\\\", "\\\\\\\""].iter().find(|twice| cursor.rest().starts_with(**twice));
                if let Some(twice) = twice {
                    out.extend(twice.chars().next_back());
                    cursor.advance(twice.len());
                    continue;
                }
                cursor.advance(1);
            }
            escape(cursor, open, &mut out, &mut backslashes);
        } else if closes(open, c) {
            if triple {
                if cursor.rest().starts_with("\"\"\"") {
                    cursor.advance(3);
                    break;
                }
            } else if let Some(end) = end(cursor, c, ends, quotations > 0) {
                if end == End::Guess && has_quotes {
                    cursor.doubt("a quote in a text that has others: nothing but what follows it says that it is the end");
                }
                cursor.advance(c.len_utf8());
                break;
            } else {
                cursor.add(Repair::InnerQuote);
                *has_inner_quote = true;
                let behind = cursor.rest().chars().nth(1);
                let step = match quotation(&out, c, behind) {
                    -1 if quotations == 0 && is_mark(&out, c, behind) => 0,
                    step => step,
                };
                if step < 0 && quotations <= 0 && matches!(ends, Ends::Text) {
                    cursor.doubt("a quote that may end a text, and more behind it");
                }
                quotations += step;
                has_quotes |= c != '\'' || step != 0;
            }
            out.push(c);
            cursor.advance(c.len_utf8());
        } else {
            cursor.add(Repair::ControlCharacter);
            out.push(c);
            cursor.advance(c.len_utf8());
        }
    }
    if quotations != 0 {
        cursor
            .doubt("quotes in a text that do not come in pairs: one of them may have been taken for its end");
    }
    if backslashes.are_mixed() {
        cursor.doubt("an escape that JSON does not know beside `\\n`, `\\r`, `\\t` or `\\u`: a backslash that is meant is written twice");
    }
    Ok(out)
}

/// Kinds of escapes seen in one text.
#[derive(Default)]
struct Backslashes {
    /// True if there was a `\n`, `\r`, `\t` or `\u`.
    has_known: bool,
    has_unknown: bool,
}

impl Backslashes {
    /// True if the text has known and unknown escapes, so that some backslashes would be dropped and others kept.
    fn are_mixed(&self) -> bool {
        self.has_known && self.has_unknown
    }
}

/// 1 if a quote inside of a text opens a quotation, -1 if it closes one, 0 for an apostrophe; judged by its neighbours.
fn quotation(before: &str, quote: char, after: Option<char>) -> isize {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let before = before.chars().next_back();
    match before {
        _ if !matches!(quote, '"' | '“' | '”') && is_word(before) && is_word(after) => 0,
        _ if matches!(quote, '“' | '‘') => 1,
        _ if matches!(quote, '”' | '’') => -1,
        None => 1,
        Some(c) if is_blank(c) => 1,
        // Behind a sentence's end or a bracket, a quote before a word begins anew: `(x)"y"`.
        Some(c) if ".!?…%)]}".contains(c) && is_word(after) => 1,
        Some(c) if c.is_alphanumeric() || ".!?…%)]}".contains(c) => -1,
        Some(_) if after.is_none_or(is_blank) => -1,
        Some(_) => 1,
    }
}

/// True if a quote that would close a quotation may be none: an apostrophe, inches as in `5" wide`, a slip within a word.
fn is_mark(before: &str, quote: char, after: Option<char>) -> bool {
    quote == '\''
        || before.ends_with(|c: char| c.is_ascii_digit())
        || after.is_some_and(char::is_alphanumeric)
}

/// How sure it is that a quote ends a text.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Sure,
    /// Only if a comma or the quotes of a key were forgotten behind it.
    Guess,
}

/// Whether the next quote ends the text: the JSON around it goes on behind the quote.
fn end(cursor: &Cursor<'_>, quote: char, ends: Ends, is_in_quotation: bool) -> Option<End> {
    let mut after = cursor.lookahead(quote.len_utf8());
    let rest = after.rest();
    // A comment without an end is no comment.
    let _ = after.skip();
    let Some(next) = after.peek() else { return Some(End::Sure) };
    let within = match ends {
        // A `+` joins the next text.
        Ends::Text | Ends::Value(_) if next == '+' => return (!is_in_quotation).then_some(End::Sure),
        Ends::Text => return None,
        // A key contains no quotes: any other reading would be a guess.
        Ends::Key => return Some(End::Sure),
        Ends::Value(within) => within,
    };
    match (within, next) {
        // In a list nothing shows whether a text goes on behind `",`.
        (Within::Object, '}') | (Within::List, ']' | ',') | (Within::Tuple, ')' | ',') => Some(End::Sure),
        (Within::Object, ',') => {
            after.advance(1);
            let _ = after.skip();
            match after.peek() {
                None | Some('}' | '.') => Some(End::Sure),
                Some(key) if after.is_before_next_key() => {
                    Some(if opens(key) { End::Sure } else { End::Guess })
                }
                Some(_) => None,
            }
        }
        // A comma was forgotten.
        (Within::Object, _) => {
            let is_end = after.is_before_key() && (opens(next) || rest.starts_with(is_blank));
            is_end.then_some(End::Guess)
        }
        (Within::List | Within::Tuple, c) => {
            let is_end = rest.starts_with(is_blank) && (opens(c) || c.is_ascii_digit() || "{[".contains(c));
            is_end.then_some(End::Guess)
        }
    }
}

/// Reads an escape; one that JSON does not know stands for itself.
fn escape(cursor: &mut Cursor<'_>, open: char, out: &mut String, backslashes: &mut Backslashes) {
    let rest = cursor.rest();
    let mut behind = rest.chars().skip(1);
    let Some(c) = behind.next() else {
        cursor.add(Repair::Truncated);
        cursor.advance(1);
        return;
    };
    let plain = match c {
        '"' | '\\' | '/' => Some(c),
        _ if c == '\'' || closes(open, c) => {
            cursor.add(Repair::Escape);
            Some(c)
        }
        'b' | 'f' if !cursor.keeps_controls() => {
            if behind.next().is_some_and(char::is_alphabetic) {
                cursor.add(Repair::DoubtfulEscape);
            }
            Some(if c == 'b' { '\u{8}' } else { '\u{c}' })
        }
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        _ => None,
    };
    if let Some(plain) = plain {
        backslashes.has_known |= matches!(c, 'n' | 'r' | 't');
        out.push(plain);
        cursor.advance(1 + c.len_utf8());
        return;
    }
    match unit(rest) {
        None => {
            backslashes.has_unknown = true;
            cursor.add_unknown_escape();
        }
        Some(first) => {
            if let Some((decoded, length)) = unicode(first, rest) {
                backslashes.has_known = true;
                out.push(decoded);
                cursor.advance(length);
                return;
            }
            // Half a pair is a known escape that lost its character: it says nothing about the other escapes.
            cursor.add(Repair::Escape);
        }
    }
    out.push('\\');
    cursor.advance(1);
}

/// Reads the UTF-16 unit of an escape such as `\u00e9`.
fn unit(rest: &str) -> Option<u16> {
    let digits = rest.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Decodes `\u00e9` or a pair of surrogates: the character, and its length in bytes; `None` for half a pair.
fn unicode(first: u16, rest: &str) -> Option<(char, usize)> {
    if let Some(c) = char::from_u32(first.into()) {
        return Some((c, 6));
    }
    let pair = [first, unit(rest.get(6..)?)?];
    let decoded = char::decode_utf16(pair).next()?.ok()?;
    Some((decoded, 12))
}
