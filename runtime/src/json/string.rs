//! Texts between quotes of any kind, and keys.

use super::{
    Flaw, Repair,
    lenient::{Cursor, Within, is_blank},
};

/// True for a quote with which a text may begin.
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

/// True for what a key without quotes may hold.
pub(super) fn is_bare_key(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$')
}

/// A key, with or without quotes.
pub(super) fn key(cursor: &mut Cursor<'_>) -> Result<String, Flaw> {
    match cursor.peek() {
        Some(open) if opens(open) => delimited(cursor, Ends::Key),
        Some('\\') if cursor.rest().starts_with("\\\"") => delimited(cursor, Ends::Key),
        _ => {
            // Words with blanks in between too, up to the colon.
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

/// A text between quotes, as a value.
pub(super) fn quoted(cursor: &mut Cursor<'_>, within: Within) -> Result<String, Flaw> {
    delimited(cursor, Ends::Value(within))
}

/// The whole text between quotes, with nothing behind it.
pub(super) fn alone(cursor: &mut Cursor<'_>) -> Result<String, Flaw> {
    delimited(cursor, Ends::Text)
}

/// What the text is, which decides which of several quotes is its last.
#[derive(Clone, Copy)]
enum Ends {
    Key,
    Value(Within),
    Text,
}

fn delimited(cursor: &mut Cursor<'_>, ends: Ends) -> Result<String, Flaw> {
    let rest = cursor.rest();
    let escaped = rest.starts_with("\\\"");
    let triple = rest.starts_with("\"\"\"");
    let open = if escaped { '"' } else { rest.chars().next().unwrap_or('"') };
    cursor.advance(if triple { 3 } else { usize::from(escaped) + open.len_utf8() });
    if escaped || triple || open != '"' {
        cursor.add(Repair::Quotes);
    }
    let mut out = String::new();
    loop {
        let rest = cursor.rest();
        // What needs no thought is taken in one piece.
        let plain = rest.find(|c: char| c == '\\' || c < ' ' || closes(open, c)).unwrap_or(rest.len());
        out.push_str(&rest[..plain]);
        cursor.advance(plain);
        let Some(c) = cursor.peek() else {
            cursor.add(Repair::Truncated);
            return Ok(out);
        };
        if c == '\\' {
            if escaped && cursor.rest().starts_with("\\\"") {
                cursor.advance(2);
                return Ok(out);
            }
            escape(cursor, &mut out);
        } else if closes(open, c) {
            if triple {
                if cursor.rest().starts_with("\"\"\"") {
                    cursor.advance(3);
                    return Ok(out);
                }
            } else if is_last(cursor, c, ends) {
                cursor.advance(c.len_utf8());
                return Ok(out);
            } else {
                cursor.add(Repair::InnerQuote);
            }
            out.push(c);
            cursor.advance(c.len_utf8());
        } else {
            cursor.add(Repair::ControlCharacter);
            out.push(c);
            cursor.advance(c.len_utf8());
        }
    }
}

/// True if the quote that is next ends the text: what follows it goes on with the JSON around.
fn is_last(cursor: &Cursor<'_>, quote: char, ends: Ends) -> bool {
    let mut after = cursor.glance(quote.len_utf8());
    let rest = after.rest();
    // A comment without an end is no comment.
    let _ = after.skip();
    let Some(next) = after.peek() else { return true };
    match ends {
        Ends::Text => false,
        // A missing colon is only seen between two quotes.
        // A key has no quotes inside of it: what else could follow one is a guess.
        Ends::Key => true,
        Ends::Value(within) => match (within, next) {
            // In a list nothing tells whether a text goes on behind `",`.
            (Within::Object, '}') | (Within::List, ']' | ',') => true,
            (Within::Object, ',') => {
                after.advance(1);
                let _ = after.skip();
                matches!(after.peek(), None | Some('}' | '.')) || after.is_before_next_key()
            }
            // A comma was forgotten.
            (Within::Object, _) => after.is_before_key() && (opens(next) || rest.starts_with(is_blank)),
            (Within::List, c) => {
                rest.starts_with(is_blank) && (opens(c) || c.is_ascii_digit() || "{[".contains(c))
            }
        },
    }
}

/// An escape; one that JSON does not know stands for itself.
fn escape(cursor: &mut Cursor<'_>, out: &mut String) {
    let rest = cursor.rest();
    let Some(c) = rest.chars().nth(1) else {
        cursor.add(Repair::Truncated);
        cursor.advance(1);
        return;
    };
    let plain = match c {
        '"' | '\\' | '/' => Some(c),
        '\'' => {
            cursor.add(Repair::Escape);
            Some(c)
        }
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        _ => None,
    };
    if let Some(plain) = plain {
        out.push(plain);
        cursor.advance(1 + c.len_utf8());
        return;
    }
    if let Some((decoded, length)) = unicode(rest) {
        out.push(decoded);
        cursor.advance(length);
        return;
    }
    cursor.add(Repair::Escape);
    out.push('\\');
    cursor.advance(1);
}

/// The character of `\u00e9` or of a pair of surrogates, and how many bytes it took; `None` for half a pair.
fn unicode(rest: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = rest.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let first = unit(0)?;
    if let Some(c) = char::from_u32(first.into()) {
        return Some((c, 6));
    }
    let pair = [first, unit(6)?];
    let decoded = char::decode_utf16(pair).next()?.ok()?;
    Some((decoded, 12))
}
