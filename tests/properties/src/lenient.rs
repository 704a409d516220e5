//! The one JSON value of a text: found, mended where that is no guess, and nothing added or left out.

use std::sync::{LazyLock, Mutex, PoisonError};

use karat::{
    Predict,
    field::{FieldValue, Repair},
    signature,
};
use serde_json::Value;

use crate::{explain, hostile, whole::Whole, written};

#[signature]
struct Any {
    #[input]
    none: (),
    #[output]
    value: Value,
}

/// What karat reads where anything is wanted: the value of the text, or the text itself.
pub fn read(text: &str) -> FieldValue {
    static READER: LazyLock<(Predict<Any>, Whole)> = LazyLock::new(|| {
        let adapter = Whole::default();
        (Predict::new().adapter(adapter.clone()), adapter)
    });
    // One at a time: tests run side by side.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (predict, adapter) = &*READER;
    // A float that would lack digits of a whole number is refused.
    if let Err(error) = predict.parse(&AnyInput { none: () }, text) {
        assert!(error.to_string().contains("a number that a 64-bit float can hold"), "{text}: {error}");
    }
    adapter.take().unwrap_or_else(|| panic!("{text}: nothing was read"))
}

/// The value of a text that is valid JSON in which no key stands twice in one object.
pub fn strict(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    // As many texts as there are between quotes, if none was dropped.
    (count(&value) == strings(text)).then_some(value)
}

fn count(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(|value| 1 + count(value)).sum(),
        _ => 0,
    }
}

/// How many texts stand between quotes in a valid text.
fn strings(text: &str) -> usize {
    let mut quotes = 0;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => quotes += 1,
            _ => {}
        }
    }
    quotes / 2
}

/// Equal to the last bit and in the order of keys.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b && a.as_f64().map(f64::to_bits) == b.as_f64().map(f64::to_bits)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((key, a), (other, b))| key == other && same(a, b))
        }
        _ => a == b,
    }
}

/// Reads any text.
pub fn check(bytes: &[u8]) {
    if let Some((192..=255, rest)) = bytes.split_first() {
        return written::check(rest);
    }
    let text = hostile::either(bytes);
    let found = read(&text);
    assert_eq!(read(&text), found, "{text}: read twice");
    if let Ok(strict) = serde_json::from_str::<Value>(text.trim()) {
        assert!(same(&found.value, &strict), "{text}: {} in place of {strict}", found.value);
        // A key may stand twice: the last value counts, and that is noted.
        assert!(
            found.repairs.iter().all(|repair| matches!(repair, Repair::DoubleKey | Repair::DoubtfulEscape)),
            "{text}: {:?}",
            found.repairs
        );
        return;
    }
    if found.repairs.is_empty() {
        // Nothing was found: the text itself.
        assert!(found.value.is_string(), "{text:?}: {} with nothing mended", found.value);
        return;
    }
    assert!(!found.repairs.contains(Repair::Truncated), "{text}: {} of half a value", found.value);
    // Such a text stands in pieces.
    if found.repairs.contains(Repair::Joined) {
        return;
    }
    if let Some(part) = explain::unexplained(&found.value, &text) {
        panic!("{text}: where is `{part}` of {}?", found.value);
    }
    if let Some(word) = lost(&found, &text) {
        panic!("{text}: `{word}` is lost in {}", found.value);
    }
}

/// A word of the text that the value lacks, where the value should be all of the text.
fn lost(found: &FieldValue, text: &str) -> Option<String> {
    let may_lose = [
        Repair::Fence,
        Repair::Prose,
        Repair::Comment,
        Repair::DoubleKey,
        Repair::PythonLiteral,
        Repair::Number,
    ];
    if may_lose.iter().any(|repair| found.repairs.contains(*repair)) || text.contains('\\') {
        return None;
    }
    let kept = found.value.to_string();
    let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() > 2);
    words.filter(|word| !kept.contains(*word)).map(str::to_owned).next()
}
