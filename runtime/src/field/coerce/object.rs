//! Converts values to objects: structs with their keys, and maps.

use serde_json::{Map, Value};

use super::{Aliases, Fit, Misfit, Target, excerpt, expected, inside};
use crate::{field::name, json::Repair};

impl<'a> Target<'a> {
    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.key("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    fn requires(self, name: &str) -> bool {
        self.required().any(|required| required == name)
    }

    pub(super) fn object(self, value: &Value) -> Result<Fit, Misfit> {
        let Value::Object(given) = value else {
            return match inside(value, Value::is_object) {
                Some((inner, written)) => {
                    self.written(Some(&written)).object(&inner).map(|fit| fit.and(Repair::JsonInText))
                }
                None => Err(expected("an object", value)),
            };
        };
        let none = Map::new();
        let properties = self.key("properties").and_then(Value::as_object).unwrap_or(&none);
        let mut all = Fit::exact(Value::Null);
        let mut object = Map::new();
        let mut others = Vec::new();
        for (key, value) in given {
            let named = || {
                let names = properties.keys().map(|name| (name.as_str(), name.as_str()));
                name::find(names, key).filter(|name| !given.contains_key(*name))
            };
            let (name, schema) = match properties.get_key_value(key) {
                Some((name, schema)) => (name.as_str(), Some(schema)),
                None => match named() {
                    Some(name) => {
                        all = all.and(Repair::Name);
                        (name, properties.get(name))
                    }
                    None => (key.as_str(), self.further(key)?),
                },
            };
            if schema.is_none() {
                others.push(key.as_str());
            }
            let fit = match schema {
                Some(schema) => match self.entry(key, schema).coerce(value) {
                    Ok(fit) => fit,
                    // Models that must write every key write null for an optional one.
                    Err(_) if value.is_null() && properties.contains_key(name) && !self.requires(name) => {
                        continue;
                    }
                    Err(misfit) => return Err(misfit.within(format_args!("`{name}`"))),
                },
                None => Fit::exact(value.clone()),
            };
            all.repairs.extend(fit.repairs);
            all.cost += fit.cost;
            if object.insert(name.to_owned(), fit.value).is_some() {
                return Err(format!("two keys stand for `{name}`").into());
            }
        }
        if self.aliases != Aliases::None && !others.is_empty() {
            all.cost += self.read_aliases(properties, others, &mut object, &mut all.repairs)?;
            return Ok(Fit { value: Value::Object(object), ..all });
        }
        match self.required().find(|name| !object.contains_key(*name)) {
            Some(missing) => Err(format!("`{missing}` is missing in {}", excerpt(value)).into()),
            None => Ok(Fit { value: Value::Object(object), ..all }),
        }
    }

    /// Finds the schema of a key that is not listed: by the pattern that it matches, else `additionalProperties`.
    pub(super) fn further(self, key: &str) -> Result<Option<&'a Value>, Misfit> {
        if let Some(entry) = self.patterns.entry(self.schema, key) {
            return Ok(Some(entry));
        }
        let others = self.key("additionalProperties");
        match self.key("patternProperties").and_then(Value::as_object) {
            Some(patterns) if others == Some(&Value::Bool(false)) && !patterns.is_empty() => {
                let patterns: Vec<_> = patterns.keys().map(|pattern| format!("`{pattern}`")).collect();
                Err(format!("the key `{key}` does not match {}", patterns.join(" or ")).into())
            }
            // An unlisted key is passed over, unless the schema describes all further keys.
            _ => Ok(others.filter(|schema| **schema != false)),
        }
    }
}
