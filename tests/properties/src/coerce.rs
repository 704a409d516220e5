//! Checks the reading of a text as a type: it gives the same value in other words, or an error.

mod names;

use std::{collections::BTreeMap, fmt::Debug, sync::LazyLock};

use arbitrary::Unstructured;
use karat::{Predict, field::FieldType, signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{digits, explain::occurs, handwritten, hostile, whole::Whole};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Level {
    Low,
    VeryHigh,
    #[serde(rename = "né_e")]
    Other,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    name: String,
    age: Option<u8>,
    #[serde(default)]
    friends: Vec<Person>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shape {
    Circle { radius: f64 },
    NoShape,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Id {
    Number(i64),
    Name(String),
    Parts(Vec<String>),
}

/// Defines a reader of a type and the check of its values.
macro_rules! readers {
    ($($name:ident: $type:ty, $explained:expr;)*) => {
        $(mod $name {
            use super::*;

            #[signature]
            pub(super) struct One {
                #[input]
                none: (),
                #[output]
                value: $type,
            }

            pub(super) fn read(text: &str) -> karat::Result<$type> {
                static READER: LazyLock<Predict<One>> = LazyLock::new(|| Predict::new().adapter(Whole::default()));
                READER.parse(&OneInput { none: () }, text).map(|one| one.value)
            }

            pub(super) fn check(text: &str) {
                let explained: fn(&$type, &str) -> bool = $explained;
                super::holds(text, read, explained);
            }
        })*

        const READERS: &[fn(&str)] = &[$($name::check),*];
    };
}

readers! {
    whole: i64, |value, text| numerals(text).contains(&numerals(&value.to_string()));
    small: u8, |value, text| numerals(text).contains(&numerals(&value.to_string()));
    float: f64, |_, text| text.contains(|c: char| c.is_ascii_digit());
    truth: bool, |value, text| {
        let words = if *value { ["true", "yes"] } else { ["false", "no"] };
        words.iter().any(|word| text.to_lowercase().contains(word))
    };
    level: Level, |value, text| {
        let name = serde_json::to_value(value).unwrap();
        plain(text).contains(&plain(name.as_str().unwrap()))
    };
    texts: Vec<String>, |value, text| value.iter().all(|item| occurs(item, text));
    wholes: Vec<i64>, |value, text| value.iter().all(|item| numerals(text).contains(&numerals(&item.to_string())));
    person: Person, explained_person;
    shape: Shape, |value, text| match value {
        Shape::Circle { .. } => plain(text).contains("circle"),
        Shape::NoShape => plain(text).contains("noshape"),
    };
    id: Id, |value, text| match value {
        Id::Number(number) => numerals(text).contains(&numerals(&number.to_string())),
        Id::Name(name) => occurs(name, text),
        Id::Parts(parts) => parts.iter().all(|item| occurs(item, text)),
    };
    map: BTreeMap<String, i64>, |value, text| value.iter().all(|(key, item)| {
        occurs(key, text) && numerals(text).contains(&numerals(&item.to_string()))
    });
    by_number: BTreeMap<u32, bool>, |value, text| value.iter().all(|(key, item)| {
        let words = if *item { ["true", "yes"] } else { ["false", "no"] };
        text.contains(&key.to_string()) && words.iter().any(|word| text.to_lowercase().contains(word))
    });
    maybe: Option<i64>, |value, text| match value {
        Some(value) => numerals(text).contains(&numerals(&value.to_string())),
        None => ["null", "none", "n/a"].iter().any(|word| text.to_lowercase().contains(word)),
    };
    pair: (String, Option<bool>), |value, text| occurs(&value.0, text);
    anything: Value, |_, _| true;
}

fn explained_person(person: &Person, text: &str) -> bool {
    occurs(&person.name, text)
        && person.age.is_none_or(|age| numerals(text).contains(&numerals(&age.to_string())))
        && person.friends.iter().all(|friend| explained_person(friend, text))
}

/// Keeps the digits alone. Zeros behind a point (`5.0`) and of an exponent are ignored by searching for the part before them.
fn numerals(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn holds<T>(text: &str, read: impl Fn(&str) -> karat::Result<T>, explained: fn(&T, &str) -> bool)
where
    T: FieldType + DeserializeOwned + Serialize + PartialEq + Debug,
{
    let found = read(text).ok();
    if let Some(value) = &found {
        // Escaped digits, exponents (`1e2`) and joined texts write the value in yet another way.
        let in_other_words = text.contains("\\u") || text.contains(['e', 'E', '+']);
        assert!(explained(value, text) || in_other_words, "{text}: {value:?} is invented");
        let written = serde_json::to_string(value).unwrap();
        let again = read(&written).unwrap_or_else(|error| panic!("{written} of {text}: {error}"));
        let value = serde_json::to_value(value).unwrap();
        assert_eq!(
            serde_json::to_value(&again).unwrap(),
            value,
            "{text}: {written} is read as another value"
        );
    }
    let again = read(text).ok();
    assert_eq!(format!("{again:?}"), format!("{found:?}"), "{text}: read twice");
    // A value that serde reads by itself is read equally, unless a float would silently round a whole number.
    if let Ok(strict) = serde_json::from_str::<T>(text.trim()) {
        match found {
            Some(value) => assert_eq!(
                serde_json::to_value(&value).unwrap(),
                serde_json::to_value(&strict).unwrap(),
                "{text}: {value:?} in place of {strict:?}"
            ),
            None => {
                assert!(numerals(text).len() > 15 || has_double_key(text), "{text}: {strict:?} is refused")
            }
        }
    }
}

/// True for a text of which the strict parser drops a part.
fn has_double_key(text: &str) -> bool {
    crate::lenient::strict(text.trim()).is_none()
}

/// Reads any text as one of the types.
pub fn check(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else { return };
    if which % 16 == 15 {
        return names::check(rest);
    }
    // One case in eight is a number, and one a list in lines.
    if which & 0x70 == 0x70 {
        return if which & 0x80 == 0 { digits::check(rest) } else { check_lines(rest) };
    }
    let text = hostile::either(rest);
    let text = match which & 0x80 != 0 {
        true => wrapped(&text, *which),
        false => text,
    };
    let reader = READERS[usize::from(which & 0x7f) % READERS.len()];
    reader(&text);
}

/// Reads lines where a list of texts is wanted.
fn check_lines(bytes: &[u8]) {
    let Ok((text, expected)) = handwritten::lines(&mut Unstructured::new(bytes)) else { return };
    texts::check(&text);
    if let Some(items) = expected {
        assert_eq!(texts::read(&text).ok(), items, "{text}");
    }
}

/// Makes a text that is close to a value of the type.
fn wrapped(text: &str, which: u8) -> String {
    let quoted = Value::from(text).to_string();
    match which % 8 {
        6 => format!("{{\"1\": {text}, \"2\": \"yes\"}}"),
        0 => format!("{{\"name\": {quoted}, \"age\": 7}}"),
        1 => format!("{{\"Name\": {text}, \"AGE\": \"8\", \"friends\": []}}"),
        2 => format!("[{text}, {quoted}]"),
        3 => format!("{{\"kind\": \"circle\", \"radius\": {text}}}"),
        4 => format!("\"{text}\""),
        5 => format!("{text}1,234"),
        _ => format!("Very high {text}"),
    }
}
