//! Types of every form that serde and schemars have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) enum Level {
    Low,
    /// above all others
    High,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Point {
    pub(super) x: u8,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) level: Option<Level>,
    /// how sure
    pub(super) certainty: Level,
    /// the one before
    pub(super) before: Option<Box<Point>>,
    #[serde(default = "five")]
    pub(super) weight: u32,
}

fn five() -> u32 {
    5
}

pub(super) fn point() -> Point {
    let before = Point { x: 1, tags: vec![], level: None, certainty: Level::Low, before: None, weight: 2 };
    Point { before: Some(Box::new(before)), level: Some(Level::High), ..self::before(3) }
}

pub(super) fn before(x: u8) -> Point {
    Point { x, tags: vec!["a".into()], level: None, certainty: Level::High, before: None, weight: 0 }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) enum External {
    Unit,
    New(Point),
    Tuple(u8, String),
    Struct {
        a: u8,
        /// again
        b: Box<External>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub(super) enum Internal {
    Unit,
    New(Point),
    Struct { a: u8 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "t", content = "c")]
pub(super) enum Adjacent {
    Unit,
    New(Point),
    Tuple(u8, String),
    Struct { a: u8 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Untagged {
    Unit,
    New(Point),
    Tuple(u8, String),
    Struct { a: u8 },
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Flattened {
    pub(super) id: u8,
    #[serde(flatten)]
    pub(super) more: More,
    #[serde(flatten)]
    pub(super) kind: Internal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct More {
    pub(super) note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct TwoFlattened {
    pub(super) id: u8,
    #[serde(flatten)]
    pub(super) one: External,
    #[serde(flatten)]
    pub(super) two: Option<Adjacent>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct FlattenedMap {
    pub(super) id: u8,
    #[serde(flatten)]
    pub(super) others: BTreeMap<String, u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Tree {
    pub(super) value: i64,
    pub(super) children: Vec<Tree>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Empty {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Wrapped(pub(super) Level);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Generic<T> {
    pub(super) inner: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(non_snake_case)]
pub(super) struct Names {
    pub(super) format: String,
    pub(super) properties: u8,
    #[serde(rename = "$ref")]
    pub(super) reference: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<u8>,
    #[serde(rename = "enum")]
    pub(super) choice: Vec<u8>,
    #[serde(rename = "anyOf")]
    pub(super) any_of: bool,
    pub(super) required: (u8, u8),
    pub(super) default: Level,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Ruled {
    #[schemars(range(min = 1, max = 5))]
    pub(super) stars: u8,
    #[schemars(regex(pattern = "^a+$"), length(min = 1, max = 9))]
    pub(super) text: String,
    #[schemars(email)]
    pub(super) mail: String,
    pub(super) set: BTreeSet<u8>,
    pub(super) three: [u8; 3],
    pub(super) letter: char,
    pub(super) float: f64,
    pub(super) big: i128,
    pub(super) huge: u64,
    pub(super) duration: std::time::Duration,
    pub(super) unit: Unit,
    pub(super) empty: Empty,
    pub(super) wrapped: Wrapped,
    pub(super) generic: Generic<Option<String>>,
    pub(super) result: Result<u8, String>,
    pub(super) twice: Option<Option<u8>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Open {
    pub(super) any: Value,
    pub(super) perhaps: Option<Value>,
    pub(super) map: BTreeMap<String, Point>,
    pub(super) levels: HashMap<String, Level>,
    pub(super) by_number: BTreeMap<u8, String>,
}
