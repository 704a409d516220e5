//! Checks that valid JSON is read as `serde_json` reads it.

use arbitrary::{Result, Unstructured};
use karat::field::Repair;
use serde_json::Value;

use crate::{hostile, lenient};

/// Reads a generated valid text, alone and in a code block.
pub fn check(bytes: &[u8]) {
    let Ok(text) = text(&mut Unstructured::new(bytes)) else { return };
    let strict: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let found = lenient::read(&text);
    assert!(lenient::same(&found.value, &strict), "{text}: {} in place of {strict}", found.value);
    // An object may have a key twice: the last value counts, and that is noted.
    assert!(
        found.repairs.iter().all(|repair| matches!(repair, Repair::DoubleKey | Repair::DoubtfulEscape)),
        "{text}: {:?}",
        found.repairs
    );
    // Each character behind a backslash, and the one after it.
    let plain = text.replace("\\\\", "##");
    let is_doubtful = |(at, _): (usize, &str)| plain[at + 2..].starts_with(char::is_alphabetic);
    let is_doubtful = ["\\b", "\\f"].iter().any(|escape| plain.match_indices(escape).any(is_doubtful));
    assert_eq!(found.repairs.contains(Repair::DoubtfulEscape), is_doubtful, "{text}");
    // Between prose the lenient parser reads the same, but it refuses a key with two values, which `serde_json` takes.
    let alone = lenient::strict(&text);
    if alone.is_some_and(|value| value.is_object() || value.is_array()) {
        for framed in [format!("```json\n{text}\n```"), format!("So: {text}\nThat is it.")] {
            let found = lenient::read(&framed);
            assert!(lenient::same(&found.value, &strict), "{framed}: {} in place of {strict}", found.value);
        }
    }
}

/// Generates valid JSON.
pub fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let mut out = String::new();
    blank(u, &mut out)?;
    if u.ratio(1, 40)? {
        let depth = u.int_in_range(1..=126_usize)?;
        let mut close = String::new();
        for _ in 0..depth {
            match u.arbitrary()? {
                true => out.push('['),
                false => out.push_str("{\"a\":"),
            }
            close.insert(0, if out.ends_with('[') { ']' } else { '}' });
        }
        value(u, &mut out, 126)?;
        out.push_str(&close);
    } else {
        value(u, &mut out, 0)?;
    }
    blank(u, &mut out)?;
    Ok(out)
}

/// Generates valid JSON with a few pieces added, doubled or removed.
pub fn damaged(u: &mut Unstructured<'_>) -> Result<String> {
    let mut out = text(u)?;
    for _ in 0..u.int_in_range(1..=4)? {
        let (a, b) = (place(u, &out)?, place(u, &out)?);
        let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 12));
        let to = (to..=out.len()).find(|to| out.is_char_boundary(*to)).unwrap_or(out.len());
        match u.int_in_range(0..=5)? {
            0 | 1 => out.insert_str(from, hostile::one(u, hostile::SYNTAX)?),
            2 => out.insert_str(from, hostile::one(u, hostile::UNICODE)?),
            3 => out.truncate(to),
            4 => drop(out.drain(from..to)),
            _ => {
                let part = out[from..to].to_owned();
                out.insert_str(from, &part);
            }
        }
    }
    Ok(out)
}

fn place(u: &mut Unstructured<'_>, text: &str) -> Result<usize> {
    let at = u.int_in_range(0..=text.len())?;
    Ok((at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len()))
}

fn blank(u: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    if u.ratio(1, 4)? {
        out.push_str(hostile::one(u, &[" ", "\n", "\r\n", "\t", "  "])?);
    }
    Ok(())
}

fn value(u: &mut Unstructured<'_>, out: &mut String, depth: usize) -> Result<()> {
    let most = if depth > 5 { 5 } else { 8 };
    match u.int_in_range(0..=most)? {
        0 => out.push_str(hostile::one(u, &["null", "true", "false"])?),
        1 | 2 => number(u, out)?,
        3..=5 => string(u, out)?,
        6 => items(u, out, depth, '[')?,
        _ => items(u, out, depth, '{')?,
    }
    Ok(())
}

fn items(u: &mut Unstructured<'_>, out: &mut String, depth: usize, open: char) -> Result<()> {
    out.push(open);
    for index in 0..u.int_in_range(0..=5)? {
        if index > 0 {
            out.push(',');
        }
        blank(u, out)?;
        if open == '{' {
            // About one key in ten stands twice.
            match u.ratio(1, 10)? {
                true => out.push_str("\"a\""),
                false => string(u, out)?,
            }
            blank(u, out)?;
            out.push(':');
            blank(u, out)?;
        }
        value(u, out, depth + 1)?;
        blank(u, out)?;
    }
    out.push(if open == '{' { '}' } else { ']' });
    Ok(())
}

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "0.1",
    "1e308",
    "-1e308",
    "1.7976931348623157e308",
    "5e-324",
    "2.2250738585072011e-308",
    "1e-400",
    "0e999",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "1E+2",
    "1.0",
    "100000000000000000000.0",
    "0.30000000000000004",
    "3.141592653589793238462643",
    "9007199254740993.0",
    "170141183460469231731687303715884105727",
    "1.50",
    "1e23",
    "1e3",
    "1.0000000596046448",
];

fn number(u: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    match u.int_in_range(0..=4)? {
        0 | 1 => out.push_str(hostile::one(u, NUMBERS)?),
        2 => out.push_str(&u.arbitrary::<i64>()?.to_string()),
        3 => out.push_str(&u.arbitrary::<i8>()?.to_string()),
        _ => {
            let float: f64 = u.arbitrary()?;
            let number = serde_json::Number::from_f64(float);
            out.push_str(&number.map_or("1.5".into(), |number| number.to_string()));
        }
    }
    Ok(())
}

const ESCAPES: &[&str] =
    &["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\frac", "\\beta", "\\\\beta", "\\\\d"];

fn string(u: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push('"');
    for _ in 0..u.int_in_range(0..=5)? {
        match u.int_in_range(0..=7)? {
            0 => out.push_str(hostile::one(u, ESCAPES)?),
            1 => {
                let c: char = u.arbitrary()?;
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let digits = format!("{unit:04x}");
                    out.push_str("\\u");
                    out.push_str(&if u.arbitrary()? { digits.to_uppercase() } else { digits });
                }
            }
            2 => out.push_str("\\ud83e\\udd80"),
            3 => quoted(hostile::one(u, hostile::UNICODE)?, out),
            4 => quoted(hostile::one(u, hostile::SYNTAX)?, out),
            5 => quoted(&u.arbitrary::<char>()?.to_string(), out),
            _ => out.push_str(hostile::one(u, hostile::WORDS)?),
        }
    }
    out.push('"');
    Ok(())
}

/// Writes the text as in JSON, without the quotes.
fn quoted(text: &str, out: &mut String) {
    let quoted = Value::from(text).to_string();
    out.push_str(&quoted[1..quoted.len() - 1]);
}
