//! Converts values to numbers, texts, truth values and null. Every written digit of a number counts, also those that a
//! [`Number`] loses.

use karat_lm::internal::shortened;
use serde_json::{Number, Value};

use super::{Fit, Misfit, excerpt, expected};
use crate::json::{self, Location, Numeral, Repair, is_large};

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

/// Converts to a text: a number, a truth value or a list becomes the text as which it is written.
pub(super) fn text(value: &Value, location: Option<Location<'_>>) -> Result<Fit, Misfit> {
    let written = match (value, location) {
        (Value::String(_), _) => return Ok(Fit::exact(value.clone())),
        (Value::Null | Value::Object(_), _) => None,
        (_, Some(location)) => location.text(value).map(str::to_owned),
        (_, None) => Some(value.to_string()),
    };
    match written {
        // Any other type that takes the value is cheaper.
        Some(text) => Ok(Fit { cost: 2, ..Fit::mended(Value::String(text), Repair::ValueForText) }),
        None => Err(expected("a text", value)),
    }
}

pub(super) fn integer(value: &Value, location: Option<Location<'_>>, is_wide: bool) -> Result<Fit, Misfit> {
    let numeral = match value {
        Value::Number(number) if !number.is_f64() => return Ok(Fit::exact(value.clone())),
        Value::Number(number) => numeral_of(number, location),
        Value::String(text) => numeral(text),
        _ => None,
    };
    // A type that also takes floats would round the number.
    let is_lossy = value.is_f64() && value.as_f64().is_some_and(is_large);
    let misfit = || Misfit { is_lossy, ..expected_of("a whole number", value, location) };
    let digits = numeral.as_ref().and_then(Numeral::whole).ok_or_else(misfit)?;
    let repair = if value.is_string() { Repair::NumberInText } else { Repair::Number };
    if let Some(number) = serde_json::from_str(&digits).ok().filter(|number: &Number| !number.is_f64()) {
        return Ok(Fit::mended(Value::Number(number), repair));
    }
    if !is_wide || digits.parse::<i128>().is_err() && digits.parse::<u128>().is_err() {
        return Err(misfit());
    }
    // A number too large for a `Number` becomes a text of its digits, which the typed read takes.
    let is_plain = location.and_then(|location| location.text(value)).is_some_and(|text| text == digits);
    match (value, is_plain) {
        (Value::String(text), _) if *text == digits => {
            Ok(Fit { cost: 0, ..Fit::mended(Value::String(digits), Repair::NumberInText) })
        }
        (_, true) => Ok(Fit::exact(Value::String(digits))),
        (_, false) => Ok(Fit::mended(Value::String(digits), repair)),
    }
}

pub(super) fn number(value: &Value, location: Option<Location<'_>>, is_single: bool) -> Result<Fit, Misfit> {
    let what = if is_single {
        "a number that a 32-bit float can hold"
    } else {
        "a number that a 64-bit float can hold"
    };
    let lossy = || Misfit { is_lossy: true, ..expected_of(what, value, location) };
    match value {
        Value::Number(number) => match numeral_of(number, location) {
            Some(numeral) => match held(&numeral, is_single).ok_or_else(lossy)? {
                other if is_single && Some(other) != number.as_f64().map(|float| f64::from(float as f32)) => {
                    Ok(Fit::exact(other.into()))
                }
                _ => Ok(Fit::exact(value.clone())),
            },
            // Without a source text the float is all that is known.
            None if location.is_none() => Ok(Fit::exact(value.clone())),
            None => Err(lossy()),
        },
        Value::String(text) => {
            let numeral = numeral(text).ok_or_else(|| expected("a number", value))?;
            let float = held(&numeral, is_single).ok_or_else(|| expected(what, value))?;
            // A whole number stays whole.
            let whole = numeral.whole().filter(|_| !numeral.is_spelled_as_float());
            let whole = whole.and_then(|digits| serde_json::from_str::<Number>(&digits).ok());
            let number = whole.filter(|number| !number.is_f64()).or_else(|| Number::from_f64(float));
            match number {
                Some(number) => Ok(Fit::mended(Value::Number(number), Repair::NumberInText)),
                None => Err(expected(what, value)),
            }
        }
        _ => Err(expected("a number", value)),
    }
}

/// Returns the number's float, if that keeps its value.
fn held(numeral: &Numeral, is_single: bool) -> Option<f64> {
    let float = if is_single { numeral.single().map(f64::from) } else { numeral.float() };
    float.filter(|float| float.abs() < 16_777_216.0 || numeral.is_held_by(*float))
}

/// Converts to a decimal: digits that a [`Number`] would lose are kept in a text; with a pattern, as digits and a point alone.
pub(super) fn decimal(
    value: &Value,
    location: Option<Location<'_>>,
    has_pattern: bool,
) -> Result<Fit, Misfit> {
    match value {
        Value::Number(number) if !number.is_f64() => Ok(Fit::exact(value.clone())),
        Value::Number(number) => {
            let lost = || Misfit { is_lossy: true, ..expected_of("a number", value, location) };
            let text = match location {
                Some(location) => location.text(value).ok_or_else(lost)?.to_owned(),
                None => number.to_string(),
            };
            let numeral = Numeral::parse(&text).ok_or_else(lost)?;
            let own = Numeral::parse(&number.to_string());
            match has_pattern {
                true => Ok(Fit::exact(numeral.plain().unwrap_or(text).into())),
                false if own.is_some_and(|own| own.compare(&numeral).is_eq()) => {
                    Ok(Fit::exact(value.clone()))
                }
                false => Ok(Fit::exact(text.into())),
            }
        }
        Value::String(text) if has_pattern => {
            let numeral = Numeral::parse(text.trim());
            let numeral = numeral.or_else(|| Numeral::parse(&ungrouped(text.trim())?));
            let plain = numeral.and_then(|numeral| numeral.plain());
            match plain.ok_or_else(|| expected("a number", value))? {
                same if same == *text => Ok(Fit::exact(value.clone())),
                other => Ok(Fit::mended(other.into(), Repair::NumberInText)),
            }
        }
        _ => Ok(Fit::exact(value.clone())),
    }
}

/// Accepts a value of any type, if it keeps every written digit.
pub(super) fn anything(value: &Value, location: Option<Location<'_>>) -> Result<Fit, Misfit> {
    match location.and_then(|location| lost(value, location)) {
        Some(number) => {
            let message = format!("expected a number that a 64-bit float can hold, found {number}");
            Err(Misfit { message, is_lossy: true })
        }
        None => Ok(Fit::exact(value.clone())),
    }
}

/// Finds the first number in the value that lacks written digits.
fn lost(value: &Value, location: Location<'_>) -> Option<String> {
    match value {
        Value::Number(number) if number.is_f64() => {
            let is_held =
                numeral_of(number, Some(location)).is_some_and(|numeral| held(&numeral, false).is_some());
            (!is_held).then(|| excerpt_of(value, Some(location)))
        }
        Value::String(text) => location.bare_number().map(|_| shortened(text, 120)),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| lost(item, location.item(index)))
        }
        Value::Object(map) => map.iter().find_map(|(key, item)| lost(item, location.entry(key))),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// True if a float holds every digit of the [`Number`].
pub(super) fn is_exact(number: &Number) -> bool {
    let digits = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    digits.is_none_or(|digits| number.as_f64().is_some_and(|float| float as i128 == digits))
}

/// True if a float certainly holds the number, whatever its source text is.
pub(super) fn is_surely_held(number: &Number, is_single: bool) -> bool {
    let Some(float) = number.as_f64() else { return false };
    match is_single {
        // Excludes rounded whole numbers, and numbers that could be rounded twice, by way of 64 bits.
        true => {
            let is_normal = float == 0.0 || float.abs() > 1.2e-38;
            float.abs() <= 16_777_216.0 && is_normal && float.to_bits().trailing_zeros() != 28
        }
        false => is_exact(number) && !(number.is_f64() && is_large(float)),
    }
}

/// Returns the number with every digit; `None` if these are not known.
fn numeral_of(number: &Number, location: Option<Location<'_>>) -> Option<Numeral> {
    let written = location.and_then(|location| location.text(&Value::Number(number.clone())));
    match written {
        Some(text) => Numeral::parse(text),
        None if number.is_f64() && number.as_f64().is_none_or(is_large) => None,
        None => Numeral::parse(&number.to_string()),
    }
}

/// Reads a text as a number; commas or underscores may stand between groups of three digits.
fn numeral(text: &str) -> Option<Numeral> {
    let plain = ungrouped(text.trim())?;
    let one = json::find(&plain).ok()?.pop()?;
    one.value.is_number().then(|| Numeral::parse(plain.get(one.start..one.end)?))?
}

/// Removes commas or underscores between groups of three digits; `None` if they stand elsewhere.
fn ungrouped(text: &str) -> Option<String> {
    if !text.contains([',', '_']) {
        return Some(text.to_owned());
    }
    let (whole, rest) = match text.find('.') {
        Some(point) => text.split_at(point),
        None => (text, ""),
    };
    let mut groups = whole.trim_start_matches(['-', '+']).split([',', '_']);
    let is_digits = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().is_some_and(|group| is_digits(group) && group.len() <= 3);
    let is_grouped = first && groups.all(|group| is_digits(group) && group.len() == 3);
    is_grouped.then(|| whole.replace([',', '_'], "") + rest)
}

/// Like [`expected`], with numbers as they are written.
fn expected_of(what: &str, found: &Value, location: Option<Location<'_>>) -> Misfit {
    format!("expected {what}, found {}", excerpt_of(found, location)).into()
}

fn excerpt_of(value: &Value, location: Option<Location<'_>>) -> String {
    let written = location.and_then(|location| location.text(value));
    written.map_or_else(|| excerpt(value), |text| shortened(text, 120))
}
