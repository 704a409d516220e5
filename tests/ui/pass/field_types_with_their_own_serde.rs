//! A date type that writes its own serde and schemars impls, and nested types of every kind.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use std::{borrow::Cow, collections::BTreeMap};

use karat::Signature;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq)]
struct Date(u16, u8, u8);

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}-{}-{}", self.0, self.1, self.2))
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut parts = text.split('-');
        let mut next = || parts.next().and_then(|part| part.parse().ok()).ok_or(serde::de::Error::custom("no date"));
        Ok(Self(next()?, next()? as u8, next()? as u8))
    }
}

impl JsonSchema for Date {
    fn schema_name() -> Cow<'static, str> {
        "Date".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Event {
    Birth { on: Date },
    Death(Date),
    Unknown,
}

/// List the events.
#[karat::signature]
#[derive(PartialEq)]
struct Events {
    #[input]
    since: Date,
    #[input]
    label: Cow<'static, str>,
    #[output]
    events: BTreeMap<String, Vec<Option<(u8, Event)>>>,
}

fn main() {
    assert_eq!(Events::spec().fields().len(), 3);
}
