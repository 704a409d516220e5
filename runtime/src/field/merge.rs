//! Merges a field's own rules into its type's schema.

use serde_json::{Map, Value};

use super::rules::compare;

/// Adds the rules to the schema, so that both hold.
///
/// A reference that gets rules is first replaced by its definition, since strict providers refuse keywords beside one. Null stays
/// allowed where it was.
pub(super) fn merge(schema: &mut Value, rules: &Map<String, Value>, definitions: &Map<String, Value>) {
    inline_top(schema, definitions);
    if let Some(Value::Array(variants)) = schema.get_mut("anyOf") {
        let is_null = |variant: &Value| variant.get("type").is_some_and(|kind| kind == "null");
        if variants.iter().any(is_null) {
            let others = variants.iter_mut().filter(|variant| !is_null(variant));
            return others.for_each(|variant| merge(variant, rules, definitions));
        }
    }
    if let Value::Bool(true) = schema {
        *schema = Value::Object(Map::new());
    }
    let takes_null = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "null"),
        _ => false,
    };
    let Value::Object(object) = schema else { return };
    for (keyword, rule) in rules {
        let mut rule = rule.clone();
        if let (true, "enum", Value::Array(values)) = (takes_null, keyword.as_str(), &mut rule) {
            if !values.contains(&Value::Null) {
                values.push(Value::Null);
            }
        }
        match (object.get_mut(keyword), &rule) {
            (None, _) => drop(object.insert(keyword.clone(), rule)),
            (Some(items), Value::Object(rules)) if keyword == "items" => merge(items, rules, definitions),
            (Some(known), _) if *known == rule => {}
            (Some(Value::Number(known)), Value::Number(new)) => {
                let order = compare(new, known);
                let is_upper = keyword.starts_with("max") || keyword == "exclusiveMaximum";
                let is_tighter = if is_upper { order.is_lt() } else { order.is_gt() };
                if is_tighter {
                    *known = new.clone();
                }
            }
            // The field's own values are all values of the type, so they are what both lists have.
            (Some(known), _) if keyword == "enum" => *known = rule,
            (Some(_), _) => {
                let also = Value::Object([(keyword.clone(), rule)].into_iter().collect());
                match object.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(all) => all.push(also),
                    other => *other = Value::Array(vec![also]),
                }
            }
        }
    }
}

/// Replaces a reference at the top, which hides the type, by its definition.
pub(super) fn inline_top(schema: &mut Value, definitions: &Map<String, Value>) {
    let definition = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next())
        .and_then(|name| definitions.get(name))
        .cloned();
    if let Some(definition) = definition {
        *schema = definition;
    }
}

/// Iterates over the schemas directly inside of a schema.
pub(super) fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    let named = ["properties", "patternProperties", "$defs"].into_iter();
    let named = named.filter_map(|keyword| schema.get(keyword)?.as_object()).flat_map(Map::values);
    let listed = ["anyOf", "oneOf", "allOf", "prefixItems"].into_iter();
    let listed = listed.filter_map(|keyword| schema.get(keyword)?.as_array()).flatten();
    let single = ["items", "additionalProperties"].into_iter().filter_map(|keyword| schema.get(keyword));
    named.chain(listed).chain(single)
}
