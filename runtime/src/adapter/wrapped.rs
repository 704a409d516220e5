//! Unwraps an answer that a model wrapped once more: in an object under another name, as the arguments of a tool, in a list of one,
//! or as a JSON text.

use serde_json::{Map, Value};

use super::{Task, TaskField};
use crate::{
    field::name,
    json::{self, Found, Repair, Written},
};

/// Finds the one answer inside of values that have no field of the task themselves, with its source; `None` if there is none, or
/// several.
pub(super) fn find(task: &Task<'_>, all: &[Found], text: &str) -> Option<(Found, Written)> {
    let mut inner = all.iter().flat_map(|found| match &found.value {
        Value::Object(outer) => {
            let written = || Written::new(text, found);
            in_object(task, outer).map(|(key, value)| (within(found, value), written().entry(key))).collect()
        }
        Value::Array(items) => {
            let one = in_list(task, items);
            one.map(|value| (within(found, value), Written::new(text, found).item(0))).into_iter().collect()
        }
        Value::String(json) if all.len() == 1 && text.get(found.start..found.end) == Some(text.trim()) => {
            in_text(task, found, json).into_iter().collect::<Vec<_>>()
        }
        _ => Vec::new(),
    });
    let one = inner.next()?;
    inner.next().is_none().then_some(one)
}

fn within(outer: &Found, value: &Value) -> Found {
    let mut found = Found { value: value.clone(), ..*outer };
    found.repairs.add(Repair::Wrapped);
    found
}

/// Finds the answers in an object. A value under an input's name is that input, and `properties` may be those of a schema.
fn in_object<'v>(
    task: &Task<'_>,
    outer: &'v Map<String, Value>,
) -> impl Iterator<Item = (&'v str, &'v Value)> {
    let is_input = |key: &str| name::find(task.inputs().map(|field| (field.name(), ())), key).is_some();
    let is_schema = |value: &Value| {
        let mut keywords = ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"].iter();
        keywords.any(|keyword| value.get(keyword).is_some())
    };
    let all = outer.iter().filter(move |(key, value)| {
        let is_of_schema = || key.as_str() == "properties" && parts(value).all(is_schema);
        is_answer(task, value) && !is_input(key) && !is_of_schema()
    });
    all.map(|(key, value)| (key.as_str(), value)).collect::<Vec<_>>().into_iter()
}

fn parts(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flat_map(Map::values)
}

/// Finds the answer in a list of one, unless the answer is a list itself.
fn in_list<'v>(task: &Task<'_>, items: &'v [Value]) -> Option<&'v Value> {
    let mut outputs = task.outputs();
    let is_list = outputs.next().is_some_and(|only| outputs.next().is_none() && only.takes_list());
    match items {
        [one] if !is_list && is_answer(task, one) => Some(one),
        _ => None,
    }
}

fn in_text(task: &Task<'_>, outer: &Found, text: &str) -> Option<(Found, Written)> {
    let mut all = json::find(text).ok()?;
    let inner = all.pop().filter(|_| all.is_empty())?;
    let is_whole = text.get(inner.start..inner.end) == Some(text.trim()) && !inner.is_truncated();
    if !is_whole || !is_answer(task, &inner.value) {
        return None;
    }
    let written = Written::new(text, &inner);
    let mut found = Found { value: inner.value, ..*outer };
    found.repairs.extend(inner.repairs);
    found.repairs.add(Repair::JsonInText);
    Some((found, written))
}

/// True for an object with all required fields, and at least one field, each under its exact name.
fn is_answer(task: &Task<'_>, value: &Value) -> bool {
    let Value::Object(object) = value else { return false };
    let has = |field: &TaskField<'_>| field.names().any(|name| object.contains_key(name));
    task.outputs().all(|field| field.is_optional() || has(&field)) && task.outputs().any(|field| has(&field))
}
