//! Numbers, truth values and null in other words.

use serde_json::{Number, Value};

use super::{Fit, Misfit, expected};
use crate::json::{self, Repair};

pub(super) fn null(value: &Value) -> Result<Fit, Misfit> {
    match value {
        Value::Null => Ok(Fit::exact(Value::Null)),
        Value::String(text) if ["null", "none", "n/a"].contains(&text.trim().to_lowercase().as_str()) => {
            Ok(Fit::mended(Value::Null, Repair::Word))
        }
        _ => Err(expected("null", value)),
    }
}

pub(super) fn boolean(value: &Value) -> Result<Fit, Misfit> {
    let word = match value {
        Value::Bool(_) => return Ok(Fit::exact(value.clone())),
        Value::String(text) => text.trim().trim_end_matches('.').to_lowercase(),
        _ => return Err(expected("true or false", value)),
    };
    match word.as_str() {
        "true" | "yes" => Ok(Fit::mended(true.into(), Repair::Word)),
        "false" | "no" => Ok(Fit::mended(false.into(), Repair::Word)),
        _ => Err(expected("true or false", value)),
    }
}

pub(super) fn integer(value: &Value) -> Result<Fit, Misfit> {
    let whole = |number: &Number| {
        if number.is_i64() || number.is_u64() {
            return Some(number.clone());
        }
        // Beyond 2^53 a float no longer says which whole number it is.
        let float =
            number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0)?;
        Some(Number::from(float as i64))
    };
    match value {
        Value::Number(number) => match whole(number) {
            Some(same) if same == *number => Ok(Fit::exact(value.clone())),
            Some(other) => Ok(Fit::mended(Value::Number(other), Repair::Number)),
            None => Err(expected("a whole number", value)),
        },
        Value::String(text) => match numeral(text).as_ref().and_then(whole) {
            Some(number) => Ok(Fit::mended(Value::Number(number), Repair::NumberInText)),
            None => Err(expected("a whole number", value)),
        },
        _ => Err(expected("a whole number", value)),
    }
}

pub(super) fn number(value: &Value) -> Result<Fit, Misfit> {
    match value {
        Value::Number(number) if is_exact(number) => Ok(Fit::exact(value.clone())),
        Value::Number(_) => {
            let misfit = expected("a number that a 64-bit float can hold", value);
            Err(Misfit { is_lossy: true, ..misfit })
        }
        Value::String(text) => match numeral(text).filter(is_exact) {
            Some(number) => Ok(Fit::mended(Value::Number(number), Repair::NumberInText)),
            None => Err(expected("a number", value)),
        },
        _ => Err(expected("a number", value)),
    }
}

/// False for a whole number of which a float cannot hold every digit: it would say another one.
pub(super) fn is_exact(number: &Number) -> bool {
    let digits = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    digits.is_none_or(|digits| number.as_f64().is_some_and(|float| float as i128 == digits))
}

/// The number that a text is, with commas or underscores between groups of three digits.
fn numeral(text: &str) -> Option<Number> {
    let text = text.trim();
    let plain = match text.contains([',', '_']) {
        true => {
            let (whole, rest) = match text.find('.') {
                Some(point) => text.split_at(point),
                None => (text, ""),
            };
            let mut groups = whole.trim_start_matches(['-', '+']).split([',', '_']);
            let is_digits =
                |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
            let first = groups.next().is_some_and(|group| is_digits(group) && group.len() <= 3);
            if !first || !groups.all(|group| is_digits(group) && group.len() == 3) {
                return None;
            }
            whole.replace([',', '_'], "") + rest
        }
        false => text.to_owned(),
    };
    match json::find(&plain).ok()?.pop()?.value {
        Value::Number(number) => Some(number),
        _ => None,
    }
}
