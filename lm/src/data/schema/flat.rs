//! Flattens a schema: merges `allOf`, and keywords beside a `$ref` or a union.

use serde_json::{Map, Value};

use super::{
    Refusal,
    words::{RULES, add, is_annotation, rule},
};

/// How deep references are followed.
const DEPTH: usize = 64;

/// How many forms a union of unions may have.
const FORMS: usize = 256;

/// A flat schema: keywords, unions that all have to hold, and a reference that needs no merging.
#[derive(Clone, Debug, Default)]
pub(super) struct Flat {
    pub(super) map: Map<String, Value>,
    pub(super) unions: Vec<Vec<Value>>,
    pub(super) reference: Option<String>,
}

/// The schema that a reference such as `#/$defs/Name` points at, with its pointer after following aliases.
pub(super) fn resolve<'a>(root: &'a Value, reference: &str) -> Option<(String, &'a Value)> {
    let mut reference = reference.to_owned();
    for _ in 0..DEPTH {
        let schema = root.pointer(reference.strip_prefix('#')?)?;
        let alias =
            schema.as_object().filter(|map| map.keys().all(|key| key == "$ref" || is_annotation(key)));
        match alias.and_then(|map| map.get("$ref")).and_then(Value::as_str) {
            // The root is no alias, though it has definitions.
            Some(next) if reference != "#" => reference = next.to_owned(),
            _ => return Some((reference, schema)),
        }
    }
    None
}

impl Flat {
    /// # Errors
    /// A reference to nothing or without end, parts that exclude each other, a union of too many forms.
    pub(super) fn of(root: &Value, schema: &Value, place: &str) -> Result<Self, Refusal> {
        Self::at(root, schema, place, 0)
    }

    fn at(root: &Value, schema: &Value, place: &str, depth: usize) -> Result<Self, Refusal> {
        if depth > DEPTH {
            return Err(Refusal::cannot(place, "is made of itself without end"));
        }
        let given = match schema {
            Value::Bool(true) => return Ok(Self::default()),
            Value::Object(map) => map,
            _ => return Err(Refusal::cannot(place, "has no values")),
        };
        let mut flat = Self::default();
        let mut parts = Vec::new();
        for (keyword, value) in given {
            match (keyword.as_str(), value) {
                ("$ref", Value::String(reference)) => flat.reference = Some(reference.clone()),
                ("anyOf" | "oneOf", Value::Array(forms)) => flat.unions.push(forms.clone()),
                ("allOf", Value::Array(all)) => parts.extend(all),
                _ => {
                    flat.map.insert(keyword.clone(), value.clone());
                }
            }
        }
        for part in parts {
            flat = flat.and(Self::at(root, part, place, depth + 1)?, root, place, depth)?;
        }
        flat.with_reference_inlined(root, place, depth)
    }

    /// Replaces the reference by its definition if other rules beside it have to hold too.
    fn with_reference_inlined(mut self, root: &Value, place: &str, depth: usize) -> Result<Self, Refusal> {
        if self.reference.is_some() && (self.has_rules() || !self.unions.is_empty()) {
            let reference = self.reference.take().unwrap_or_default();
            let (_, definition) = resolve(root, &reference).ok_or_else(|| {
                Refusal::cannot(place, format!("refers to `{reference}`, which is not there"))
            })?;
            let mut inner = Self::at(root, definition, place, depth + 1)?;
            // The definition's description is about the type; the one beside the reference is about the place.
            if self.map.contains_key("description") {
                inner.map.remove("description");
            }
            self = self.and(inner, root, place, depth)?;
        }
        Ok(self)
    }

    /// True if some keyword constrains the values.
    pub(super) fn has_rules(&self) -> bool {
        self.map.keys().any(|keyword| !is_annotation(keyword))
    }

    /// The schema that holds where both hold.
    fn and(mut self, other: Self, root: &Value, place: &str, depth: usize) -> Result<Self, Refusal> {
        let reference = match (self.reference.take(), other.reference) {
            (Some(one), Some(two)) if one != two => {
                let put = |reference: &str| {
                    resolve(root, reference)
                        .ok_or_else(|| {
                            Refusal::cannot(place, format!("refers to `{reference}`, which is not there"))
                        })
                        .and_then(|(_, schema)| Self::at(root, schema, place, depth + 1))
                };
                let both = put(&one)?.and(put(&two)?, root, place, depth + 1)?;
                self = self.and(both, root, place, depth + 1)?;
                self.reference.take()
            }
            (one, two) => one.or(two),
        };
        merge(&mut self.map, other.map, place)?;
        self.unions.extend(other.unions);
        self.reference = reference;
        self.with_reference_inlined(root, place, depth)
    }

    /// The combinations of all unions' forms, each with the keywords beside them; a form's own keywords come first, so that the keys
    /// that distinguish the forms do.
    pub(super) fn forms(&self, root: &Value, place: &str) -> Result<Vec<Self>, Refusal> {
        let mut base = self.map.clone();
        base.retain(|keyword, _| !is_annotation(keyword));
        let mut forms = vec![Self::default()];
        for union in &self.unions {
            if forms.len().saturating_mul(union.len()) > FORMS {
                return Err(Refusal::cannot(place, format!("has more than {FORMS} forms")));
            }
            let mut next = Vec::new();
            for form in &forms {
                for variant in union.iter().filter(|variant| **variant != Value::Bool(false)) {
                    next.push(Self::at(root, variant, place, 1)?.and(form.clone(), root, place, 1)?);
                }
            }
            forms = next;
        }
        let base = Self { map: base, ..Self::default() };
        forms.into_iter().map(|form| form.and(base.clone(), root, place, 1)).collect()
    }
}

/// Adds the keywords of another schema that has to hold too.
fn merge(map: &mut Map<String, Value>, other: Map<String, Value>, place: &str) -> Result<(), Refusal> {
    let mut remarks = Vec::new();
    for (keyword, value) in other {
        let Some(own) = map.get_mut(&keyword) else {
            map.insert(keyword, value);
            continue;
        };
        if *own == value {
            continue;
        }
        match (keyword.as_str(), own, value) {
            ("properties" | "patternProperties" | "$defs", Value::Object(own), Value::Object(more)) => {
                for (name, schema) in more {
                    match own.get_mut(&name) {
                        Some(same) if *same != schema => {
                            *same = serde_json::json!({ "allOf": [same.take(), schema] });
                        }
                        Some(_) => {}
                        None => {
                            own.insert(name, schema);
                        }
                    }
                }
            }
            ("required", Value::Array(own), Value::Array(more)) => {
                for name in more {
                    if !own.contains(&name) {
                        own.push(name);
                    }
                }
            }
            ("description", Value::String(own), Value::String(more)) => add(own, &more),
            ("type", own, more) => *own = common(own, &more, place)?,
            ("enum", Value::Array(own), Value::Array(more)) => own.retain(|value| more.contains(value)),
            ("minimum" | "minLength" | "minItems" | "exclusiveMinimum", own, more) => {
                if more.as_f64() > own.as_f64() {
                    *own = more;
                }
            }
            ("maximum" | "maxLength" | "maxItems" | "exclusiveMaximum", own, more) => {
                if more.as_f64() < own.as_f64() {
                    *own = more;
                }
            }
            // Parts of one JSON object, as serde flattens them: a key that one part does not know may be another's.
            ("additionalProperties" | "unevaluatedProperties", own, more) => {
                if *own == Value::Bool(false) {
                    *own = more;
                }
            }
            (keyword, _, _) if is_annotation(keyword) => {}
            // A schema has each rule once; the other one is put in words.
            (keyword, _, value) if RULES.contains(&keyword) => remarks.extend(rule(keyword, &value)),
            (keyword, _, _) => {
                return Err(Refusal::cannot(place, format!("has two rules `{keyword}` that differ")));
            }
        }
    }
    for remark in remarks {
        if let Value::String(description) = map.entry("description").or_insert_with(|| "".into()) {
            add(description, &remark);
        }
    }
    Ok(())
}

/// The types that both allow.
fn common(one: &Value, two: &Value, place: &str) -> Result<Value, Refusal> {
    let list = |types: &Value| match types {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let (one, two) = (list(one), list(two));
    let fits = |kind: &Value, others: &[Value]| {
        others.contains(kind) || (kind == "integer" && others.contains(&"number".into()))
    };
    let mut both: Vec<_> = one.iter().filter(|kind| fits(kind, &two)).cloned().collect();
    both.extend(two.iter().filter(|kind| fits(kind, &one) && !one.contains(kind)).cloned());
    match both.len() {
        0 => Err(Refusal::cannot(place, "has parts of different types")),
        1 => Ok(both.remove(0)),
        _ => Ok(Value::Array(both)),
    }
}
