//! From a JSON value to the value that a schema asks for, where the two say the same in other words: `"5"` for 5, `yes` for true,
//! one value for a list of one, a name in another case. What would lose or invent something is an error.

mod aliases;
mod exact;
mod lines;
mod listed;
mod scalar;
#[cfg(test)]
mod tests;

use std::fmt;

use self::lines::Said;
pub(super) use self::lines::items as lines_of;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

pub(super) use self::aliases::Aliases;
use super::{name, patterns::Patterns, rules::compare};
use crate::{
    json::{self, Place, Repair, Repairs, Written},
    text::shortened,
};

/// A value that fits, what was mended for it, and how far it is from what was there.
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

    /// True for one of some names that was written in another form.
    fn is_name(&self) -> bool {
        self.value.is_string() && self.repairs.contains(Repair::Name)
    }

    /// True if less was done to the value than for the other one.
    pub(super) fn is_nearer(&self, other: &Self) -> bool {
        self.cost < other.cost
    }

    fn and(mut self, repair: Repair) -> Self {
        self.repairs.add(repair);
        self.cost += 1;
        self
    }
}

/// Why a value does not fit: what was expected and found, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Misfit {
    pub(crate) message: String,
    /// True if a type would take it and change it in silence.
    pub(crate) is_lossy: bool,
}

impl Misfit {
    fn within(self, place: impl fmt::Display) -> Self {
        Self { message: format!("{place}: {}", self.message), ..self }
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

/// The deepest schema that is followed: one may refer to itself.
pub(super) const DEPTH: usize = 128;

/// A schema with its definitions.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    schema: &'a Value,
    root: &'a Value,
    depth: usize,
    /// False if any value of the type will do where names are listed.
    with_names: bool,
    aliases: Aliases,
    patterns: &'a Patterns,
    /// Where the value is written, if that is known.
    place: Option<Place<'a>>,
}

impl<'a> Target<'a> {
    /// A schema that holds its own definitions.
    pub(crate) fn new(root: &'a Value) -> Self {
        Self {
            schema: root,
            root,
            depth: 0,
            with_names: true,
            aliases: Aliases::None,
            patterns: Patterns::none(),
            place: None,
        }
    }

    /// The same for a value that is written so.
    pub(crate) fn written(self, written: Option<&'a Written>) -> Self {
        Self { place: written.map(Written::place), ..self }
    }

    /// The types alone of a part of a schema that holds the definitions, without the names that it lists.
    pub(super) fn types_of(root: &'a Value, schema: &'a Value) -> Self {
        Self { schema, with_names: false, ..Self::new(root) }
    }

    /// The same with the regular expressions that the keys of its maps have to match.
    pub(super) fn with_patterns(self, patterns: &'a Patterns) -> Self {
        Self { patterns, ..self }
    }

    /// The same where the type may know further names for its keys.
    pub(super) fn with_aliases(self, aliases: Aliases) -> Self {
        Self { aliases, ..self }
    }

    /// True if the value is as the schema wants it, whatever the schema demands beside types.
    pub(super) fn is_kept_by(self, value: &Value) -> bool {
        self.coerce(value).is_ok_and(|fit| fit.cost == 0)
    }

    /// A part of it.
    fn at(self, schema: &'a Value) -> Self {
        Self { schema, depth: self.depth + 1, ..self }
    }

    /// The schema of an entry of the object.
    fn entry(self, key: &str, schema: &'a Value) -> Self {
        Self { place: self.place.map(|place| place.entry(key)), ..self.at(schema) }
    }

    fn format(self) -> Option<&'a str> {
        self.key("format").and_then(Value::as_str)
    }

    /// True for a number whose digits are kept in a text where need be.
    pub(super) fn is_decimal(self) -> bool {
        let kinds = self.key("type").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        ["string", "number"].iter().all(|wanted| kinds.iter().any(|kind| kind == wanted))
    }

    fn decimal(self, value: &Value) -> Result<Fit, Misfit> {
        scalar::decimal(value, self.place, self.key("pattern").is_some())
    }

    /// One of some values; a number, or a truth value, for the text in which it is written.
    fn chosen(self, choices: &[Value], value: &Value) -> Result<Fit, Misfit> {
        self.choice(choices, value).or_else(|misfit| match choices.iter().any(Value::is_string) {
            true if value.is_number() || value.is_boolean() => {
                let text = scalar::text(value, self.place)?;
                let fit = choose(choices, &text.value).map_err(|_| misfit)?;
                Ok(Fit { cost: fit.cost + text.cost, ..fit.and(Repair::ValueForText) })
            }
            _ => Err(misfit),
        })
    }

    fn key(self, keyword: &str) -> Option<&'a Value> {
        self.schema.get(keyword)
    }

    /// The value as the schema wants it.
    ///
    /// # Errors
    /// It does not fit.
    pub(crate) fn coerce(self, value: &Value) -> Result<Fit, Misfit> {
        if self.depth > DEPTH {
            return match self.with_names {
                true => Err("the value is nested too deeply".into()),
                // Which type it is of was seen before.
                false => Ok(Fit::exact(value.clone())),
            };
        }
        // serde writes a flattened type, and the tag of an enum, into one object with what stands beside them.
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
            _ => scalar::anything(value, self.place),
        }
    }

    /// The keys that the schema names itself, then those of the schemas beside them.
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
                self.place,
                self.format().is_some_and(|format| format.ends_with("int128")),
            ),
            "number" => scalar::number(value, self.place, self.format() == Some("float")),
            "array" => self.array(value),
            "object" => self.object(value),
            "string" => scalar::text(value, self.place),
            _ => Ok(Fit::exact(value.clone())),
        }
    }

    fn array(self, value: &Value) -> Result<Fit, Misfit> {
        let coerce = |index: usize, value: &Value| match self.item(index) {
            Some(target) => target.coerce(value),
            None => Ok(Fit::exact(value.clone())),
        };
        match value {
            Value::Array(items) => {
                let mut all = Fit::exact(Value::Null);
                let mut list = Vec::with_capacity(items.len());
                for (index, value) in items.iter().enumerate() {
                    let fit =
                        coerce(index, value).map_err(|misfit| misfit.within(format_args!("item {index}")))?;
                    all.repairs.extend(fit.repairs);
                    all.cost += fit.cost;
                    list.push(fit.value);
                }
                Ok(Fit { value: Value::Array(list), ..all })
            }
            Value::Null => Err(expected("a list", value)),
            _ => match inside(value, Value::is_array) {
                Some((inner, written)) => {
                    self.written(Some(&written)).array(&inner).map(|fit| fit.and(Repair::JsonInText))
                }
                None => self.said(value),
            },
        }
    }

    /// The list that is said in a text without brackets, or one value for a list of one.
    fn said(self, value: &Value) -> Result<Fit, Misfit> {
        let text = value.as_str().unwrap_or_default();
        let is_fixed = self.key("prefixItems").is_some();
        match lines::said(text) {
            Said::Items(items) => {
                let items = items.into_iter().map(|item| Value::String(item.into())).collect();
                self.array(&Value::Array(items)).map(|fit| fit.and(Repair::MarkdownList))
            }
            Said::Nothing
                if value.is_string() && !is_fixed && !self.item(0).is_some_and(|item| item.names(value)) =>
            {
                // Further from it than null is.
                Ok(Fit { cost: 2, ..Fit::mended(Value::Array(Vec::new()), Repair::Word) })
            }
            // Half a list, or several, is not one item.
            _ if has_other_json(value) || json::begins(text) => Err(expected("a list", value)),
            Said::Lines if serde_json::from_str::<IgnoredAny>(text).is_err() => {
                Err(expected("a list, or a line with `-` before it for each item", value))
            }
            _ => {
                let one = match self.item(0) {
                    Some(target) => target.coerce(value).map_err(|_| expected("a list", value))?,
                    None => Fit::exact(value.clone()),
                };
                Ok(Fit { value: Value::Array(vec![one.value.clone()]), ..one.and(Repair::ListOfOne) })
            }
        }
    }

    /// The schema of a list's item.
    fn item(self, index: usize) -> Option<Self> {
        let fixed = self.key("prefixItems").and_then(|items| items.get(index));
        let place = self.place.map(|place| place.item(index));
        fixed.or(self.key("items")).map(|schema| Self { place, ..self.at(schema) })
    }

    /// Null, where it may stand, for a text that says that there are no items.
    fn null_for_nothing(self, fit: Result<Fit, Misfit>, value: &Value) -> Result<Fit, Misfit> {
        match &fit {
            Ok(Fit { value: Value::Array(items), .. })
                if items.is_empty() && lines::is_nothing(value) && self.takes(&Value::Null) =>
            {
                Ok(Fit::mended(Value::Null, Repair::Word))
            }
            _ => fit,
        }
    }

    /// True if the schema lists the text among its values.
    fn names(self, text: &Value) -> bool {
        let definition = || self.root.pointer(self.key("$ref")?.as_str()?.strip_prefix('#')?);
        let variants =
            ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|keyword| self.key(keyword)?.as_array());
        let choices = self.key("const").map(std::slice::from_ref);
        let choices = choices.or(self.key("enum").and_then(Value::as_array).map(Vec::as_slice));
        self.depth <= DEPTH
            && (choices.is_some_and(|choices| choose(choices, text).is_ok())
                || definition().into_iter().chain(variants.flatten()).any(|part| self.at(part).names(text)))
    }

    fn required(self) -> impl Iterator<Item = &'a str> {
        self.key("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    fn requires(self, name: &str) -> bool {
        self.required().any(|required| required == name)
    }

    fn object(self, value: &Value) -> Result<Fit, Misfit> {
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
                    // A key that may be absent: models that have to write all keys write null.
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

    /// What the schema says of a key that it does not name: the pattern of such keys, else what all others hold.
    fn further(self, key: &str) -> Result<Option<&'a Value>, Misfit> {
        if let Some(entry) = self.patterns.entry(self.schema, key) {
            return Ok(Some(entry));
        }
        let others = self.key("additionalProperties");
        match self.key("patternProperties").and_then(Value::as_object) {
            Some(patterns) if others == Some(&Value::Bool(false)) && !patterns.is_empty() => {
                let patterns: Vec<_> = patterns.keys().map(|pattern| format!("`{pattern}`")).collect();
                Err(format!("the key `{key}` does not match {}", patterns.join(" or ")).into())
            }
            // Keys of which the schema says nothing may be passed over; those of which all are allowed are not.
            _ => Ok(others.filter(|schema| **schema != false)),
        }
    }
}

/// The fit nearest to what was there; of equally near ones that differ none is the right one.
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
    // A name goes before a word that means nothing: `none` where one of the names is `None`.
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

/// One of some values, a name in another form included.
fn choose(choices: &[Value], value: &Value) -> Result<Fit, Misfit> {
    if let Some(same) = choices.iter().find(|choice| same(choice, value)) {
        return Ok(Fit::exact(same.clone()));
    }
    let misfit = || {
        let names: Vec<_> = choices.iter().map(ToString::to_string).collect();
        expected(&format!("one of {}", names.join(", ")), value)
    };
    let named = |choice: Option<&Value>| match choice {
        Some(one) => Ok(Fit::mended(one.clone(), Repair::Name)),
        None => Err(misfit()),
    };
    let text = match value {
        Value::String(text) => text.trim(),
        _ => return Err(misfit()),
    };
    for text in [Some(text), repeated_type(text)].into_iter().flatten() {
        let names = choices.iter().filter_map(|choice| Some((choice.as_str()?, choice)));
        let read = serde_json::from_str::<Value>(text).ok();
        let others = choices.iter().filter(|choice| !choice.is_string());
        let by_value = only(others.filter(|choice| read.as_ref().is_some_and(|read| same(read, choice))));
        match (name::find(names, text), by_value) {
            (Some(one), None) | (None, Some(one)) => return named(Some(one)),
            _ => {}
        }
    }
    match choices.iter().any(Value::is_null) {
        true => scalar::null(value).map_err(|_| misfit()),
        false => Err(misfit()),
    }
}

/// The inside of `str[name]`, as some models repeat the type.
fn repeated_type(text: &str) -> Option<&str> {
    let (kind, rest) = text.split_once('[')?;
    let is_type = ["str", "string", "text", "enum", "literal", "int", "float"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(kind.trim()));
    rest.strip_suffix(']').filter(|_| is_type)
}

/// The JSON that a text holds and how it is written, if it is of the wanted kind and nothing stands around it.
fn inside(value: &Value, wanted: impl Fn(&Value) -> bool) -> Option<(Value, Written)> {
    let Value::String(text) = value else { return None };
    let mut found = json::find(text).ok()?;
    let one = found.pop().filter(|one| found.is_empty() && !one.is_truncated() && wanted(&one.value))?;
    let whole = one.start == text.len() - text.trim_start().len() && one.end == text.trim_end().len();
    let written = Written::new(text, &one);
    whole.then_some((one.value, written))
}

/// True for a text that holds an object or a list, but is not one whole JSON value.
fn has_other_json(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    text.contains(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_err()
}

/// Equal, numbers by value and exactly.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || compare(a, b).is_eq(),
        _ => a == b,
    }
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

fn expected(what: &str, found: &Value) -> Misfit {
    format!("expected {what}, found {}", excerpt(found)).into()
}

fn excerpt(value: &Value) -> String {
    shortened(&value.to_string(), 120)
}
