//! Words for a schema's descriptions, in place of rules that a provider does not take.

use serde_json::{Map, Value};

/// Keywords that describe a schema and constrain no value.
const ANNOTATIONS: [&str; 12] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "$schema",
    "$id",
    "$defs",
    "definitions",
];

/// The rules on a type's values that are kept or put in words, by the type. The words come in this order.
pub(super) const RULES: [&str; 20] = [
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minProperties",
    "maxProperties",
    "propertyNames",
    "contentEncoding",
    "contentMediaType",
    "not",
    "dependentRequired",
];

pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

/// A rule in words; `None` if a model could not follow it.
pub(super) fn rule(keyword: &str, value: &Value) -> Option<String> {
    let plain = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(match keyword {
        "minimum" => format!("at least {plain}"),
        "exclusiveMinimum" => format!("greater than {plain}"),
        "maximum" => format!("at most {plain}"),
        "exclusiveMaximum" => format!("less than {plain}"),
        "multipleOf" => format!("a multiple of {plain}"),
        "minLength" => format!("at least {plain} characters"),
        "maxLength" => format!("at most {plain} characters"),
        "pattern" => format!("matches the regular expression {plain}"),
        // The width of a Rust number is not a text format.
        "format" if is_number_format(&plain) => return None,
        "format" => format!("format: {plain}"),
        "minItems" => format!("at least {plain} items"),
        "maxItems" => format!("at most {plain} items"),
        "uniqueItems" if *value == Value::Bool(true) => "no item twice".into(),
        "minProperties" => format!("at least {plain} keys"),
        "maxProperties" => format!("at most {plain} keys"),
        "propertyNames" => match value.get("pattern").and_then(Value::as_str) {
            Some(pattern) => format!("each key matches the regular expression {pattern}"),
            None => format!("each key is of the schema {plain}"),
        },
        "contentEncoding" | "contentMediaType" => format!("content: {plain}"),
        "contains" => format!("has an item of the schema {plain}"),
        "not" => format!("not of the schema {plain}"),
        "dependentRequired" => format!("keys that need others: {plain}"),
        _ => return None,
    })
}

/// schemars writes the width of a number as its format.
pub(super) fn is_number_format(format: &str) -> bool {
    let integer = format.strip_prefix('u').unwrap_or(format).strip_prefix("int");
    matches!(format, "float" | "double")
        || integer.is_some_and(|width| width.chars().all(|c| c.is_ascii_digit()))
}

/// A schema's annotations as one text; empty if it has none.
pub(super) fn annotations(map: &Map<String, Value>) -> String {
    let text = |keyword: &str| map.get(keyword).and_then(Value::as_str).map(str::trim);
    let mut description = text("description").or_else(|| text("title")).unwrap_or_default().to_owned();
    if let Some(default) = map.get("default").filter(|default| !default.is_null()) {
        add(&mut description, &format!("default: {default}"));
    }
    if let Some(Value::Array(examples)) = map.get("examples") {
        let examples: Vec<_> = examples.iter().map(Value::to_string).collect();
        add(&mut description, &format!("examples: {}", examples.join(", ")));
    }
    if map.get("deprecated") == Some(&Value::Bool(true)) {
        add(&mut description, "deprecated");
    }
    description
}

/// Adds a remark to a description, once.
pub(super) fn add(description: &mut String, remark: &str) {
    if remark.is_empty() || description.contains(remark) {
        return;
    }
    if !description.is_empty() {
        description.push_str(if description.ends_with(['.', '!', '?', ';']) { " " } else { "; " });
    }
    description.push_str(remark);
}
