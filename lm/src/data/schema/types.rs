//! The schema of one type: constants, numbers, texts, lists, objects.

use serde_json::{Map, Value, json};

use super::{
    Refusal,
    encode::{Encoded, Encoder, object},
    words::{self, RULES, add},
};

/// Encodes a schema without unions and references; rules that the dialect does not take go to the description.
pub(super) fn plain(
    encoder: &mut Encoder<'_>,
    map: &Map<String, Value>,
    description: &mut String,
    place: &str,
) -> Result<Map<String, Value>, Refusal> {
    if let Some(only) = map.get("const") {
        return choice(std::slice::from_ref(only), place);
    }
    if let Some(values) = map.get("enum").and_then(Value::as_array) {
        return choice(values, place);
    }
    let kinds = kinds(map);
    let nullable = |kind: &str| matches!(kind, "string" | "integer" | "number" | "boolean");
    match kinds.as_slice() {
        [] => encoder.any(place),
        [one] => of_type(encoder, one, map, description, place),
        [one, null] | [null, one] if null == "null" && nullable(one) && encoder.dialect.type_lists => {
            let mut schema = of_type(encoder, one, map, description, place)?;
            schema.insert("type".into(), json!([one, "null"]));
            Ok(schema)
        }
        // All types and no rule: any value.
        several if several.len() >= 6 && map.keys().all(|key| key == "type" || words::is_annotation(key)) => {
            encoder.any(place)
        }
        several => {
            let mut forms = Vec::new();
            for kind in several {
                forms.push(of_type(encoder, kind, map, description, place)?);
            }
            Ok(object(json!({ "anyOf": forms })))
        }
    }
}

/// The types that a schema names, or that its keywords imply.
fn kinds(map: &Map<String, Value>) -> Vec<String> {
    let about = |keywords: &[&str]| keywords.iter().any(|keyword| map.contains_key(*keyword));
    let inferred = || {
        if about(&["properties", "additionalProperties", "patternProperties", "required"]) {
            Some("object")
        } else if about(&["items", "prefixItems", "minItems", "maxItems", "uniqueItems"]) {
            Some("array")
        } else if about(&["pattern", "minLength", "maxLength"]) {
            Some("string")
        } else if about(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
            Some("number")
        } else {
            None
        }
    };
    match map.get("type") {
        Some(Value::String(kind)) => vec![kind.clone()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => inferred().map(str::to_owned).into_iter().collect(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// An enum of these values, with the type that strict modes require beside it.
fn choice(values: &[Value], place: &str) -> Result<Map<String, Value>, Refusal> {
    let mut by_kind: Vec<(&str, Vec<&Value>)> = Vec::new();
    for value in values {
        match by_kind.iter_mut().find(|(kind, _)| *kind == kind_of(value)) {
            Some((_, same)) => same.push(value),
            None => by_kind.push((kind_of(value), vec![value])),
        }
    }
    let form = |(kind, values): &(&str, Vec<&Value>)| match *kind {
        "null" => json!({ "type": "null" }),
        kind => json!({ "type": kind, "enum": values }),
    };
    match by_kind.as_slice() {
        [] => Err(Refusal::cannot(place, "has no values")),
        [one] => Ok(object(form(one))),
        several => Ok(object(json!({ "anyOf": several.iter().map(form).collect::<Vec<_>>() }))),
    }
}

/// The type that a rule applies to; `None` for any.
fn kind_of_rule(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum" | "multipleOf" => "number",
        "minLength" | "maxLength" | "pattern" | "format" | "contentEncoding" | "contentMediaType" => "string",
        "minItems" | "maxItems" | "uniqueItems" | "contains" => "array",
        "minProperties" | "maxProperties" | "propertyNames" | "dependentRequired" => "object",
        _ => return None,
    })
}

fn of_type(
    encoder: &mut Encoder<'_>,
    kind: &str,
    map: &Map<String, Value>,
    description: &mut String,
    place: &str,
) -> Result<Map<String, Value>, Refusal> {
    let mut schema = object(json!({ "type": kind }));
    let mut done: &[&str] = &[];
    match kind {
        "object" => keys(encoder, map, &mut schema, description, place)?,
        "array" => {
            if items(encoder, map, &mut schema, description, place)? {
                done = &["minItems", "maxItems"];
            }
        }
        "string" | "integer" | "number" | "boolean" | "null" => {}
        other => return Err(Refusal::cannot(place, format!("has the unknown type `{other}`"))),
    }
    let mut typed = map.clone();
    typed.insert("type".into(), kind.into());
    for rule in RULES.iter().filter(|rule| !done.contains(rule)) {
        let is_about =
            kind_of_rule(rule).is_none_or(|about| about == kind || (about, kind) == ("number", "integer"));
        let Some(value) = map.get(*rule).filter(|_| is_about) else { continue };
        if encoder.dialect.takes(rule, value, &typed) {
            schema.insert((*rule).into(), value.clone());
        } else if let Some(words) = words::rule(rule, value) {
            add(description, &words);
        }
    }
    for rule in ["if", "then", "else", "dependentSchemas", "unevaluatedItems"] {
        if let Some(value) = map.get(rule) {
            add(description, &format!("{rule}: {value}"));
        }
    }
    Ok(schema)
}

fn keys(
    encoder: &mut Encoder<'_>,
    map: &Map<String, Value>,
    schema: &mut Map<String, Value>,
    description: &mut String,
    place: &str,
) -> Result<(), Refusal> {
    let given = map.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let required = |name: &str| given.iter().any(|known| known == name);
    let mut properties = Map::new();
    if let Some(named) = map.get("properties").and_then(Value::as_object) {
        for (name, property) in named.iter().filter(|(_, property)| **property != Value::Bool(false)) {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            let Encoded { map, note } = encoder.property(property, required(name), &place)?;
            if !note.is_empty() {
                add(description, &format!("`{name}`: {note}"));
            }
            properties.insert(name.clone(), Value::Object(map));
        }
    }
    let open = more_keys(encoder, map, description, place)?;
    if !properties.is_empty() || open.is_none() {
        let names: Vec<_> = properties.keys().cloned().map(Value::String).collect();
        schema.insert("properties".into(), Value::Object(properties));
        schema.insert("required".into(), Value::Array(names));
    }
    schema.insert("additionalProperties".into(), open.unwrap_or(Value::Bool(false)));
    Ok(())
}

/// The schema of an object's further keys; `None` if it takes none.
fn more_keys(
    encoder: &mut Encoder<'_>,
    map: &Map<String, Value>,
    description: &mut String,
    place: &str,
) -> Result<Option<Value>, Refusal> {
    let mut values = Vec::new();
    if let Some(patterns) = map.get("patternProperties").and_then(Value::as_object) {
        for (pattern, schema) in patterns {
            add(description, &format!("each key matches the regular expression {pattern}"));
            values.push(schema.clone());
        }
    }
    for keyword in ["additionalProperties", "unevaluatedProperties"] {
        values.extend(map.get(keyword).filter(|more| **more != Value::Bool(false)).cloned());
    }
    if values.is_empty() {
        return Ok(None);
    }
    if encoder.dialect.open.is_none() {
        let what =
            format!("takes keys that its type does not name, which {} cannot express", encoder.dialect.name);
        return Err(Refusal::cannot(place, what));
    }
    let more = match values.len() {
        1 => values.remove(0),
        _ => json!({ "anyOf": values }),
    };
    let Encoded { map, note } = encoder.schema(&more, &format!("{place}[..]"))?;
    if !note.is_empty() {
        add(description, &format!("each value: {note}"));
    }
    Ok(Some(if map.is_empty() { Value::Bool(true) } else { Value::Object(map) }))
}

/// Encodes the items of a list. Returns true if its length rules are written already.
fn items(
    encoder: &mut Encoder<'_>,
    map: &Map<String, Value>,
    schema: &mut Map<String, Value>,
    description: &mut String,
    place: &str,
) -> Result<bool, Refusal> {
    let count = |keyword: &str| map.get(keyword).and_then(Value::as_u64);
    // Before 2020-12 the items of a tuple stood under `items`.
    let (fixed, rest) = match (map.get("prefixItems"), map.get("items")) {
        (Some(Value::Array(fixed)), rest) => (fixed.as_slice(), rest),
        (_, Some(Value::Array(fixed))) => (fixed.as_slice(), map.get("additionalItems")),
        (_, rest) => (&[][..], rest),
    };
    let one = |encoder: &mut Encoder<'_>, item: &Value| encoder.schema(item, &format!("{place}[]"));
    if fixed.is_empty() {
        let item = match rest {
            // The list is always empty, so its items' type does not matter.
            _ if count("maxItems") == Some(0) => {
                Encoded { map: object(json!({ "type": "null" })), note: String::new() }
            }
            Some(item) => one(encoder, item)?,
            None => one(encoder, &Value::Bool(true))?,
        };
        if !item.note.is_empty() {
            add(description, &format!("each item: {}", item.note));
        }
        schema.insert("items".into(), Value::Object(item.map));
        return Ok(false);
    }
    let length = fixed.len() as u64;
    let is_closed = matches!(rest, None | Some(Value::Bool(false))) || count("maxItems") == Some(length);
    let is_whole = count("minItems").is_none_or(|least| least >= length);
    let mut all = Vec::new();
    for (index, item) in fixed.iter().enumerate() {
        let Encoded { map, note } = encoder.schema(item, &format!("{place}[{index}]"))?;
        if !note.is_empty() {
            add(description, &format!("item {}: {note}", index + 1));
        }
        all.push(Value::Object(map));
    }
    if is_closed && is_whole && encoder.dialect.tuples {
        schema.insert("prefixItems".into(), all.into());
    } else {
        let order: Vec<_> = all.iter().map(brief).collect();
        add(description, &format!("the items, in this order: {}", order.join(", ")));
        if let (false, Some(rest)) = (is_closed, rest) {
            all.push(Value::Object(one(encoder, rest)?.map));
        }
        let mut kinds: Vec<Value> = Vec::new();
        for item in all {
            if !kinds.contains(&item) {
                kinds.push(item);
            }
        }
        let item = if kinds.len() == 1 { kinds.remove(0) } else { json!({ "anyOf": kinds }) };
        schema.insert("items".into(), item);
    }
    let mut length_rule = |rule: &str, count: Option<u64>| {
        let Some(value) = count.map(Value::from) else { return };
        if encoder.dialect.takes(rule, &value, map) {
            schema.insert(rule.into(), value);
        }
    };
    length_rule("minItems", count("minItems").or(Some(length)));
    length_rule("maxItems", if is_closed { Some(length) } else { count("maxItems") });
    Ok(true)
}

/// A short name of a schema.
fn brief(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return name.to_owned();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        return forms.iter().map(brief).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any value".into(),
    }
}
