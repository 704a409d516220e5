//! The names that a schema lists.

use serde_json::Value;

use super::Target;

/// How far references and unions are followed.
const UNIONS: usize = 8;

impl Target<'_> {
    /// True if the value is, as it stands, one that the schema lists.
    pub(crate) fn lists(self, value: &Value) -> bool {
        let mut open = vec![(self.schema, 0)];
        while let Some((schema, depth)) = open.pop().filter(|(_, depth)| *depth <= UNIONS) {
            let choices = schema.get("enum").and_then(Value::as_array);
            if schema.get("const") == Some(value) || choices.is_some_and(|choices| choices.contains(value)) {
                return true;
            }
            let definition = schema.get("$ref").and_then(Value::as_str);
            let definition = definition.and_then(|path| self.root.pointer(path.strip_prefix('#')?));
            let unions = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|keyword| schema.get(keyword));
            let variants = unions.filter_map(Value::as_array).flatten();
            open.extend(definition.into_iter().chain(variants).map(|schema| (schema, depth + 1)));
        }
        false
    }
}
