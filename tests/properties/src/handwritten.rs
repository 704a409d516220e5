//! Checks values as models write them, by hand or with Python: the intended value is read, or an error is returned.

use arbitrary::{Result, Unstructured};
use serde_json::{Value, json};

use crate::{hostile, lenient};

/// Pieces of texts with intended backslashes: formulas, patterns, paths.
const BACKSLASHES: &[&str] = &[
    "\\pi",
    "\\frac{a}{b}",
    "\\beta",
    "\\bword\\b",
    "\\d+",
    "\\sum",
    "\\forall",
    "\\text",
    "\\neq",
    "\\rho",
    "\\u00e9",
    "\\underline",
    "C:\\Users",
    "\\bin",
    "\\final",
    "\\nina",
    "\\test",
    "\\\\",
    "\\/",
    "\\'",
    "\\\"",
    " ",
    "x",
    "word",
    "(",
    ")",
    "{1}",
    "+",
    "é",
];

/// Pieces of texts in which quotes come in pairs.
const QUOTES: &[&str] = &[
    "\"go\"", "\"a\"", "\"stop\"", "\"b\"", ", ", ": ", " ", "use ", "both", "1", "said ", "(", ")", ".",
    " + ", "5", "and",
];

/// Checks one value in one of these forms.
pub fn check(bytes: &[u8]) {
    let _ = one(&mut Unstructured::new(bytes));
}

fn one(u: &mut Unstructured<'_>) -> Result<()> {
    match u.int_in_range(0..=3)? {
        0 => backslashes(u),
        1 => quotes(u),
        2 => joined(u),
        _ => python(u),
    }
}

/// Reads a text as a value of any type; `None` for an error.
fn read(text: &str) -> Option<Value> {
    let found = lenient::read(text);
    // The text itself means that no value was read.
    (!found.repairs.is_empty() || serde_json::from_str::<Value>(text.trim()).is_ok()).then_some(found.value)
}

fn pieces(u: &mut Unstructured<'_>, of: &[&str], most: usize) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(1..=most)? {
        text.push_str(hostile::one(u, of)?);
    }
    Ok(text)
}

/// Checks texts with single backslashes: all stay as written, or all are decoded as in JSON.
fn backslashes(u: &mut Unstructured<'_>) -> Result<()> {
    let texts: Vec<_> =
        (0..u.int_in_range(1..=3)?).map(|_| pieces(u, BACKSLASHES, 5)).collect::<Result<_>>()?;
    let form = u.choose(&[("\"", "\""), ("'", "'"), ("“", "”"), ("\"\"\"", "\"\"\"")])?;
    // Other checks cover a backslash before the closing quote, and quotes inside of the text.
    if texts.iter().any(|text| text.ends_with('\\') || text.replace("\\\\", "").ends_with('\\')) {
        return Ok(());
    }
    let quoted: Vec<_> = texts.iter().map(|text| format!("{}{text}{}", form.0, form.1)).collect();
    let text = match u.arbitrary()? {
        true => format!("[{}]", quoted.join(", ")),
        false => {
            let entries: Vec<_> =
                quoted.iter().enumerate().map(|(at, text)| format!("\"k{at}\": {text}")).collect();
            format!("{{{}}}", entries.join(", "))
        }
    };
    let Some(value) = read(&text) else { return Ok(()) };
    let found: Vec<_> = match &value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        other => panic!("{text}: {other}"),
    };
    let found: Vec<_> = found.into_iter().filter_map(Value::as_str).collect();
    assert_eq!(found.len(), texts.len(), "{text}: {value}");
    let decoded =
        |text: &str| serde_json::from_str::<String>(&format!("\"{}\"", text.replace("\\'", "'"))).ok();
    let has_unknown = texts.iter().any(|text| decoded(text).is_none());
    for (found, text) in found.iter().zip(&texts) {
        let has_controls = text.contains("\\b") || text.contains("\\f");
        let wanted = match decoded(text) {
            Some(decoded) if !has_unknown || !has_controls => decoded,
            _ => kept(text),
        };
        assert_eq!(*found, wanted, "{text}: {value}");
    }
    Ok(())
}

/// Keeps every backslash of the text except those of escapes that are always read.
fn kept(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('"' | '\'' | '\\' | '/')) => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

/// Checks texts with unescaped quotes: each is read whole, or the value is an error.
fn quotes(u: &mut Unstructured<'_>) -> Result<()> {
    let texts = [pieces(u, QUOTES, 8)?, pieces(u, QUOTES, 8)?];
    let text = match u.arbitrary()? {
        true => format!("{{\"text\": \"{}\"}}", texts[0]),
        false => format!("{{\"text\": \"{}\", \"more\": \"{}\"}}", texts[0], texts[1]),
    };
    let Some(value) = read(&text) else { return Ok(()) };
    if serde_json::from_str::<Value>(&text).is_ok() {
        return Ok(());
    }
    assert_eq!(value["text"], texts[0], "{text}: {value}");
    assert!(value.get("more").is_none_or(|more| *more == texts[1]), "{text}: {value}");
    Ok(())
}

/// Checks texts that `+` joins.
fn joined(u: &mut Unstructured<'_>) -> Result<()> {
    let texts: Vec<_> =
        (0..u.int_in_range(2..=4)?).map(|_| pieces(u, hostile::WORDS, 3)).collect::<Result<_>>()?;
    let mut text = String::from("[");
    for (at, part) in texts.iter().enumerate() {
        let plus = hostile::one(u, &[" + ", "+", " +\n  ", "\n+ "])?;
        let quote = u.choose(&['"', '\''])?;
        text += &format!("{}{quote}{part}{quote}", if at == 0 { "" } else { plus });
    }
    text.push(']');
    let found = read(&text).unwrap_or_else(|| panic!("{text}: nothing was read"));
    assert_eq!(found, json!([texts.concat()]), "{text}");
    Ok(())
}

/// Checks values as Python prints them.
fn python(u: &mut Unstructured<'_>) -> Result<()> {
    let mut text = String::new();
    let value = printed(u, &mut text, 0)?;
    if !(value.is_array() || value.is_object()) {
        return Ok(());
    }
    let found = read(&text).unwrap_or_else(|| panic!("{text}: nothing was read"));
    assert_eq!(found, value, "{text}");
    Ok(())
}

fn printed(u: &mut Unstructured<'_>, out: &mut String, depth: usize) -> Result<Value> {
    let kind = u.int_in_range(if depth == 0 { 4..=8 } else { 0..=if depth > 4 { 3 } else { 8 } })?;
    let (open, close) = match kind {
        0 => {
            let number: i32 = u.arbitrary()?;
            out.push_str(&number.to_string());
            return Ok(number.into());
        }
        1 => {
            let (word, value) =
                u.choose(&[("True", json!(true)), ("False", json!(false)), ("None", json!(null))])?.clone();
            out.push_str(word);
            return Ok(value);
        }
        2 | 3 => {
            let text = pieces(u, hostile::WORDS, 3)?;
            out.push_str(&format!("'{text}'"));
            return Ok(text.into());
        }
        4 => ("[", "]"),
        5 | 6 => ("(", ")"),
        7 => ("{", "}"),
        _ => ("OrderedDict([", "])"),
    };
    out.push_str(open);
    let count = u.int_in_range(0..=4_usize)?;
    let (mut items, mut map) = (Vec::new(), serde_json::Map::new());
    for at in 0..count {
        if at > 0 {
            out.push_str(", ");
        }
        let key = format!("k{at}");
        match kind {
            7 => out.push_str(&format!("'{key}': ")),
            8 => out.push_str(&format!("('{key}', ")),
            _ => {}
        }
        let value = printed(u, out, depth + 1)?;
        match kind {
            7 | 8 => drop(map.insert(key, value)),
            _ => items.push(value),
        }
        if kind == 8 {
            out.push(')');
        }
    }
    if count == 1 && open == "(" {
        out.push(',');
    }
    out.push_str(close);
    Ok(if kind >= 7 { map.into() } else { items.into() })
}

/// Expected items of a text where a list is wanted: `None` if that is open, `Some(None)` for an error.
pub type Expected = Option<Option<Vec<String>>>;

/// Generates a Markdown list, nearly a list, or a word for an empty list.
pub fn lines(u: &mut Unstructured<'_>) -> Result<(String, Expected)> {
    if u.ratio(1, 6)? {
        let word = hostile::one(u, &["", "none", "None", "N/A", "null", "NULL.", "n/a.", "None."])?;
        return Ok((word.to_owned(), Some(Some(Vec::new()))));
    }
    const WORDS: &[&str] =
        &["a", "Paris (France)", "see [1]", "C + D", "{x}", "none", "1. b", "\"q\" x", "5", "é"];
    let items: Vec<_> = (0..u.int_in_range(2..=5)?).map(|_| pieces(u, WORDS, 3)).collect::<Result<_>>()?;
    let mark = *u.choose(&["-", "*", "•", ".", ")"])?;
    let unmarked = u.ratio(1, 4)?.then(|| u.choose_index(items.len())).transpose()?;
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        let before = match mark {
            _ if unmarked == Some(at) => String::new(),
            "." | ")" => format!("{}{mark} ", at + 1),
            mark => format!("{mark} "),
        };
        text += &format!("{before}{item}{}", hostile::one(u, &["\n", "\r\n", "\n\n", " \n"])?);
    }
    // An unmarked `1. b` may fit the numbers around it.
    let is_clear =
        unmarked.is_none_or(|at| mark != "." || !items.get(at).is_some_and(|item| item.starts_with("1. b")));
    Ok((text, is_clear.then_some(unmarked.is_none().then_some(items))))
}
