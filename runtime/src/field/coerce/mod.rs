//! From a JSON value to the value that a schema asks for, where the two say the same in other words: `"5"` for 5, `yes` for true,
//! one value for a list of one, a name in another case. What would lose or invent something is an error.

mod exact;
mod lines;
mod scalar;
#[cfg(test)]
mod tests;

use std::fmt;

use self::lines::Said;
pub(super) use self::lines::items as lines_of;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::{
    json::{self, Repair, Repairs},
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
}

impl<'a> Target<'a> {
    /// A schema that holds its own definitions.
    pub(crate) fn new(root: &'a Value) -> Self {
        Self { schema: root, root, depth: 0, with_names: true }
    }

    /// The types alone of a part of a schema that holds the definitions, without the names that it lists.
    pub(super) fn types_of(root: &'a Value, schema: &'a Value) -> Self {
        Self { schema, root, depth: 0, with_names: false }
    }

    /// True if the value is as the schema wants it, whatever the schema demands beside types.
    pub(super) fn is_kept_by(self, value: &Value) -> bool {
        self.coerce(value).is_ok_and(|fit| fit.cost == 0)
    }

    /// A part of it.
    fn at(self, schema: &'a Value) -> Self {
        Self { schema, depth: self.depth + 1, ..self }
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
            return choose(std::slice::from_ref(only), value);
        }
        let names = self.key("enum").filter(|_| self.with_names);
        if let Some(choices) = names.and_then(Value::as_array) {
            return choose(choices, value);
        }
        match self.key("type") {
            Some(Value::String(kind)) => self.of_type(kind, value),
            Some(Value::Array(kinds)) => {
                // A name of an item goes before a word for null.
                let is_named = lines::is_nothing(value) && self.item(0).is_some_and(|item| item.names(value));
                let kinds =
                    kinds.iter().filter_map(Value::as_str).filter(|kind| !is_named || *kind == "array");
                let fit = cheapest(kinds.map(|kind| self.of_type(kind, value)), value);
                self.null_for_nothing(fit, value)
            }
            _ if self.key("properties").is_some() => self.object(value),
            _ => Ok(Fit::exact(value.clone())),
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
            "integer" => scalar::integer(value),
            "number" => scalar::number(value),
            "array" => self.array(value),
            "object" => self.object(value),
            "string" => Err(expected("a text", value)),
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
                Some(inner) => self.array(&inner).map(|fit| fit.and(Repair::JsonInText)),
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
        fixed.or(self.key("items")).map(|schema| self.at(schema))
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
                Some(inner) => self.object(&inner).map(|fit| fit.and(Repair::JsonInText)),
                None => Err(expected("an object", value)),
            };
        };
        let none = Map::new();
        let properties = self.key("properties").and_then(Value::as_object).unwrap_or(&none);
        let mut all = Fit::exact(Value::Null);
        let mut object = Map::new();
        for (key, value) in given {
            let (name, schema) = match properties.get_key_value(key) {
                Some((name, schema)) => (name.as_str(), Some(schema)),
                None => match only(
                    properties.keys().filter(|name| plain(name) == plain(key) && !given.contains_key(*name)),
                ) {
                    Some(name) => {
                        all = all.and(Repair::Name);
                        (name.as_str(), properties.get(name))
                    }
                    None => {
                        (key.as_str(), self.key("additionalProperties").filter(|schema| schema.is_object()))
                    }
                },
            };
            let fit = match schema {
                Some(schema) => match self.at(schema).coerce(value) {
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
        match self.required().find(|name| !object.contains_key(*name)) {
            Some(missing) => Err(format!("`{missing}` is missing in {}", excerpt(value)).into()),
            None => Ok(Fit { value: Value::Object(object), ..all }),
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
    let mut nearest = good.into_iter().filter(|fit| Some(fit.cost) == least);
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

/// One of some values, a name in another case or with other punctuation included.
fn choose(choices: &[Value], value: &Value) -> Result<Fit, Misfit> {
    if let Some(same) = choices.iter().find(|choice| same(choice, value)) {
        return Ok(Fit::exact(same.clone()));
    }
    let misfit = || {
        let names: Vec<_> = choices.iter().map(ToString::to_string).collect();
        expected(&format!("one of {}", names.join(", ")), value)
    };
    let Value::String(text) = value else { return Err(misfit()) };
    // `str[name]`, as some models repeat the type.
    let inside = text.trim().split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
    for text in [Some(text.as_str()), inside].into_iter().flatten() {
        let fits = choices.iter().filter(|choice| match choice {
            Value::String(name) => plain(name) == plain(text) && !plain(name).is_empty(),
            other => serde_json::from_str::<Value>(text.trim()).is_ok_and(|value| same(&value, other)),
        });
        if let Some(one) = only(fits) {
            return Ok(Fit::mended(one.clone(), Repair::Name));
        }
    }
    Err(misfit())
}

/// The JSON that a text holds, if it is of the wanted kind and nothing stands around it.
fn inside(value: &Value, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    let Value::String(text) = value else { return None };
    let mut found = json::find(text).ok()?;
    let one = found.pop().filter(|one| found.is_empty() && !one.is_truncated() && wanted(&one.value))?;
    let whole = one.start == text.len() - text.trim_start().len() && one.end == text.trim_end().len();
    whole.then_some(one.value)
}

/// True for a text that holds an object or a list, but is not one whole JSON value.
fn has_other_json(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    text.contains(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_err()
}

/// A name without case, punctuation and blanks.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Equal, numbers by value.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
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
