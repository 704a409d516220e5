//! JSON to the letter, as `serde_json` reads it, and what a value does not tell of its text.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::written::is_large;

/// What strict JSON says.
pub(super) struct Read {
    pub(super) value: Value,
    /// One of its objects has a key twice: the last value counts then.
    pub(super) has_double: bool,
    /// It may have numbers of which the value does not hold every digit.
    pub(super) has_large: bool,
}

/// The value, if the text is strict JSON.
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
