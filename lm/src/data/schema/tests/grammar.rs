//! Checks that a schema obeys a dialect.

use serde_json::{Map, Value, json};

use crate::data::schema::dialect::Dialect;

/// The grammar that all dialects have in common, and each one's own.
pub(super) fn well_formed(root: &Value, dialect: &Dialect) {
    assert_eq!(root["type"], "object", "{root}");
    let empty = Map::new();
    let definitions = root["$defs"].as_object().unwrap_or(&empty);
    for (name, definition) in definitions {
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
        assert!(root.to_string().contains(&format!("\"#/$defs/{name}\"")), "{name} is not used: {root}");
        part(definition, definitions, dialect);
    }
    let mut whole = root.clone();
    whole.as_object_mut().unwrap().remove("$defs");
    part(&whole, definitions, dialect);
}

fn part(schema: &Value, definitions: &Map<String, Value>, dialect: &Dialect) {
    if *schema == Value::Bool(true) {
        return assert!(dialect.open.is_some());
    }
    let map = schema.as_object().unwrap_or_else(|| panic!("{schema}"));
    let keys: Vec<_> = map.keys().map(String::as_str).filter(|key| *key != "description").collect();
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        assert_eq!(map.len(), 1, "{schema}");
        return assert!(definitions.contains_key(reference.strip_prefix("#/$defs/").unwrap()), "{reference}");
    }
    if let Some(forms) = map.get("anyOf").and_then(Value::as_array) {
        assert!(forms.len() > 1 && keys == ["anyOf"], "{schema}");
        return forms.iter().for_each(|form| part(form, definitions, dialect));
    }
    let kinds = match &map.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(kinds)) if kinds.len() == 6 => return assert!(dialect.open.is_some()),
        Some(Value::Array(kinds)) => {
            assert!(
                dialect.type_lists
                    && kinds.len() == 2
                    && kinds[1] == "null"
                    && kinds[0] != "object"
                    && kinds[0] != "array"
            );
            vec![kinds[0].as_str().unwrap()]
        }
        None => return assert!(dialect.open.is_some() && keys.is_empty(), "{schema}"),
        other => panic!("{other:?}"),
    };
    if map.contains_key("enum") {
        return assert!(keys.iter().all(|key| *key == "type" || *key == "enum"), "{schema}");
    }
    let structure: &[&str] = match kinds[0] {
        "object" => &["properties", "required", "additionalProperties"],
        "array" => &["items", "prefixItems"],
        _ => &[],
    };
    for key in keys.iter().filter(|key| **key != "type") {
        assert!(
            structure.contains(key) || dialect.rules.contains(key),
            "`{key}` in {}: {schema}",
            dialect.name
        );
    }
    if let Some(format) = map.get("format").and_then(Value::as_str) {
        assert!(!super::super::words::is_number_format(format), "{schema}");
    }
    if kinds[0] == "object" {
        let more = &map["additionalProperties"];
        match more {
            Value::Bool(false) => assert!(map.contains_key("properties"), "{schema}"),
            Value::Bool(true) => assert!(dialect.open.is_some()),
            schema => part(schema, definitions, dialect),
        }
        let properties: Vec<_> =
            map.get("properties").and_then(Value::as_object).into_iter().flatten().collect();
        let names: Vec<_> = properties.iter().map(|(name, _)| json!(name)).collect();
        if map.contains_key("properties") {
            assert_eq!(map["required"], json!(names), "{schema}");
        }
        properties.iter().for_each(|(_, property)| part(property, definitions, dialect));
    }
    if kinds[0] == "array" {
        let fixed = map.get("prefixItems").and_then(Value::as_array);
        assert!(fixed.is_none() || dialect.tuples && !map.contains_key("items"), "{schema}");
        fixed.into_iter().flatten().chain(map.get("items")).for_each(|item| part(item, definitions, dialect));
    }
}
