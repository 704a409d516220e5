//! Converts a schema of schemars to one that a provider takes. The result allows exactly the values of the original, except that
//! rules put in words are not enforced, and that null stands for an absent value.

use serde_json::{Map, Value, json};

use super::{
    Refusal,
    dialect::{AnyValue, Dialect},
    flat::{Flat, resolve},
    limits, types,
    words::{self, add, annotations},
};

/// How many parts a schema may have. More mean a type made of itself, which would grow without end.
const PARTS: usize = 20_000;

/// How deep parts may be nested, definitions apart.
const DEPTH: usize = 64;

/// The schema in a dialect.
///
/// # Errors
/// The dialect cannot express it, or it is larger than the dialect's limits.
pub(super) fn encode(root: &Value, dialect: &'static Dialect) -> Result<Value, Refusal> {
    let mut encoder = Encoder { root, dialect, names: Vec::new(), parts: 0, depth: 0 };
    let flat = Flat::of(root, root, "")?;
    let flat = match &flat.reference {
        Some(reference) => {
            let there = resolve(root, reference).filter(|(pointer, _)| pointer != "#");
            let (_, definition) = there.ok_or_else(|| Refusal::cannot("", "has a reference to nothing"))?;
            Flat::of(root, definition, "")?
        }
        None => flat,
    };
    let Encoded { mut map, .. } = encoder.flat(flat, "")?;
    if map.get("type").and_then(Value::as_str) != Some("object") {
        return Err(Refusal::cannot("", "is no object"));
    }
    let mut definitions = Map::new();
    // Encoding a definition may add others.
    while let Some((pointer, name)) = encoder.names.get(definitions.len()).cloned() {
        let (_, schema) = resolve(root, &pointer).ok_or_else(|| Refusal::cannot(&name, "is not there"))?;
        let Encoded { map, .. } = encoder.schema(schema, &name)?;
        definitions.insert(name, Value::Object(map));
    }
    if let Some(name) = definitions.keys().find(|name| is_endless(&definitions, name)) {
        return Err(Refusal::cannot(name, "is only another name of itself"));
    }
    if !definitions.is_empty() {
        map.insert("$defs".into(), Value::Object(definitions));
    }
    let schema = Value::Object(map);
    if let Some(limits) = dialect.limits {
        limits::check(&schema, limits, dialect.name)?;
    }
    Ok(schema)
}

/// True if a definition is a reference that leads to no schema.
fn is_endless(definitions: &Map<String, Value>, name: &str) -> bool {
    let mut name = name;
    for _ in 0..=definitions.len() {
        let next =
            definitions.get(name).and_then(|definition| definition.get("$ref")).and_then(Value::as_str);
        match next.and_then(|reference| reference.strip_prefix("#/$defs/")) {
            Some(next) => name = next,
            None => return false,
        }
    }
    true
}

/// A schema in the dialect.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) map: Map<String, Value>,
    /// The description for the place of use, if the schema is a reference, which takes nothing beside it.
    pub(super) note: String,
}

impl Encoded {
    fn new(map: Map<String, Value>, description: String) -> Self {
        if map.contains_key("$ref") {
            return Self { map, note: description };
        }
        let mut described = Map::new();
        if !description.is_empty() {
            described.insert("description".into(), description.into());
        }
        described.extend(map);
        Self { map: described, note: String::new() }
    }

    /// The same schema, or null.
    fn or_null(self, type_lists: bool) -> Self {
        let Self { mut map, note } = self;
        let kind = map.get("type").and_then(Value::as_str).map(str::to_owned);
        match kind.as_deref() {
            Some("string" | "integer" | "number" | "boolean") if type_lists && !map.contains_key("enum") => {
                map.insert("type".into(), json!([kind, "null"]));
                return Self { map, note };
            }
            _ => {}
        }
        let description = map.get("description").and_then(Value::as_str).map_or(note, str::to_owned);
        if let Some(Value::Array(forms)) = map.get_mut("anyOf") {
            forms.push(json!({ "type": "null" }));
            return Self { map, note: String::new() };
        }
        map.remove("description");
        Self::new(object(json!({ "anyOf": [map, { "type": "null" }] })), description)
    }
}

/// The map of a literal object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(super) struct Encoder<'a> {
    pub(super) root: &'a Value,
    pub(super) dialect: &'static Dialect,
    /// The used definitions: their pointers and their names.
    names: Vec<(String, String)>,
    parts: usize,
    depth: usize,
}

impl Encoder<'_> {
    pub(super) fn schema(&mut self, schema: &Value, place: &str) -> Result<Encoded, Refusal> {
        let flat = Flat::of(self.root, schema, place)?;
        self.flat(flat, place)
    }

    fn flat(&mut self, flat: Flat, place: &str) -> Result<Encoded, Refusal> {
        self.parts += 1;
        if self.parts > PARTS {
            return Err(Refusal::cannot(place, format!("is made of more than {PARTS} parts")));
        }
        if self.depth > DEPTH {
            return Err(Refusal::cannot(place, format!("is more than {DEPTH} levels deep")));
        }
        let mut description = annotations(&flat.map);
        if let Some(reference) = &flat.reference {
            let reference = format!("#/$defs/{}", self.name(reference, place)?);
            return Ok(Encoded::new(object(json!({ "$ref": reference })), description));
        }
        self.depth += 1;
        let map = match flat.unions.is_empty() {
            true => types::plain(self, &flat.map, &mut description, place),
            false => self.union(&flat, &mut description, place),
        };
        self.depth -= 1;
        Ok(Encoded::new(map?, description))
    }

    /// The name of a definition: unique, of letters, digits and `_`.
    fn name(&mut self, reference: &str, place: &str) -> Result<String, Refusal> {
        let (pointer, _) = resolve(self.root, reference)
            .ok_or_else(|| Refusal::cannot(place, format!("refers to `{reference}`, which is not there")))?;
        if let Some((_, name)) = self.names.iter().find(|(known, _)| *known == pointer) {
            return Ok(name.clone());
        }
        let last = pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
        let clean = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let base: String = last.chars().map(clean).take(50).collect();
        let base = if base.chars().all(|c| c == '_') { "Answer".to_owned() } else { base };
        let mut name = base.clone();
        let mut count = 1;
        while self.names.iter().any(|(_, taken)| *taken == name) {
            count += 1;
            name = format!("{base}_{count}");
        }
        self.names.push((pointer, name.clone()));
        Ok(name)
    }

    fn union(
        &mut self,
        flat: &Flat,
        description: &mut String,
        place: &str,
    ) -> Result<Map<String, Value>, Refusal> {
        let mut rules = flat.map.clone();
        rules.remove("type");
        let is_plain = !Flat { map: rules, ..Flat::default() }.has_rules();
        let mut forms = Vec::new();
        match flat.unions.as_slice() {
            [forms_of_one] if is_plain => {
                for form in forms_of_one.iter().filter(|form| **form != Value::Bool(false)) {
                    forms.push(self.schema(form, place)?);
                }
            }
            _ => {
                for form in flat.forms(self.root, place)? {
                    forms.push(self.flat(form, place)?);
                }
            }
        }
        let mut all: Vec<Value> = Vec::new();
        for Encoded { map, note } in forms {
            add(description, &note);
            match map.get("anyOf") {
                Some(Value::Array(inner)) if !map.contains_key("description") => {
                    all.extend(inner.iter().filter(|form| !all.contains(form)).cloned().collect::<Vec<_>>());
                }
                _ if is_any(&map) => return Ok(map),
                _ if all.contains(&Value::Object(map.clone())) => {}
                _ => all.push(Value::Object(map)),
            }
        }
        one_enum(&mut all, description);
        match all.len() {
            0 => Err(Refusal::cannot(place, "has no values")),
            1 => {
                let mut only = object(all.remove(0));
                if let Some(Value::String(text)) = only.remove("description") {
                    add(description, &text);
                }
                Ok(only)
            }
            _ => Ok(object(json!({ "anyOf": all }))),
        }
    }

    /// The schema of any value.
    pub(super) fn any(&self, place: &str) -> Result<Map<String, Value>, Refusal> {
        match self.dialect.open {
            Some(AnyValue::NoKeyword) => Ok(Map::new()),
            Some(AnyValue::AllTypes) => {
                Ok(object(json!({ "type": ["string", "number", "boolean", "object", "array", "null"] })))
            }
            None => {
                let what = format!("takes any value, which {} cannot express", self.dialect.name);
                Err(Refusal::cannot(place, what))
            }
        }
    }

    /// Encodes a property: an optional one takes null instead of being absent.
    pub(super) fn property(
        &mut self,
        schema: &Value,
        is_required: bool,
        place: &str,
    ) -> Result<Encoded, Refusal> {
        let encoded = self.schema(schema, place)?;
        Ok(match is_required || self.takes_null(&encoded.map, 0) {
            true => encoded,
            false => encoded.or_null(self.dialect.type_lists),
        })
    }

    /// True if null is a value of a schema in this dialect, or of a definition in its original form.
    fn takes_null(&self, map: &Map<String, Value>, depth: usize) -> bool {
        if depth > 16 {
            return false;
        }
        let inside = |schema: &Value| match schema {
            Value::Object(map) => self.takes_null(map, depth + 1),
            other => *other == Value::Bool(true),
        };
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            let known = self.names.iter().find(|(_, name)| reference.strip_prefix("#/$defs/") == Some(name));
            let pointer = known.map_or(reference, |(pointer, _)| pointer);
            return resolve(self.root, pointer).is_some_and(|(_, schema)| inside(schema));
        }
        for union in ["anyOf", "oneOf"] {
            if let Some(Value::Array(forms)) = map.get(union) {
                return forms.iter().any(inside);
            }
        }
        match (map.get("enum").or_else(|| map.get("const")), map.get("type")) {
            (Some(Value::Array(values)), _) => values.contains(&Value::Null),
            (Some(only), _) => only.is_null(),
            (None, Some(Value::String(kind))) => kind == "null",
            (None, Some(Value::Array(kinds))) => kinds.contains(&"null".into()),
            _ => is_any(map),
        }
    }
}

/// True if the schema takes every value.
fn is_any(map: &Map<String, Value>) -> bool {
    let kinds = map.get("type").and_then(Value::as_array);
    map.keys().all(|key| words::is_annotation(key))
        || kinds.is_some_and(|kinds| {
            kinds.len() == 6 && map.keys().all(|key| key == "type" || key == "description")
        })
}

/// Joins enums of texts into one enum, with the description of each value in words.
fn one_enum(forms: &mut Vec<Value>, description: &mut String) {
    let is_choice = |form: &Value| form["type"] == "string" && form["enum"].is_array();
    if forms.iter().filter(|form| is_choice(form)).count() < 2 {
        return;
    }
    let mut values: Vec<Value> = Vec::new();
    let first = forms.iter().position(is_choice).unwrap_or(0);
    let (choices, others) = std::mem::take(forms).into_iter().partition::<Vec<_>, _>(is_choice);
    *forms = others;
    for form in choices {
        let own = form["enum"].as_array().cloned().unwrap_or_default();
        if let (Some(text), [Value::String(name)]) = (form["description"].as_str(), own.as_slice()) {
            add(description, &format!("{name}: {text}"));
        }
        for value in own {
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    forms.insert(first.min(forms.len()), json!({ "type": "string", "enum": values }));
}
