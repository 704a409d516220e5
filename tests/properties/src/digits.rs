//! Checks numbers in odd spellings: the exact value is read, or an error is returned.

use std::{borrow::Cow, sync::LazyLock};

use arbitrary::{Result, Unstructured};
use karat::{Predict, signature};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{hostile, whole::Whole};

/// A number type that keeps its digits, as types for decimals do.
#[derive(Clone, Debug, Serialize)]
pub struct Exact(String);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            other => Err(serde::de::Error::custom(other)),
        }
    }
}

impl JsonSchema for Exact {
    fn schema_name() -> Cow<'static, str> {
        "Exact".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number"], "pattern": r"^-?\d+(\.\d+)?([eE]\d+)?$" })
    }
}

macro_rules! readers {
    ($($name:ident: $type:ty;)*) => {$(
        fn $name(text: &str) -> Option<$type> {
            #[signature]
            struct One {
                #[input]
                none: (),
                #[output]
                value: $type,
            }

            static READER: LazyLock<Predict<One>> = LazyLock::new(|| Predict::new().adapter(Whole::default()));
            READER.parse(&OneInput { none: () }, text).ok().map(|one| one.value)
        }
    )*};
}

readers! {
    whole: i64;
    small: u8;
    wide: i128;
    unsigned: u128;
    wides: Vec<i128>;
    double: f64;
    single: f32;
    exact: Exact;
    exacts: Vec<Option<Exact>>;
    texts: Vec<String>;
    anything: Value;
}

/// Parses a number: sign, digits without zeros at either end, and exponent of ten.
fn number(text: &str) -> (bool, String, i64) {
    let text = text.replace('_', "").to_lowercase();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let unsigned = mantissa.trim_start_matches(['-', '+']);
    let (before, behind) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{before}{behind}");
    let cut = digits.trim_end_matches('0');
    let shift = exponent.parse::<i64>().unwrap() - behind.len() as i64 + (digits.len() - cut.len()) as i64;
    match cut.trim_start_matches('0') {
        "" => (false, String::new(), 0),
        digits => (text.starts_with('-'), digits.to_owned(), shift),
    }
}

/// Generates a number, in JSON's form or another one.
fn spelling(u: &mut Unstructured<'_>) -> Result<String> {
    let mut out = String::from(hostile::one(u, &["", "", "-", "+"])?);
    let length = u.int_in_range(0..=40)?;
    for at in 0..length {
        let digit = u.int_in_range(if at == 0 { 1..=9 } else { 0..=9 })?;
        out.push_str(&digit.to_string());
        if at + 1 < length && u.ratio(1, 30)? {
            out.push('_');
        }
    }
    let has_point = u.ratio(1, 2)?;
    if length == 0 && !has_point {
        out.push('0');
    }
    if has_point {
        out.push('.');
        let zeros = u.int_in_range(0..=4)?;
        out.push_str(&"0".repeat(zeros));
        let behind = if u.ratio(1, 2)? { 0 } else { u.int_in_range(0..=30)? };
        for _ in 0..behind {
            out.push_str(&u.int_in_range(0..=9)?.to_string());
        }
        if length + zeros + behind == 0 {
            out.push('0');
        }
    }
    if u.ratio(1, 4)? && !out.ends_with('.') {
        out.push_str(hostile::one(u, &["e", "E", "e+", "e-"])?);
        out.push_str(&u.int_in_range(0..=420)?.to_string());
    }
    Ok(out)
}

/// Writes the number as digits alone, if it is whole and has at most `most` digits.
fn digits((is_negative, digits, shift): &(bool, String, i64), most: usize) -> Option<String> {
    let zeros = usize::try_from(*shift).ok().filter(|zeros| digits.len() + zeros <= most)?;
    let sign = if *is_negative { "-" } else { "" };
    Some(if digits.is_empty() { "0".into() } else { format!("{sign}{digits}{}", "0".repeat(zeros)) })
}

/// Reads a generated number as each of the types.
pub(crate) fn check(bytes: &[u8]) {
    let u = &mut Unstructured::new(bytes);
    let Ok(text) = spelling(u) else { return };
    let right = number(&text);
    let all = digits(&right, 400);
    let integer = digits(&right, 39);
    assert_eq!(whole(&text), integer.as_ref().and_then(|digits| digits.parse().ok()), "{text}");
    assert_eq!(small(&text), integer.as_ref().and_then(|digits| digits.parse().ok()), "{text}");
    assert_eq!(unsigned(&text), integer.as_ref().and_then(|digits| digits.parse().ok()), "{text}");
    let value: Option<i128> = integer.and_then(|digits| digits.parse().ok());
    assert_eq!(wide(&text), value, "{text}");
    let quoted = wide(&format!("\"{text}\""));
    // Between quotes, underscores must separate groups of three digits.
    assert!(quoted == value || quoted.is_none() && text.contains('_'), "{text}: {quoted:?} between quotes");
    assert_eq!(wides(&format!("[{text}, 7,]")), value.map(|value| vec![value, 7]), "{text}");
    let clean = text.replace('_', "");
    let has_exponent = clean.contains(['e', 'E']);
    let is_held =
        |digits: String| all.as_ref().is_none_or(|all| has_exponent || *all == digits.replace("-0", "0"));
    let (float, short): (f64, f32) = (clean.parse().unwrap(), clean.parse().unwrap());
    let is_good = float.is_finite() && is_held(format!("{float:.0}"));
    match double(&text) {
        Some(value) => assert!(
            is_good && value.to_bits() == float.to_bits() || value == 0.0 && float == 0.0,
            "{text}: {value}"
        ),
        None => assert!(!is_good || has_exponent, "{text}: refused"),
    }
    let is_good = short.is_finite() && is_held(format!("{:.0}", f64::from(short)));
    match single(&text) {
        Some(value) => assert!(
            is_good && value.to_bits() == short.to_bits() || value == 0.0 && short == 0.0,
            "{text}: {value}"
        ),
        None => assert!(!is_good || has_exponent, "{text}: refused"),
    }
    let is_short = right.2.unsigned_abs() < 300;
    for found in [exact(&text), exacts(&format!("[{text}]")).and_then(|mut all| all.pop()?)] {
        match found {
            Some(Exact(found)) => assert_eq!(number(&found), right, "{text}: {found}"),
            None => assert!(!is_short, "{text}: refused"),
        }
    }
    assert_eq!(texts(&format!("[\"a\", {text}, true]")).unwrap(), ["a", &text, "true"], "{text}");
    match anything(&format!("[{text}]")).map(|list| list[0].clone()) {
        Some(Value::Number(found)) if found.is_f64() => {
            assert!(float.is_finite() && is_held(format!("{float:.0}")), "{text}: {found}");
        }
        Some(found) => assert_eq!(number(&found.to_string()), right, "{text}: {found}"),
        None => {}
    }
}
