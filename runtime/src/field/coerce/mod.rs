//! Converts a JSON value to the type that a schema wants, where nothing is lost or invented: `"5"` to 5, `yes` to true, one value
//! to a list of one, a name in another case to the name. Anything else is an error.

mod aliases;
mod choice;
mod exact;
mod lines;
mod list;
mod object;
mod scalar;
#[cfg(test)]
mod tests;

use std::fmt;

use karat_lm::internal::shortened;
use serde_json::Value;

pub(crate) use self::lines::items as lines_of;
pub(super) use self::{aliases::Aliases, choice::same};
use super::patterns::Patterns;
use crate::json::{self, Location, Repair, Repairs, Written};

/// A value that fits its schema, with the repairs and the cost of the conversion.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fit {
    pub(crate) value: Value,
    pub(crate) repairs: Repairs,
    cost: u32,
}

impl Fit {
    fn exact(value: Value) -> Self {
        Self { value, repairs: Repairs::default(), cost: 0 }
    }

    fn mended(value: Value, repair: Repair) -> Self {
        let mut fit = Self { cost: 1, ..Self::exact(value) };
        fit.repairs.add(repair);
        fit
    }

    /// True if the value is a name that was written in another form.
    fn is_name(&self) -> bool {
        self.value.is_string() && self.repairs.contains(Repair::Name)
    }

    /// True if this conversion changed less than the other.
    pub(super) fn is_nearer(&self, other: &Self) -> bool {
        self.cost < other.cost
    }

    fn and(mut self, repair: Repair) -> Self {
        self.repairs.add(repair);
        self.cost += 1;
        self
    }
}

/// Error of a value that does not fit: what was expected and found, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Misfit {
    pub(crate) message: String,
    /// True if the type would accept the value and silently change it.
    pub(crate) is_lossy: bool,
}

impl Misfit {
    fn within(self, location: impl fmt::Display) -> Self {
        Self { message: format!("{location}: {}", self.message), ..self }
    }
}

impl From<String> for Misfit {
    fn from(message: String) -> Self {
        Self { message, is_lossy: false }
    }
}

impl From<&str> for Misfit {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

/// Deepest nesting of schemas that is followed; a schema may refer to itself.
pub(super) const DEPTH: usize = 128;

/// A schema to convert values to, with its definitions.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    schema: &'a Value,
    root: &'a Value,
    depth: usize,
    /// False if lists of names (`enum`) are not checked.
    with_names: bool,
    aliases: Aliases,
    patterns: &'a Patterns,
    /// Location of the value in its source text, if known.
    location: Option<Location<'a>>,
}

impl<'a> Target<'a> {
    /// Takes a schema that contains its own definitions.
    pub(crate) fn new(root: &'a Value) -> Self {
        Self {
            schema: root,
            root,
            depth: 0,
            with_names: true,
            aliases: Aliases::None,
            patterns: Patterns::none(),
            location: None,
        }
    }

    /// Sets the source text of the value.
    pub(crate) fn written(self, written: Option<&'a Written>) -> Self {
        Self { location: written.map(Written::location), ..self }
    }

    /// Takes a part of the schema `root` for its types alone, without the names that it lists.
    pub(super) fn types_of(root: &'a Value, schema: &'a Value) -> Self {
        Self { schema, with_names: false, ..Self::new(root) }
    }

    /// Sets the regular expressions that keys of maps must match.
    pub(super) fn with_patterns(self, patterns: &'a Patterns) -> Self {
        Self { patterns, ..self }
    }

    /// Sets how keys are read that the schema does not name.
    pub(super) fn with_aliases(self, aliases: Aliases) -> Self {
        Self { aliases, ..self }
    }

    /// True if the value is of the schema's types as it stands; rules beside types are not checked.
    pub(super) fn is_kept_by(self, value: &Value) -> bool {
        self.coerce(value).is_ok_and(|fit| fit.cost == 0)
    }

    /// Goes down to a part of the schema.
    fn at(self, schema: &'a Value) -> Self {
        Self { schema, depth: self.depth + 1, ..self }
    }

    /// Goes down to an entry of the object.
    fn entry(self, key: &str, schema: &'a Value) -> Self {
        Self { location: self.location.map(|location| location.entry(key)), ..self.at(schema) }
    }

    fn format(self) -> Option<&'a str> {
        self.key("format").and_then(Value::as_str)
    }

    /// True for a type that takes numbers and texts, such as a decimal: a text keeps digits that a number would lose.
    pub(super) fn is_decimal(self) -> bool {
        let kinds = self.key("type").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        ["string", "number"].iter().all(|wanted| kinds.iter().any(|kind| kind == wanted))
    }

    fn decimal(self, value: &Value) -> Result<Fit, Misfit> {
        scalar::decimal(value, self.location, self.key("pattern").is_some())
    }

    fn key(self, keyword: &str) -> Option<&'a Value> {
        self.schema.get(keyword)
    }

    /// Converts the value to what the schema wants.
    ///
    /// # Errors
    /// The value does not fit.
    pub(crate) fn coerce(self, value: &Value) -> Result<Fit, Misfit> {
        if self.depth > DEPTH {
            return match self.with_names {
                true => Err("the value is nested too deeply".into()),
                // The levels above have already determined the type.
                false => Ok(Fit::exact(value.clone())),
            };
        }
        // serde writes a flattened type, and the tag of an enum, into the object around it.
        let is_part = ["$ref", "anyOf", "oneOf"].iter().any(|keyword| self.key(keyword).is_some());
        if is_part && self.key("properties").is_some() {
            return self.own_part(value);
        }
        if let Some(reference) = self.key("$ref").and_then(Value::as_str) {
            let path = reference.strip_prefix('#').unwrap_or_default();
            let definition = self
                .root
                .pointer(path)
                .ok_or_else(|| Misfit::from(format!("the schema lacks {reference}")))?;
            return self.at(definition).coerce(value);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(variants) = self.key(keyword).and_then(Value::as_array) {
                let fit = self.cheapest(variants.iter().map(|variant| self.at(variant)), value);
                return self.null_for_nothing(fit, value);
            }
        }
        if let Some([one]) = self.key("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            return self.at(one).coerce(value);
        }
        if let Some(only) = self.key("const") {
            return self.chosen(std::slice::from_ref(only), value);
        }
        let names = self.key("enum").filter(|_| self.with_names);
        if let Some(choices) = names.and_then(Value::as_array) {
            return self.chosen(choices, value);
        }
        match self.key("type") {
            Some(Value::String(kind)) => self.of_type(kind, value),
            Some(Value::Array(kinds)) if self.is_decimal() && (value.is_number() || value.is_string()) => {
                let is_null = || kinds.iter().any(|kind| kind == "null") && scalar::null(value).is_ok();
                match self.decimal(value) {
                    Err(_) if is_null() => scalar::null(value),
                    outcome => outcome,
                }
            }
            Some(Value::Array(kinds)) => {
                // A name of an item goes before a word for null.
                let is_named = lines::is_nothing(value) && self.item(0).is_some_and(|item| item.names(value));
                let kinds =
                    kinds.iter().filter_map(Value::as_str).filter(|kind| !is_named || *kind == "array");
                let fit = cheapest(kinds.map(|kind| self.of_type(kind, value)), value);
                self.null_for_nothing(fit, value)
            }
            _ if self.key("properties").is_some() => self.object(value),
            _ => scalar::anything(value, self.location),
        }
    }

    /// Converts the keys that the schema names itself, then those of the schemas beside them.
    fn own_part(self, value: &Value) -> Result<Fit, Misfit> {
        let mut fit = self.object(value)?;
        for keyword in ["$ref", "anyOf", "oneOf"] {
            let Some(beside) = self.key(keyword) else { continue };
            let part = Value::from_iter([(keyword, beside.clone())]);
            let next = Target { schema: &part, depth: self.depth + 1, ..self }.coerce(&fit.value)?;
            fit.repairs.extend(next.repairs);
            fit = Fit { value: next.value, cost: fit.cost + next.cost, ..fit };
        }
        Ok(fit)
    }

    fn cheapest(self, targets: impl Iterator<Item = Self>, value: &Value) -> Result<Fit, Misfit> {
        cheapest(targets.map(|target| target.coerce(value)), value)
    }

    fn of_type(self, kind: &str, value: &Value) -> Result<Fit, Misfit> {
        match kind {
            "string" if value.is_string() => Ok(Fit::exact(value.clone())),
            "null" => scalar::null(value),
            "boolean" => scalar::boolean(value),
            "integer" => scalar::integer(
                value,
                self.location,
                self.format().is_some_and(|format| format.ends_with("int128")),
            ),
            "number" => scalar::number(value, self.location, self.format() == Some("float")),
            "array" => self.array(value),
            "object" => self.object(value),
            "string" => scalar::text(value, self.location),
            _ => Ok(Fit::exact(value.clone())),
        }
    }
}

/// Picks the cheapest fit; equally cheap fits that differ are an error.
fn cheapest(fits: impl Iterator<Item = Result<Fit, Misfit>>, value: &Value) -> Result<Fit, Misfit> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for fit in fits {
        match fit {
            Ok(fit) => good.push(fit),
            Err(misfit) => bad.push(misfit),
        }
    }
    let least = good.iter().map(|fit| fit.cost).min();
    let mut nearest: Vec<_> = good.into_iter().filter(|fit| Some(fit.cost) == least).collect();
    // A name goes before a word for null: `none`, where one of the names is `None`.
    if nearest.iter().any(Fit::is_name) {
        nearest.retain(|fit| !fit.value.is_null());
    }
    let mut nearest = nearest.into_iter();
    match nearest.next() {
        Some(fit) if nearest.all(|other| other.value == fit.value) => Ok(fit),
        Some(_) => Err(format!("{} fits several of the possible types equally well", excerpt(value)).into()),
        None => match bad.as_slice() {
            [one] => Err(one.clone()),
            all => {
                let why: Vec<_> = all.iter().map(|misfit| misfit.message.as_str()).collect();
                let message =
                    format!("{} fits none of the possible types: {}", excerpt(value), why.join("; "));
                Err(Misfit { message, is_lossy: all.iter().any(|misfit| misfit.is_lossy) })
            }
        },
    }
}

/// Reads a text as one JSON value of the wanted kind with nothing around it; also returns its source.
fn inside(value: &Value, wanted: impl Fn(&Value) -> bool) -> Option<(Value, Written)> {
    let Value::String(text) = value else { return None };
    let mut found = json::find(text).ok()?;
    let one = found.pop().filter(|one| found.is_empty() && !one.is_truncated() && wanted(&one.value))?;
    let whole = one.start == text.len() - text.trim_start().len() && one.end == text.trim_end().len();
    let written = Written::new(text, &one);
    whole.then_some((one.value, written))
}

fn expected(what: &str, found: &Value) -> Misfit {
    format!("expected {what}, found {}", excerpt(found)).into()
}

fn excerpt(value: &Value) -> String {
    shortened(&value.to_string(), 120)
}
