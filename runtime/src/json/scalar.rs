//! Parses numbers, literals, and texts without quotes.

use serde_json::Value;

use super::{
    Flaw, Numeral, Repair,
    lenient::{Cursor, Within, is_blank},
    string,
};

/// Reads a value without quotes in an object or a list.
pub(super) fn bare(cursor: &mut Cursor<'_>, within: Within) -> Result<Value, Flaw> {
    let length = length(cursor, within)?;
    let text = cursor.rest().get(..length).unwrap_or_default().trim_end_matches(is_blank);
    if text.is_empty() {
        return Err(cursor.flaw("expected a value"));
    }
    // The model left something out.
    if text.starts_with("...") || text == "…" {
        return Err(cursor.flaw("an ellipsis stands for what was left out"));
    }
    if is_half(text, within) {
        cursor.doubt("half of what stands between quotes or brackets, in a text without quotes");
    }
    let value = match literal(text, cursor) {
        Some(value) => value,
        None => {
            // A number beyond the range of floats keeps its digits as a text.
            let is_number = Numeral::parse(text).is_some();
            cursor.add(if is_number { Repair::Number } else { Repair::Unquoted });
            Value::String(text.to_owned())
        }
    };
    cursor.record(cursor.at()..cursor.at() + text.len());
    cursor.advance(text.len());
    cursor.skip()?;
    if cursor.is_at_end() {
        cursor.add(Repair::Truncated);
    }
    Ok(value)
}

/// True for a text with an unpaired quote or bracket: its other half was read as something else.
fn is_half(text: &str, within: Within) -> bool {
    let count = |c: char| text.matches(c).count();
    let quotes = count('"');
    // A final single quote is half of a pair, unless another one stands before a word.
    let ends_quotation =
        text.chars().next_back().filter(|c| matches!(c, '\'' | '`' | '’')).is_some_and(|_| {
            let mut before = ' ';
            !text.chars().any(|c| {
                let is_open = matches!(c, '\'' | '`' | '‘' | '’') && !before.is_alphanumeric();
                before = c;
                is_open
            })
        });
    (quotes > 0 && within != Within::Object)
        || quotes % 2 == 1
        || ends_quotation
        || count('“') != count('”')
        || [('(', ')'), ('[', ']'), ('{', '}')].into_iter().any(|(open, close)| count(open) > count(close))
}

/// Reads the whole text as one value: a number, a literal, or a quoted text.
pub(super) fn alone(cursor: &mut Cursor<'_>) -> Option<Value> {
    if cursor.peek().is_some_and(string::opens) {
        let (text, after) = cursor.read_consistently(string::alone).ok()?;
        *cursor = after;
        return Some(Value::String(text));
    }
    let text = cursor.rest().trim_end_matches(is_blank);
    let value = literal(text, cursor)?;
    cursor.advance(text.len());
    Some(value)
}

/// Length of a text without quotes: in a list up to the next comma, in an object up to a comma before another key.
fn length(cursor: &Cursor<'_>, within: Within) -> Result<usize, Flaw> {
    let rest = cursor.rest();
    let mut open = 0_usize;
    // True if blanks stand before the current character, and if a line end is among them.
    let mut blanks = false;
    let mut new_line = false;
    for (at, c) in rest.char_indices() {
        if is_blank(c) {
            blanks = true;
            new_line |= c == '\n';
            continue;
        }
        let is_end = match c {
            ',' if within != Within::Object => open == 0,
            ',' => {
                let behind = cursor.lookahead(at + 1);
                let mut after = behind.clone();
                let _ = after.skip();
                matches!(after.peek(), None | Some('}'))
                    || behind.is_before_key()
                    || after.is_before_next_key()
            }
            '[' | '(' => {
                open += 1;
                false
            }
            ']' | ')' if open > 0 => {
                open -= 1;
                false
            }
            ')' => within == Within::Tuple,
            '}' if within == Within::Object => true,
            ']' if within == Within::List => true,
            '}' | ']' => return Err(cursor.lookahead(at).flaw(format!("`{c}` closes nothing"))),
            // Slashes behind a blank begin a comment; others belong to an address.
            '/' => blanks && (rest[at..].starts_with("//") || rest[at..].starts_with("/*")),
            // A comma was forgotten behind a number or a literal.
            quote if within != Within::Object && blanks && string::opens(quote) => {
                at < 64 && serde_json::from_str::<Value>(rest[..at].trim_end_matches(is_blank)).is_ok()
            }
            // A comma was forgotten before the next key.
            _ => {
                within == Within::Object
                    && at > 0
                    && (new_line || blanks && string::opens(c))
                    && cursor.lookahead(at).is_before_key()
            }
        };
        if is_end {
            return Ok(at);
        }
        blanks = false;
        new_line = false;
    }
    Ok(rest.len())
}

/// True for a number or literal.
pub(super) fn is_literal(text: &str) -> bool {
    literal(text, &mut Cursor::new(text, 0, text.len())).is_some()
}

/// Reads a number or literal, in JSON's form or another one, and notes the repair.
fn literal(text: &str, cursor: &mut Cursor<'_>) -> Option<Value> {
    let (value, repair) = known(text)?;
    if let Some(repair) = repair {
        cursor.add(repair);
    }
    Some(value)
}

/// Reads a number or literal.
pub(super) fn plain(text: &str) -> Option<Value> {
    known(text).map(|(value, _)| value)
}

/// Reads a number or literal; also returns the repair, if its form is not JSON's.
fn known(text: &str) -> Option<(Value, Option<Repair>)> {
    let python = match text {
        "true" | "false" | "null" => return serde_json::from_str(text).ok().map(|value| (value, None)),
        "True" => Value::Bool(true),
        "False" => Value::Bool(false),
        "None" => Value::Null,
        number if number.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            return match serde_json::from_str(number) {
                Ok(Value::Number(number)) => Some((Value::Number(number), None)),
                _ => self::number(number).map(|number| (number, Some(Repair::Number))),
            };
        }
        _ => return None,
    };
    Some((python, Some(Repair::PythonLiteral)))
}

/// Reads Python's and JavaScript's forms of a number: `1_000`, `+5`, `.5`, `2.`.
fn number(text: &str) -> Option<Value> {
    Numeral::parse(text)?;
    let unsigned = text.trim_start_matches('+');
    let (sign, digits) = match unsigned.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unsigned),
    };
    let mut plain = digits.replace('_', "");
    if plain.starts_with('.') {
        plain.insert(0, '0');
    }
    if plain.ends_with('.') {
        plain.push('0');
    }
    match serde_json::from_str(&format!("{sign}{plain}")) {
        Ok(Value::Number(number)) => Some(Value::Number(number)),
        _ => None,
    }
}
