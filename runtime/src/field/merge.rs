//! A type's schema with a field's own rules in it.

use serde_json::{Map, Value};

use super::rules::compare;

/// Adds the rules to the schema: both hold. References that they go into are put in place first, since strict providers
/// refuse keywords beside one; null stays allowed where it was.
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
            // Of two lists of values, what both have; the field's own are values of the type.
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

/// A reference at the top hides the type: put the definition in its place.
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

/// The parts of a schema that are schemas.
pub(super) fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    let named = ["properties", "patternProperties", "$defs"].into_iter();
    let named = named.filter_map(|keyword| schema.get(keyword)?.as_object()).flat_map(Map::values);
    let listed = ["anyOf", "oneOf", "allOf", "prefixItems"].into_iter();
    let listed = listed.filter_map(|keyword| schema.get(keyword)?.as_array()).flatten();
    let single = ["items", "additionalProperties"].into_iter().filter_map(|keyword| schema.get(keyword));
    named.chain(listed).chain(single)
}
