//! Further parameters of a request: which are sent, which omit a field, and which are not part of the body.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Config;

/// Further HTTP headers, as DSPy and OpenAI's clients call them: no part of the body.
pub(crate) const HEADERS: &str = "extra_headers";

/// Further parts of the body, as DSPy and OpenAI's clients call them: they stand in the body itself.
pub(crate) const BODY: &str = "extra_body";

/// Parameters that are never sent.
const UNSENT: [&str; 3] = [HEADERS, BODY, "rollout_id"];

/// A request's further parameters as they are sent.
#[derive(Clone, Copy)]
pub(crate) struct Params<'a> {
    named: &'a BTreeMap<String, Value>,
    /// The entries of [`BODY`]. They override the others, as in OpenAI's clients.
    body: Option<&'a Map<String, Value>>,
}

impl<'a> Params<'a> {
    pub(crate) fn of(config: &'a Config) -> Self {
        let named = &config.params;
        Self { named, body: named.get(BODY).and_then(Value::as_object) }
    }

    /// The program's value for this name, from either place; null omits the field.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        let in_body = self.body.and_then(|body| body.get(name));
        in_body.or_else(|| self.named.get(name))
    }

    /// The parameters that are sent. A null omits its parameter; entries of [`BODY`] are sent as they are.
    pub(crate) fn sent(self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let is_sent = |name: &String| !UNSENT.contains(&name.as_str());
        let in_body = move |name: &String| self.body.is_some_and(|body| body.contains_key(name));
        let named = self.named.iter().filter(move |(name, value)| !value.is_null() && !in_body(name));
        named.chain(self.body.into_iter().flatten()).filter(move |(name, _)| is_sent(name))
    }

    /// How many completions are asked for.
    pub(crate) fn completions(&self, config: &Config) -> u64 {
        match self.get("n") {
            Some(Value::Null) => 1,
            named => named.and_then(Value::as_u64).or(config.n.map(u64::from)).unwrap_or(1).max(1),
        }
    }

    /// The temperature that is sent.
    pub(crate) fn temperature(&self, config: &Config) -> Option<f64> {
        self.get("temperature").map_or(config.temperature, Value::as_f64)
    }
}
