//! Converts Rust values to JSON, the same in every process: map entries are sorted by key, since a `HashMap` has another order in
//! each process; the fields of a struct, and a JSON [`Value`], keep their order.

use std::{any::type_name, cmp::Ordering};

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Map, Value, value::Serializer as Plain};

type Result<T = Value> = std::result::Result<T, Error>;

/// Converts the value to JSON.
///
/// # Errors
/// The value has no JSON form, e.g. a map whose keys are lists.
pub(crate) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result {
    match is_json::<T>() {
        true => value.serialize(Plain),
        false => value.serialize(Sorted),
    }
}

/// True for serde_json's own types, whose order is meant. Types that only contain them are sorted.
fn is_json<T: ?Sized>() -> bool {
    let name = type_name::<T>().trim_start_matches('&');
    name == type_name::<Value>() || name == type_name::<Map<String, Value>>()
}

/// Orders keys: whole numbers by value, before all other keys.
fn by_key((a, _): &(String, Value), (b, _): &(String, Value)) -> Ordering {
    match (a.parse::<i128>(), b.parse::<i128>()) {
        (Ok(one), Ok(other)) => one.cmp(&other).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

/// Writes an enum's variant: its value under its name.
fn form(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

struct Sorted;

macro_rules! as_they_are {
    ($($method:ident($kind:ty);)*) => {
        $(fn $method(self, value: $kind) -> Result {
            Plain.$method(value)
        })*
    };
}

impl Serializer for Sorted {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    as_they_are! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit_struct(&'static str);
    }

    fn serialize_i128(self, number: i128) -> Result {
        // A `Value` holds no number of more than 64 bits: the digits stand in a text.
        Ok(i64::try_from(number).map_or_else(|_| Value::from(number.to_string()), Value::from))
    }

    fn serialize_u128(self, number: u128) -> Result {
        Ok(u64::try_from(number).map_or_else(|_| Value::from(number.to_string()), Value::from))
    }

    fn serialize_none(self) -> Result {
        Ok(Value::Null)
    }

    fn serialize_unit(self) -> Result {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        to_value(value)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        to_value(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        Ok(form(variant, to_value(value)?))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items> {
        Ok(Items { variant: None, items: Vec::with_capacity(length.unwrap_or(0).min(MOST)) })
    }

    fn serialize_tuple(self, length: usize) -> Result<Items> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items> {
        Ok(Items { variant: Some(variant), ..self.serialize_seq(Some(length))? })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries> {
        Ok(Entries { key: None, entries: Vec::with_capacity(length.unwrap_or(0).min(MOST)) })
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Fields> {
        Ok(match name.starts_with("$serde_json::private::") {
            true => Fields::Own(Plain.serialize_struct(name, length)?),
            false => Fields::Map { variant: None, map: Map::with_capacity(length) },
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Fields> {
        Ok(Fields::Map { variant: Some(variant), map: Map::with_capacity(length) })
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result {
        Plain.collect_str(value)
    }
}

/// Most items for which a type's length hint reserves memory.
const MOST: usize = 4096;

/// A list or a tuple.
struct Items {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

impl Items {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.items.push(to_value(value)?);
        Ok(())
    }

    fn all(self) -> Value {
        let items = Value::Array(self.items);
        match self.variant {
            Some(variant) => form(variant, items),
            None => items,
        }
    }
}

macro_rules! items {
    ($($kind:ident::$add:ident;)*) => {
        $(impl $kind for Items {
            type Ok = Value;
            type Error = Error;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.add(value)
            }

            fn end(self) -> Result {
                Ok(self.all())
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

/// A map.
struct Entries {
    key: Option<String>,
    entries: Vec<(String, Value)>,
}

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        // serde_json decides what may be a key, and how it is written.
        let mut one = Plain.serialize_map(Some(1))?;
        one.serialize_entry(key, &())?;
        self.key = match SerializeMap::end(one)? {
            Value::Object(map) => map.into_iter().next().map(|(key, _)| key),
            _ => None,
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = self.key.take().unwrap_or_default();
        self.entries.push((key, to_value(value)?));
        Ok(())
    }

    fn end(mut self) -> Result {
        // Stable, so that of two equal keys the last one counts, as everywhere.
        self.entries.sort_by(by_key);
        Ok(Value::Object(self.entries.into_iter().collect()))
    }
}

/// A struct.
enum Fields {
    Map {
        variant: Option<&'static str>,
        map: Map<String, Value>,
    },
    /// A struct of serde_json's own, such as a number of any length.
    Own(<Plain as Serializer>::SerializeStruct),
}

macro_rules! fields {
    ($($kind:ident)*) => {
        $(impl $kind for Fields {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                match self {
                    Self::Map { map, .. } => drop(map.insert(name.to_owned(), to_value(value)?)),
                    Self::Own(own) => SerializeStruct::serialize_field(own, name, value)?,
                }
                Ok(())
            }

            fn end(self) -> Result {
                match self {
                    Self::Map { variant: Some(variant), map } => Ok(form(variant, Value::Object(map))),
                    Self::Map { variant: None, map } => Ok(Value::Object(map)),
                    Self::Own(own) => SerializeStruct::end(own),
                }
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet};

    use serde_json::json;

    use super::*;

    #[derive(serde::Serialize)]
    struct Row {
        z: HashMap<String, u8>,
        a: Option<Value>,
        m: Vec<HashMap<i32, Kind>>,
        list: (u8, String),
        inner: Inner,
        map: Map<String, Value>,
    }

    #[derive(serde::Serialize)]
    enum Kind {
        Unit,
        Tuple(u8, char),
        One(BTreeMap<bool, ()>),
        Struct { y: f32, x: Vec<u8> },
    }

    #[derive(serde::Serialize)]
    struct Inner {
        name: &'static str,
        #[serde(flatten)]
        more: HashMap<String, u8>,
    }

    fn text<T: Serialize>(value: &T) -> String {
        to_value(value).unwrap().to_string()
    }

    #[test]
    fn maps_are_sorted_by_key_and_structs_and_json_keep_their_order() {
        let letters = |from: u8| ('a'..='z').rev().map(|c| (c.to_string(), from)).collect::<HashMap<_, _>>();
        let kinds = [
            (10, Kind::Unit),
            (9, Kind::Tuple(1, 'x')),
            (-1, Kind::One(BTreeMap::from([(true, ()), (false, ())]))),
            (100, Kind::Struct { y: 0.1, x: vec![] }),
        ];
        let json = json!({"z": 1, "a": {"y": 2, "b": 3}});
        let row = Row {
            z: letters(1),
            a: Some(json.clone()),
            m: vec![HashMap::from(kinds)],
            list: (1, "b".into()),
            inner: Inner { name: "n", more: HashMap::from([("z".into(), 1), ("b".into(), 2)]) },
            map: json.as_object().unwrap().clone(),
        };
        let sorted = ('a'..='z').map(|c| format!("\"{c}\":1")).collect::<Vec<_>>().join(",");
        let expected = format!(
            r#"{{"z":{{{sorted}}},"a":{json},"m":[{{"-1":{{"One":{{"false":null,"true":null}}}},"9":{{"Tuple":[1,"x"]}},"10":"Unit","100":{{"Struct":{{"y":0.10000000149011612,"x":[]}}}}}}],"list":[1,"b"],"inner":{{"b":2,"name":"n","z":1}},"map":{json}}}"#
        );
        assert_eq!(text(&row), expected);
        assert_eq!(to_value(&row).unwrap(), serde_json::to_value(&row).unwrap(), "the same value");
        assert_eq!(text(&json), json.to_string());
        assert_eq!(text(&vec![&json, &json]), format!("[{json},{json}]"));
        assert_eq!(text(&HashMap::from([("k", &json)])), format!("{{\"k\":{json}}}"));
    }

    #[test]
    fn a_value_without_a_json_form_is_refused_as_by_serde_json() {
        let none = HashMap::from([((1, 2), 3)]);
        assert_eq!(
            to_value(&none).unwrap_err().to_string(),
            serde_json::to_value(&none).unwrap_err().to_string()
        );
        assert_eq!(text(&u128::MAX), format!("\"{}\"", u128::MAX));
        assert_eq!(text(&i128::from(i64::MIN)), i64::MIN.to_string());
        assert_eq!(text(&i128::MIN), format!("\"{}\"", i128::MIN));
        assert_eq!(text(&HashSet::from([1])), "[1]");
        assert_eq!(text(&f64::NAN), "null");
    }
}
