//! Writes a schema for a prompt with only the definitions that it needs: each type stands in it once.

use serde_json::{Map, Value};

const PLACE: &str = "#/$defs/";

/// Adds the definitions that the schema's references reach. A reference to the schema itself becomes `#`.
pub(super) fn whole(schema: &Value, definitions: &Map<String, Value>) -> Value {
    let mut names: Vec<&str> = Vec::new();
    let mut open = vec![schema];
    while let Some(part) = open.pop() {
        match part {
            Value::Object(map) => {
                let name = map.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix(PLACE));
                if let Some((name, definition)) = name.and_then(|name| definitions.get_key_value(name)) {
                    if !names.contains(&name.as_str()) {
                        names.push(name);
                        open.push(definition);
                    }
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    let is_itself = |name: &&str| definitions.get(*name) == Some(schema);
    let itself = names.iter().find(|name| is_itself(name)).map(|name| format!("{PLACE}{name}"));
    let needed =
        definitions.iter().filter(|(name, _)| names.contains(&name.as_str()) && !is_itself(&name.as_str()));
    let needed: Map<_, _> = needed.map(|(name, definition)| (name.clone(), definition.clone())).collect();
    let mut whole = schema.clone();
    if let Value::Object(map) = &mut whole {
        map.shift_remove("title");
        map.shift_remove("description");
        if !needed.is_empty() {
            map.insert("$defs".into(), Value::Object(needed));
        }
    }
    if let Some(itself) = itself {
        redirect(&mut whole, &itself);
    }
    whole
}

/// Points references to this definition at the whole schema.
fn redirect(part: &mut Value, place: &str) {
    match part {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(path) if key == "$ref" && path == place => *path = "#".into(),
                    other => redirect(other, place),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redirect(item, place)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(schema: &Value, definitions: &Value) -> Value {
        whole(schema, definitions.as_object().unwrap())
    }

    #[test]
    fn a_definition_that_no_reference_reaches_is_left_out() {
        let flat = json!({"type": "object"});
        let nest = json!({"properties": {"flat": {"$ref": "#/$defs/Flat"}}});
        let deep = json!({"properties": {"nest": {"items": {"$ref": "#/$defs/Nest"}}}});
        let definitions = json!({"Deep": deep, "Nest": nest, "Flat": flat, "Other": {}});
        let mut expected = deep.clone();
        expected["$defs"] = json!({"Nest": nest, "Flat": flat});
        assert_eq!(written(&deep, &definitions), expected);
        assert_eq!(written(&flat, &definitions), flat);
        assert_eq!(written(&json!({"$ref": "#/$defs/None"}), &definitions), json!({"$ref": "#/$defs/None"}));
    }

    #[test]
    fn a_type_that_refers_to_itself_stands_once() {
        let tree = json!({"title": "Tree", "properties": {"leaf": {"$ref": "#/$defs/Leaf"}}});
        let leaf = json!({"items": {"$ref": "#/$defs/Tree"}});
        assert_eq!(
            written(&tree, &json!({"Tree": tree, "Leaf": leaf})),
            json!({"properties": {"leaf": {"$ref": "#/$defs/Leaf"}}, "$defs": {"Leaf": {"items": {"$ref": "#"}}}})
        );
        let list = json!({"items": {"$ref": "#/$defs/Tree"}});
        let definitions = json!({"Tree": {"items": {"$ref": "#/$defs/Tree"}, "type": "array"}});
        let mut expected = list.clone();
        expected["$defs"] = definitions.clone();
        assert_eq!(written(&list, &definitions), expected);
    }
}
