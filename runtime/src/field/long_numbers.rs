//! Detects numbers with more digits than their type keeps: types for decimals silently round them.

use karat_lm::internal::shortened;
use serde_json::Value;

use crate::json::Numeral;

/// Significant digits that every type for decimals keeps.
const DIGITS: usize = 28;

/// True for a number with more digits than every decimal type keeps.
pub(super) fn is_one(text: &str) -> bool {
    let is_possible =
        text.len() > DIGITS && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    is_possible && Numeral::parse(text).is_some_and(|numeral| numeral.significant() > DIGITS)
}

/// Describes the first long number in the value that its type changes.
pub(super) fn changed(value: &Value, written: &Value) -> Option<String> {
    match (value, written) {
        (Value::String(text), other) if is_one(text) => {
            let other = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            let is_other = Numeral::parse(text)?.compare(&Numeral::parse(&other)?).is_ne();
            let found = shortened(text, 120);
            is_other.then(|| {
                format!("expected a number that its type can hold, found {found}, which it makes {other}")
            })
        }
        (Value::Array(items), Value::Array(others)) => {
            items.iter().zip(others).find_map(|(item, other)| changed(item, other))
        }
        (Value::Object(map), Value::Object(others)) => {
            map.iter().find_map(|(key, value)| changed(value, others.get(key)?))
        }
        _ => None,
    }
}
