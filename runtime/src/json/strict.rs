//! Reads strict JSON with `serde_json`, and notes double keys and large numbers, which a `Value` does not show.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::written::is_large;

/// A value of strict JSON, with facts about its text.
pub(super) struct Read {
    pub(super) value: Value,
    /// True if one of its objects has a key twice; the last value counts.
    pub(super) has_double: bool,
    /// True if `value` may lack digits of a number in the text.
    pub(super) has_large: bool,
}

/// Reads the text, if it is strict JSON.
pub(super) fn read(text: &str) -> Option<Read> {
    let (has_double, has_large) = (Cell::new(false), Cell::new(false));
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let reader = Reader { has_double: &has_double, has_large: &has_large };
    let value = reader.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(Read { value, has_double: has_double.get(), has_large: has_large.get() })
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    has_double: &'a Cell<bool>,
    has_large: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if is_large(value) {
            self.has_large.set(true);
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number without a value"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            if map.insert(key, value).is_some() {
                self.has_double.set(true);
            }
        }
        Ok(Value::Object(map))
    }
}
