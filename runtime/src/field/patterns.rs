//! The regular expressions of a schema, made once: what texts, and the keys of maps, have to match.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::merge::parts;

/// The regular expressions of a schema by their text.
#[derive(Debug, Default)]
pub(super) struct Patterns(BTreeMap<String, Regex>);

static NONE: Patterns = Patterns(BTreeMap::new());

impl Patterns {
    /// None at all.
    pub(super) fn none() -> &'static Self {
        &NONE
    }

    /// Those of a schema with its definitions.
    ///
    /// # Errors
    /// One is no regular expression.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        let mut open = vec![schema];
        while let Some(schema) = open.pop() {
            let patterns = schema.get("pattern").and_then(Value::as_str).into_iter();
            let keys = schema.get("patternProperties").and_then(Value::as_object);
            for pattern in patterns.chain(keys.into_iter().flat_map(Map::keys).map(String::as_str)) {
                let regex = Regex::new(pattern)
                    .map_err(|why| format!("the pattern `{pattern}` is no regular expression: {why}"))?;
                all.insert(pattern.to_owned(), regex);
            }
            open.extend(parts(schema));
        }
        Ok(Self(all))
    }

    /// True if the regular expression, which is one of the schema's, finds something in the text.
    pub(super) fn has_match(&self, pattern: &str, text: &str) -> bool {
        self.0.get(pattern).is_some_and(|regex| regex.is_match(text))
    }

    /// What a map's schema says of the value of a key that matches one of its patterns.
    pub(super) fn entry<'s>(&self, schema: &'s Value, key: &str) -> Option<&'s Value> {
        let all = schema.get("patternProperties")?.as_object()?;
        all.iter().find(|(pattern, _)| self.has_match(pattern, key)).map(|(_, entry)| entry)
    }
}
