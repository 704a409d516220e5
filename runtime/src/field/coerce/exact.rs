//! Checks quickly whether a value already fits its schema: most do, and then nothing is copied.

use serde_json::Value;

use super::{DEPTH, Target, scalar};

impl Target<'_> {
    /// True if [`coerce`](Self::coerce) would return the value unchanged. False: unknown, call `coerce`.
    pub(crate) fn takes(self, value: &Value) -> bool {
        if self.depth > DEPTH {
            return false;
        }
        let has_properties = self.key("properties").is_some();
        if let Some(reference) = self.key("$ref").and_then(Value::as_str) {
            let path = reference.strip_prefix('#').unwrap_or_default();
            let definition = self.root.pointer(path).filter(|_| !has_properties);
            return definition.is_some_and(|definition| self.at(definition).takes(value));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(variants) = self.key(keyword).and_then(Value::as_array) {
                return !has_properties && variants.iter().any(|variant| self.at(variant).takes(value));
            }
        }
        if let Some([one]) = self.key("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            return self.at(one).takes(value);
        }
        if let Some(only) = self.key("const") {
            return only == value;
        }
        if let Some(choices) = self.key("enum").and_then(Value::as_array) {
            return choices.contains(value);
        }
        match self.key("type") {
            Some(Value::String(kind)) => self.is_of(kind, value),
            Some(Value::Array(kinds)) if self.is_decimal() => match value {
                Value::Number(number) => !number.is_f64(),
                Value::String(_) => self.key("pattern").is_none(),
                _ => kinds.iter().filter_map(Value::as_str).any(|kind| self.is_of(kind, value)),
            },
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).any(|kind| self.is_of(kind, value))
            }
            _ if has_properties => self.is_of("object", value),
            _ => true,
        }
    }

    fn is_of(self, kind: &str, value: &Value) -> bool {
        match (kind, value) {
            ("string", Value::String(_)) | ("null", Value::Null) | ("boolean", Value::Bool(_)) => true,
            ("integer", Value::Number(number)) => number.is_i64() || number.is_u64(),
            ("number", Value::Number(number)) => {
                scalar::is_surely_held(number, self.format() == Some("float"))
            }
            ("array", Value::Array(items)) => {
                let fixed = self.key("prefixItems");
                let every = self.key("items").map(|schema| self.at(schema));
                items.iter().enumerate().all(|(index, item)| {
                    let own = fixed.and_then(|items| items.get(index)).map(|schema| self.at(schema));
                    own.or(every).is_none_or(|target| target.takes(item))
                })
            }
            ("object", Value::Object(given)) => {
                let properties = self.key("properties").and_then(Value::as_object);
                let required = self.key("required").and_then(Value::as_array).into_iter().flatten();
                // An unlisted key may be one of the names in another form.
                given.iter().all(|(key, value)| match properties.and_then(|properties| properties.get(key)) {
                    Some(schema) => self.at(schema).takes(value),
                    None if properties.is_some_and(|properties| !properties.is_empty()) => false,
                    None => self
                        .further(key)
                        .is_ok_and(|schema| schema.is_none_or(|schema| self.at(schema).takes(value))),
                }) && required.filter_map(Value::as_str).all(|name| given.contains_key(name))
            }
            _ => false,
        }
    }
}
