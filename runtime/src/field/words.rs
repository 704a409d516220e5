//! Describes a field's type and rules in words, for prompts and errors.

use serde_json::{Map, Number, Value};

use super::{defs, merge::inline_top};

/// Describes the schema in a few words, or writes the schema itself where words are not enough.
pub(super) fn describe(schema: &Value, definitions: &Map<String, Value>) -> String {
    if let Some(choices) = choices(schema) {
        return choices;
    }
    let rules = rules(schema);
    let with_rules = |kind: &str| rules.iter().fold(kind.to_owned(), |text, rule| text + ", " + rule);
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => match schema.get("format").and_then(Value::as_str) {
            Some(format) => return with_rules(&format!("text, {format}")),
            None => return with_rules("text"),
        },
        Some("integer") => return with_rules("whole number"),
        Some("number") => return with_rules("number"),
        Some("boolean") => return "true or false".into(),
        Some("array") => {
            if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
                let mut items = items.clone();
                inline_top(&mut items, definitions);
                let items = describe(&items, definitions);
                if !items.starts_with("JSON") {
                    return format!("{}, each item: {items}", with_rules("JSON list"));
                }
            }
        }
        _ => {}
    }
    if let Some(kind) = nullable(schema) {
        let mut plain = schema.clone();
        if let Some(object) = plain.as_object_mut() {
            object.insert("type".into(), kind.into());
            if kind == "string" {
                object.remove("format");
            }
        }
        let plain = describe(&plain, definitions);
        match kind {
            "array" if !plain.starts_with("JSON of") => return format!("null or {plain}"),
            "array" | "object" => {}
            _ => return format!("{plain}, or null"),
        }
    }
    format!("{OF_SCHEMA}{}", defs::whole(schema, definitions))
}

/// Beginning of a description that is the schema itself.
pub(super) const OF_SCHEMA: &str = "JSON of the schema ";

/// Returns the one kind that the schema allows beside null.
fn nullable(schema: &Value) -> Option<&str> {
    match schema.get("type").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(kind), Value::String(null)]) if null == "null" => Some(kind),
        _ => None,
    }
}

/// Lists the schema's values, if it is a plain list of values.
pub(super) fn choices(schema: &Value) -> Option<String> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return list(values);
    }
    if let Some(value) = schema.get("const") {
        return list(std::slice::from_ref(value));
    }
    let variants = schema.get("oneOf")?.as_array()?;
    let values: Option<Vec<_>> = variants.iter().map(|variant| variant.get("const").cloned()).collect();
    list(&values?)
}

/// Lists the values, texts without quotes where that is clear; `None` if a value is a list or an object.
pub(super) fn list(values: &[Value]) -> Option<String> {
    let is_clear = |text: &str| !text.is_empty() && text == text.trim() && !text.contains(',');
    let are_clear = values.iter().filter_map(Value::as_str).all(is_clear);
    let mut names = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Value::String(text) if are_clear => names.push(text.clone()),
            Value::String(_) | Value::Number(_) | Value::Bool(_) => names.push(value.to_string()),
            Value::Null => {}
            Value::Array(_) | Value::Object(_) => return None,
        }
    }
    let or_null = if names.len() < values.len() { ", or null" } else { "" };
    (!names.is_empty()).then(|| format!("one of: {}{or_null}", names.join(", ")))
}

/// Keeps the rules that list texts.
pub(super) fn names(rules: &Map<String, Value>) -> Map<String, Value> {
    let keep = |(keyword, rule): (&String, &Value)| match (keyword.as_str(), rule) {
        ("enum", Value::Array(values)) if values.iter().all(Value::is_string) => {
            Some((keyword.clone(), rule.clone()))
        }
        ("items", Value::Object(inner)) => {
            let inner = names(inner);
            (!inner.is_empty()).then(|| (keyword.clone(), Value::Object(inner)))
        }
        _ => None,
    };
    rules.iter().filter_map(keep).collect()
}

/// Describes the rules of a schema beside types and `enum`.
pub(super) fn rules(schema: &Value) -> Vec<String> {
    let mut rules: Vec<String> = Vec::new();
    rules.extend(range(schema));
    rules.extend(step(schema));
    rules.extend(LENGTHS.iter().filter_map(|length| length.words(schema)));
    rules.extend(unique(schema));
    rules.extend(pattern(schema));
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        rules.extend(self::rules(part));
    }
    rules
}

/// Describes the range of a number; `None` for the range of the Rust type, which is no rule.
pub(super) fn range(schema: &Value) -> Option<String> {
    let number = |keyword| match schema.get(keyword) {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    };
    let (least, most) = (number("minimum"), number("maximum"));
    let (above, below) = (number("exclusiveMinimum"), number("exclusiveMaximum"));
    if above.is_none() && below.is_none() && is_natural(schema, least, most) {
        return None;
    }
    let low = match (least, above) {
        (Some(least), _) => Some(("from", "at least", least)),
        (None, Some(above)) => Some(("above", "above", above)),
        (None, None) => None,
    };
    match (low, most, below) {
        (Some(("from", _, low)), Some(most), _) => Some(format!("from {low} to {most}")),
        (Some((_, _, low)), Some(most), _) => Some(format!("above {low} and at most {most}")),
        (Some((from, _, low)), None, Some(below)) => Some(format!("{from} {low} and below {below}")),
        (Some((_, alone, low)), None, None) => Some(format!("{alone} {low}")),
        (None, Some(most), _) => Some(format!("at most {most}")),
        (None, None, Some(below)) => Some(format!("below {below}")),
        (None, None, None) => None,
    }
}

/// True if the bounds are those of the Rust type that schemars' format names.
fn is_natural(schema: &Value, least: Option<&Number>, most: Option<&Number>) -> bool {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let (low, high) = match format {
        "int8" => (Some(i8::MIN.into()), Some(i8::MAX.into())),
        "int16" => (Some(i16::MIN.into()), Some(i16::MAX.into())),
        "uint8" => (Some(0), Some(u8::MAX.into())),
        "uint16" => (Some(0), Some(u16::MAX.into())),
        "uint" | "uint32" | "uint64" | "uint128" => (Some(0), None),
        _ => (None, None),
    };
    least.map(Number::as_i64) == low.map(Some) && most.map(Number::as_i64) == high.map(Some)
}

/// Describes what the number must be a multiple of.
pub(super) fn step(schema: &Value) -> Option<String> {
    schema.get("multipleOf").map(|step| format!("a multiple of {step}"))
}

/// A length in one of JSON Schema's units.
pub(super) struct Length {
    pub(super) least: &'static str,
    pub(super) most: &'static str,
    one: &'static str,
    many: &'static str,
}

/// Lengths of texts, lists and maps.
pub(super) const LENGTHS: [Length; 3] = [
    Length { least: "minLength", most: "maxLength", one: "character", many: "characters" },
    Length { least: "minItems", most: "maxItems", one: "item", many: "items" },
    Length { least: "minProperties", most: "maxProperties", one: "entry", many: "entries" },
];

impl Length {
    /// Returns the least and the greatest length that the schema allows.
    pub(super) fn of(&self, schema: &Value) -> (Option<u64>, Option<u64>) {
        let number = |keyword| schema.get(keyword).and_then(Value::as_u64);
        (number(self.least), number(self.most))
    }

    pub(super) fn words(&self, schema: &Value) -> Option<String> {
        match self.of(schema) {
            (Some(least), Some(most)) if least == most => Some(format!("exactly {}", self.count(least))),
            (Some(least), Some(most)) if least > 0 => Some(format!("{least} to {}", self.count(most))),
            (_, Some(most)) => Some(format!("at most {}", self.count(most))),
            (Some(least), None) if least > 0 => Some(format!("at least {}", self.count(least))),
            _ => None,
        }
    }

    /// Writes a count with its unit.
    pub(super) fn count(&self, count: u64) -> String {
        format!("{count} {}", if count == 1 { self.one } else { self.many })
    }
}

pub(super) fn unique(schema: &Value) -> Option<String> {
    (schema.get("uniqueItems") == Some(&Value::Bool(true))).then(|| "no item twice".into())
}

pub(super) fn pattern(schema: &Value) -> Option<String> {
    let pattern = schema.get("pattern")?.as_str()?;
    Some(format!("matching the regular expression `{pattern}`"))
}
