//! The schema of an answer, converted for each provider.
//!
//! schemars writes more of JSON Schema than any provider takes, and each provider takes another part of it. So the schema is
//! converted for each: what a provider's [`Dialect`] lacks is expressed by other keywords, else by words in the descriptions; what
//! cannot be expressed at all is a [`Refusal`], before anything is sent.

mod dialect;
mod encode;
mod flat;
mod limits;
#[cfg(test)]
mod tests;
mod types;
mod words;

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub(crate) use self::dialect::{Dialect, LLAMA_CPP, OPENAI, OPENAI_LOOSE, PLAIN, PLAIN_LOOSE, XGRAMMAR};
use crate::report::{Error, Result};

/// A JSON schema of an answer: cheap to clone, and converted only once for each provider, whatever the number of requests.
///
/// It derefs to the schema itself.
///
/// ```
/// use karat::lm::AnswerSchema;
/// use serde_json::json;
///
/// let schema = AnswerSchema::new(json!({ "type": "object", "properties": { "age": { "type": "integer" } } }));
/// assert_eq!(schema["properties"]["age"]["type"], "integer");
/// // As strict modes want it: closed, and every key there, with null for what may be absent.
/// assert_eq!(*schema.closed()?, json!({
///     "type": "object",
///     "properties": { "age": { "type": ["integer", "null"] } },
///     "required": ["age"],
///     "additionalProperties": false,
/// }));
/// # Ok::<(), karat::Error>(())
/// ```
#[derive(Clone)]
pub struct AnswerSchema(Arc<Inner>);

struct Inner {
    schema: Value,
    /// The conversions so far, by the dialect's address.
    written: Mutex<Vec<(&'static Dialect, Conversion)>>,
}

type Conversion = Result<Arc<Value>, Refusal>;

impl AnswerSchema {
    /// A schema of 2020-12 or of draft 7, with its definitions inside, e.g. as schemars writes it.
    pub fn new(schema: Value) -> Self {
        Self(Arc::new(Inner { schema, written: Mutex::default() }))
    }

    /// The schema with the common rules of strict modes: objects take no keys that they do not name, every key is required, null
    /// stands for an absent value, a `$ref` has nothing beside it, and unions are `anyOf`. Rules such as `minimum` are all kept.
    /// Objects that take any key stay as they are.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): the schema is not that of an object, has a reference to nothing, or has no end.
    pub fn closed(&self) -> Result<Arc<Value>> {
        self.written(&dialect::STANDARD).map_err(|refusal| Error::config(refusal.to_string()))
    }

    /// True if some object of the schema takes keys that it does not name, which the strict modes of many providers refuse.
    pub fn is_open(&self) -> bool {
        self.written(&PLAIN).is_err_and(|refusal| !refusal.is_limit)
    }

    /// The schema in a dialect.
    pub(crate) fn written(&self, dialect: &'static Dialect) -> Conversion {
        let mut all = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, written)) = all.iter().find(|(known, _)| std::ptr::eq(*known, dialect)) {
            return written.clone();
        }
        let written = encode::encode(&self.0.schema, dialect).map(Arc::new);
        all.push((dialect, written.clone()));
        written
    }
}

impl Deref for AnswerSchema {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0.schema
    }
}

impl From<Value> for AnswerSchema {
    fn from(schema: Value) -> Self {
        Self::new(schema)
    }
}

impl PartialEq for AnswerSchema {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.schema == other.0.schema
    }
}

impl fmt::Debug for AnswerSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnswerSchema({})", self.0.schema)
    }
}

/// The schema as JSON.
impl fmt::Display for AnswerSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.schema.fmt(f)
    }
}

impl Serialize for AnswerSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.schema.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AnswerSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::new)
    }
}

/// Why a schema cannot be written for a provider.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    place: String,
    what: String,
    /// True if the schema is only too large; else the dialect cannot express it.
    pub(crate) is_limit: bool,
}

impl Refusal {
    pub(crate) fn cannot(place: &str, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), is_limit: false }
    }

    fn limit(place: &str, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), is_limit: true }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => write!(f, "the answer's schema {}", self.what),
            place => write!(f, "`{place}` in the answer's schema {}", self.what),
        }
    }
}
