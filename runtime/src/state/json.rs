//! Reads JSON without loss: a key that stands twice in an object is an error and not a silent choice.

use std::fmt;

use karat_lm::internal::shortened;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// An object whose keys stand once each, at every depth.
pub(super) fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match Unique.deserialize(deserializer)? {
        Value::Object(object) => Ok(object),
        other => Err(Error::custom(format!(
            "expected an object with one entry per predictor, found {}",
            kind(&other)
        ))),
    }
}

/// True if objects and lists lie in it more than `most` levels deep, itself included.
pub(super) fn is_deeper_than(value: &Value, most: usize) -> bool {
    // Not by recursion, which could overflow the stack.
    let mut open = vec![(value, 1)];
    while let Some((value, depth)) = open.pop() {
        let inner: Box<dyn Iterator<Item = &Value>> = match value {
            Value::Array(items) => Box::new(items.iter()),
            Value::Object(object) => Box::new(object.values()),
            _ => continue,
        };
        if depth > most {
            return true;
        }
        open.extend(
            inner.filter(|value| value.is_array() || value.is_object()).map(|value| (value, depth + 1)),
        );
    }
    false
}

/// What kind of value it is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// An [`object`] by itself, for readers that need a type.
pub(super) struct Object(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Unique)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                let key = shortened(&key, 100);
                return Err(A::Error::custom(format!(
                    "the key `{key}` stands twice in one object: keep one"
                )));
            }
            object.insert(key, entries.next_value_seed(Unique)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
        serde_json::from_str::<Object>(text).map(|object| object.0)
    }

    #[test]
    fn json_reads_as_serde_json_reads_it() {
        let text = r#"{"a": [null, true, -1, 18446744073709551615, 0.1, "x"], "b": {"c": {}}}"#;
        assert_eq!(Value::Object(read(text).unwrap()), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn depth_is_counted_as_serde_json_counts_it() {
        for depth in [1, 2, 126, 127, 128, 129] {
            let value = (1..depth).fold(json!([]), |inner, _| json!([inner]));
            let is_read = serde_json::from_str::<Value>(&value.to_string()).is_ok();
            assert_eq!(is_deeper_than(&value, 127), !is_read, "{depth}");
        }
        assert!(!is_deeper_than(&json!("x"), 0));
    }

    #[test]
    fn a_key_twice_is_an_error_at_any_depth() {
        for text in [r#"{"a": 1, "a": 1}"#, r#"{"a": [{"b": 1, "b": 2}]}"#, r#"{"b": 1, "\u0062": 2}"#] {
            assert!(read(text).unwrap_err().to_string().contains("stands twice"), "{text}");
        }
    }
}
