//! Compiles the regular expressions of a schema once: for texts, and for the keys of maps.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::merge::parts;

/// Compiled regular expressions of a schema, by their text.
#[derive(Debug, Default)]
pub(super) struct Patterns(BTreeMap<String, Regex>);

static NONE: Patterns = Patterns(BTreeMap::new());

impl Patterns {
    /// Returns an empty set.
    pub(super) fn none() -> &'static Self {
        &NONE
    }

    /// Compiles the patterns of a schema with its definitions.
    ///
    /// # Errors
    /// A pattern is no regular expression.
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

    /// True if this pattern of the schema matches somewhere in the text.
    pub(super) fn has_match(&self, pattern: &str, text: &str) -> bool {
        self.0.get(pattern).is_some_and(|regex| regex.is_match(text))
    }

    /// Finds the schema of a map's entry by the pattern that its key matches.
    pub(super) fn entry<'s>(&self, schema: &'s Value, key: &str) -> Option<&'s Value> {
        let all = schema.get("patternProperties")?.as_object()?;
        all.iter().find(|(pattern, _)| self.has_match(pattern, key)).map(|(_, entry)| entry)
    }
}
