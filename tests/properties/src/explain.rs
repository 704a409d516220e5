//! Checks that a value stands in the text that it was read from: nothing is invented.

use serde_json::Value;

/// Finds a part of the value that does not stand in the text.
pub fn unexplained(value: &Value, text: &str) -> Option<String> {
    match value {
        Value::Null => (!["null", "None"].iter().any(|word| text.contains(word))).then(|| "null".into()),
        Value::Bool(truth) => {
            let words = if *truth { ["true", "True"] } else { ["false", "False"] };
            (!words.iter().any(|word| text.contains(word))).then(|| truth.to_string())
        }
        Value::Number(number) => {
            let wanted = number.as_f64().map(f64::to_bits);
            (!numbers(text).any(|found| Some(found.to_bits()) == wanted)).then(|| number.to_string())
        }
        Value::String(part) => (!occurs(part, text)).then(|| part.clone()),
        Value::Array(items) => items.iter().find_map(|item| unexplained(item, text)),
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            (!occurs(key, text)).then(|| key.clone()).or_else(|| unexplained(value, text))
        }),
    }
}

/// True if the text contains this part, as written or with JSON's escapes decoded.
pub fn occurs(part: &str, text: &str) -> bool {
    text.contains(part)
        || text.contains('\\')
            && text.char_indices().any(|(at, _)| {
                let mut wanted = part.chars();
                let mut rest = &text[at..];
                loop {
                    let Some(c) = wanted.next() else { return true };
                    let Some((decoded, length)) = first(rest) else { return false };
                    // An escape that does not fit may stay as written.
                    if decoded == c {
                        rest = &rest[length..];
                    } else if rest.starts_with(c) {
                        rest = &rest[c.len_utf8()..];
                    } else {
                        return false;
                    }
                }
            })
}

/// Decodes the first character of a text with escapes, with its length.
fn first(text: &str) -> Option<(char, usize)> {
    let raw = text.chars().next()?;
    let plain = (raw, raw.len_utf8());
    let Some(escape) = text.strip_prefix('\\').and_then(|rest| rest.chars().next()) else {
        return Some(plain);
    };
    let decoded = match escape {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '"' | '\\' | '/' | '\'' | '`' | '“' | '”' | '‘' | '’' => {
            return Some((escape, 1 + escape.len_utf8()));
        }
        'u' => return Some([12, 6].into_iter().find_map(|length| unicode(text, length)).unwrap_or(plain)),
        _ => return Some(plain),
    };
    Some((decoded, 2))
}

fn unicode(text: &str, length: usize) -> Option<(char, usize)> {
    let quoted = format!("\"{}\"", text.get(..length)?);
    let decoded: String = serde_json::from_str(&quoted).ok()?;
    let mut chars = decoded.chars();
    chars.next().filter(|_| chars.next().is_none()).map(|c| (c, length))
}

/// Finds the numbers in a text, in JSON's form or Python's.
fn numbers(text: &str) -> impl Iterator<Item = f64> {
    let is_part = |c: char| c.is_ascii_digit() || "+-._eE".contains(c);
    text.split(move |c| !is_part(c)).filter(|run| !run.is_empty()).flat_map(|run| {
        let plain = run.replace('_', "");
        // JSON reads an integer in another way than a float, with the same value.
        (0..plain.len()).filter_map(move |at| plain.get(at..)?.parse::<f64>().ok()).collect::<Vec<_>>()
    })
}
