//! Checks the lenient parser: it finds the one JSON value of a text, mends it without guessing, and neither adds nor drops anything.

use std::sync::{LazyLock, Mutex, PoisonError};

use karat::{
    Predict,
    field::{FieldValue, Repair},
    signature,
};
use serde_json::Value;

use crate::{explain, handwritten, hostile, whole::Whole};

#[signature]
struct Any {
    #[input]
    none: (),
    #[output]
    value: Value,
}

/// Reads a text as a value of any type: its JSON value, or the text itself.
pub fn read(text: &str) -> FieldValue {
    static READER: LazyLock<(Predict<Any>, Whole)> = LazyLock::new(|| {
        let adapter = Whole::default();
        (Predict::new().adapter(adapter.clone()), adapter)
    });
    // Calls are serialized: tests run side by side.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (predict, adapter) = &*READER;
    // A float that would lose digits of a whole number is refused.
    if let Err(error) = predict.parse(&AnyInput { none: () }, text) {
        assert!(error.to_string().contains("a number that a 64-bit float can hold"), "{text}: {error}");
    }
    adapter.take().unwrap_or_else(|| panic!("{text}: nothing was read"))
}

/// Reads valid JSON, unless an object in it has a key twice.
pub fn strict(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    // The value has as many texts as the source has quoted ones, if none was dropped.
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

/// Counts the quoted texts of valid JSON.
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

/// True if two values are equal to the last bit, with keys in the same order.
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
        return handwritten::check(rest);
    }
    let text = hostile::either(bytes);
    let found = read(&text);
    assert_eq!(read(&text), found, "{text}: read twice");
    if let Ok(strict) = serde_json::from_str::<Value>(text.trim()) {
        assert!(same(&found.value, &strict), "{text}: {} in place of {strict}", found.value);
        // An object may have a key twice: the last value counts, and that is noted.
        assert!(
            found.repairs.iter().all(|repair| matches!(repair, Repair::DoubleKey | Repair::DoubtfulEscape)),
            "{text}: {:?}",
            found.repairs
        );
        return;
    }
    if found.repairs.is_empty() {
        // No value was found: the text itself is returned.
        assert!(found.value.is_string(), "{text:?}: {} with nothing mended", found.value);
        return;
    }
    assert!(!found.repairs.contains(Repair::Truncated), "{text}: {} of half a value", found.value);
    // Such a text stands there in pieces.
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

/// Finds a word of the text that the value lacks, if the value should be the whole text.
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
