//! Checks that a schema is small enough for a provider, before anything is sent.

use serde_json::Value;

use super::{Refusal, dialect::SizeLimits};

/// The size that one type, or one field of the answer, adds to a schema.
#[derive(Debug, Default)]
struct Size {
    place: String,
    properties: usize,
    names: usize,
    values: usize,
}

type Count = fn(&Size) -> usize;

/// # Errors
/// It is too large; the message names the type or field that counts for most of it.
pub(super) fn check(schema: &Value, limits: &SizeLimits, dialect: &str) -> Result<(), Refusal> {
    let mut sizes = Vec::new();
    let root = Size::default();
    let mut counter = Counter { limits, dialect, size: root };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        counter.size = Size { place: name.clone(), properties: 1, names: length(name), ..Size::default() };
        counter.schema(property, name, 1)?;
        sizes.push(std::mem::take(&mut counter.size));
    }
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        counter.size = Size { place: name.clone(), names: length(name), ..Size::default() };
        counter.schema(definition, name, 0)?;
        sizes.push(std::mem::take(&mut counter.size));
    }
    let rows: [(&str, usize, Count); 3] = [
        ("properties", limits.properties, |size| size.properties),
        ("characters in names and enum values", limits.names, |size| size.names),
        ("enum values", limits.values, |size| size.values),
    ];
    for (what, most, of) in rows {
        let sum: usize = sizes.iter().map(of).sum();
        if sum <= most {
            continue;
        }
        let largest = sizes.iter().max_by_key(|size| of(size));
        let (place, own) = largest.map_or(("", 0), |size| (size.place.as_str(), of(size)));
        let what = format!("has {own} of the answer's {sum} {what}; {dialect} takes at most {most}");
        return Err(Refusal::limit(place, what));
    }
    Ok(())
}

fn length(text: &str) -> usize {
    text.chars().count()
}

struct Counter<'a> {
    limits: &'a SizeLimits,
    dialect: &'a str,
    size: Size,
}

impl Counter<'_> {
    /// References are not followed, so that `depth` is that of the schema as it is written, as in OpenAI's own clients.
    fn schema(&mut self, schema: &Value, place: &str, depth: usize) -> Result<(), Refusal> {
        let (limits, dialect) = (self.limits, self.dialect);
        let nests = schema["properties"].is_object() || schema["items"].is_object();
        let depth = depth + usize::from(nests);
        if depth > limits.depth {
            let what =
                format!("is at level {depth} of objects and lists; {dialect} takes at most {}", limits.depth);
            return Err(Refusal::limit(place, what));
        }
        if let Some(values) = schema["enum"].as_array() {
            let characters: usize = values.iter().filter_map(Value::as_str).map(length).sum();
            self.size.values += values.len();
            self.size.names += characters;
            if values.len() > limits.long_enum && characters > limits.long_enum_characters {
                let what = format!(
                    "has {} enum values of {characters} characters together; {dialect} takes at most {} characters where \
                     there are more than {} values",
                    values.len(),
                    limits.long_enum_characters,
                    limits.long_enum
                );
                return Err(Refusal::limit(place, what));
            }
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.size.properties += 1;
            self.size.names += length(name);
            self.schema(property, &format!("{place}.{name}"), depth)?;
        }
        if schema["items"].is_object() {
            self.schema(&schema["items"], &format!("{place}[]"), depth)?;
        }
        for form in schema["anyOf"].as_array().into_iter().flatten() {
            self.schema(form, place, depth)?;
        }
        Ok(())
    }
}
