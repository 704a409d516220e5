//! From a JSON value to the value that a schema asks for, where the two say the same in other words: `"5"` for 5, `yes` for true,
//! one value for a list of one, a name in another case. What would lose or invent something is an error.

use std::fmt;

use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};

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
const DEPTH: usize = 128;

/// A schema with its definitions.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    schema: &'a Value,
    root: &'a Value,
    depth: usize,
}

impl<'a> Target<'a> {
    /// A schema that holds its own definitions.
    pub(crate) fn new(root: &'a Value) -> Self {
        Self { schema: root, root, depth: 0 }
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
            return Err("the value is nested too deeply".into());
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
                return self.cheapest(variants.iter().map(|variant| self.at(variant)), value);
            }
        }
        if let Some([one]) = self.key("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            return self.at(one).coerce(value);
        }
        if let Some(only) = self.key("const") {
            return choose(std::slice::from_ref(only), value);
        }
        if let Some(choices) = self.key("enum").and_then(Value::as_array) {
            return choose(choices, value);
        }
        match self.key("type") {
            Some(Value::String(kind)) => self.of_type(kind, value),
            Some(Value::Array(kinds)) => {
                let fits = kinds.iter().filter_map(Value::as_str).map(|kind| self.of_type(kind, value));
                cheapest(fits, value)
            }
            _ if self.key("properties").is_some() => self.object(value),
            _ => Ok(Fit::exact(value.clone())),
        }
    }

    fn cheapest(self, targets: impl Iterator<Item = Self>, value: &Value) -> Result<Fit, Misfit> {
        cheapest(targets.map(|target| target.coerce(value)), value)
    }

    fn of_type(self, kind: &str, value: &Value) -> Result<Fit, Misfit> {
        match kind {
            "string" if value.is_string() => Ok(Fit::exact(value.clone())),
            "null" => null(value),
            "boolean" => boolean(value),
            "integer" => integer(value),
            "number" => number(value),
            "array" => self.array(value),
            "object" => self.object(value),
            "string" => Err(expected("a text", value)),
            _ => Ok(Fit::exact(value.clone())),
        }
    }

    fn array(self, value: &Value) -> Result<Fit, Misfit> {
        let item = |index: usize| {
            let fixed = self.key("prefixItems").and_then(|items| items.get(index));
            fixed.or(self.key("items")).map(|schema| self.at(schema))
        };
        let coerce = |index: usize, value: &Value| match item(index) {
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
                // Half a list, or several, is not one item.
                None if has_other_json(value) => Err(expected("a list", value)),
                None => {
                    let one = coerce(0, value).map_err(|_| expected("a list", value))?;
                    Ok(Fit { value: Value::Array(vec![one.value.clone()]), ..one.and(Repair::ListOfOne) })
                }
            },
        }
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
                Some(schema) => {
                    self.at(schema).coerce(value).map_err(|misfit| misfit.within(format_args!("`{name}`")))?
                }
                None => Fit::exact(value.clone()),
            };
            all.repairs.extend(fit.repairs);
            all.cost += fit.cost;
            if object.insert(name.to_owned(), fit.value).is_some() {
                return Err(format!("two keys stand for `{name}`").into());
            }
        }
        let required = self.key("required").and_then(Value::as_array).into_iter().flatten();
        match required.filter_map(Value::as_str).find(|name| !object.contains_key(*name)) {
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

fn null(value: &Value) -> Result<Fit, Misfit> {
    match value {
        Value::Null => Ok(Fit::exact(Value::Null)),
        Value::String(text) if ["null", "none", "n/a"].contains(&text.trim().to_lowercase().as_str()) => {
            Ok(Fit::mended(Value::Null, Repair::Word))
        }
        _ => Err(expected("null", value)),
    }
}

fn boolean(value: &Value) -> Result<Fit, Misfit> {
    let word = match value {
        Value::Bool(_) => return Ok(Fit::exact(value.clone())),
        Value::String(text) => text.trim().trim_end_matches('.').to_lowercase(),
        _ => return Err(expected("true or false", value)),
    };
    match word.as_str() {
        "true" | "yes" => Ok(Fit::mended(true.into(), Repair::Word)),
        "false" | "no" => Ok(Fit::mended(false.into(), Repair::Word)),
        _ => Err(expected("true or false", value)),
    }
}

fn integer(value: &Value) -> Result<Fit, Misfit> {
    let whole = |number: &Number| {
        if number.is_i64() || number.is_u64() {
            return Some(number.clone());
        }
        // Beyond 2^53 a float no longer says which whole number it is.
        let float =
            number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0)?;
        Some(Number::from(float as i64))
    };
    match value {
        Value::Number(number) => match whole(number) {
            Some(same) if same == *number => Ok(Fit::exact(value.clone())),
            Some(other) => Ok(Fit::mended(Value::Number(other), Repair::Number)),
            None => Err(expected("a whole number", value)),
        },
        Value::String(text) => match numeral(text).as_ref().and_then(whole) {
            Some(number) => Ok(Fit::mended(Value::Number(number), Repair::NumberInText)),
            None => Err(expected("a whole number", value)),
        },
        _ => Err(expected("a whole number", value)),
    }
}

fn number(value: &Value) -> Result<Fit, Misfit> {
    // A float that cannot hold every digit of a whole number would say another one.
    let is_exact = |number: &Number| {
        let digits = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
        digits.is_none_or(|digits| number.as_f64().is_some_and(|float| float as i128 == digits))
    };
    match value {
        Value::Number(number) if is_exact(number) => Ok(Fit::exact(value.clone())),
        Value::Number(_) => {
            let misfit = expected("a number that a 64-bit float can hold", value);
            Err(Misfit { is_lossy: true, ..misfit })
        }
        Value::String(text) => match numeral(text).filter(is_exact) {
            Some(number) => Ok(Fit::mended(Value::Number(number), Repair::NumberInText)),
            None => Err(expected("a number", value)),
        },
        _ => Err(expected("a number", value)),
    }
}

/// The number that a text is, with commas or underscores between groups of three digits.
fn numeral(text: &str) -> Option<Number> {
    let text = text.trim();
    let plain = match text.contains([',', '_']) {
        true => {
            let (whole, rest) = match text.find('.') {
                Some(point) => text.split_at(point),
                None => (text, ""),
            };
            let mut groups = whole.trim_start_matches(['-', '+']).split([',', '_']);
            let is_digits =
                |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
            let first = groups.next().is_some_and(|group| is_digits(group) && group.len() <= 3);
            if !first || !groups.all(|group| is_digits(group) && group.len() == 3) {
                return None;
            }
            whole.replace([',', '_'], "") + rest
        }
        false => text.to_owned(),
    };
    match json::find(&plain).ok()?.pop()?.value {
        Value::Number(number) => Some(number),
        _ => None,
    }
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

fn same(a: &Value, b: &Value) -> bool {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The value of a text by a schema: what a field of this type would have.
    fn read(text: &str, schema: &Value) -> Result<Value, Misfit> {
        let target = Target::new(schema);
        // A text is a text, whatever it looks like.
        if target.coerce(&"".into()).is_ok_and(|fit| fit.value == "") {
            return Ok(Value::String(text.trim().into()));
        }
        let found = json::find(text).unwrap_or_default();
        let mut fits: Vec<_> = found
            .iter()
            .filter(|found| !found.is_truncated())
            .filter_map(|found| target.coerce(&found.value).ok())
            .collect();
        if fits.is_empty() {
            fits.extend(target.coerce(&Value::String(text.trim().into())));
        }
        only(fits.into_iter()).map(|fit| fit.value).ok_or_else(|| Misfit::from("no value or several"))
    }

    /// What the schema says of absent properties.
    fn with_defaults(mut value: Value, schema: &Value, root: &Value) -> Value {
        let schema = match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => root.pointer(&reference[1..]).unwrap(),
            None => schema,
        };
        if let (Some(object), Some(properties)) = (value.as_object_mut(), schema["properties"].as_object()) {
            for (name, schema) in properties {
                let absent = schema.get("default").cloned().unwrap_or(Value::Null);
                let value = object.remove(name).unwrap_or(absent);
                object.insert(name.clone(), with_defaults(value, schema, root));
            }
        }
        value
    }

    #[test]
    fn the_corpora_of_shapes_are_read_as_they_ask() {
        let files = [
            include_str!("../../../tests/corpora/baml.jsonl"),
            include_str!("../../../tests/corpora/dspy.jsonl"),
            include_str!("../../../tests/corpora/instructor.jsonl"),
            include_str!("../../../tests/corpora/json_repair.jsonl"),
        ];
        let rows =
            files.into_iter().flat_map(str::lines).map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut wrong = Vec::new();
        for row in rows.filter(|row| row["kind"] == "coerce") {
            let (text, schema, note) =
                (row["text"].as_str().unwrap(), &row["schema"], row["note"].as_str().unwrap_or(""));
            let found = read(text, schema);
            let expected = with_defaults(row["expect"].clone(), schema, schema);
            let is_right = match (row["verdict"].as_str().unwrap(), &found) {
                ("accept", Ok(value)) => {
                    let value = with_defaults(value.clone(), schema, schema);
                    json::tests_same(&value, &expected) || value.as_str() == expected.as_str().map(str::trim)
                }
                ("accept", Err(_)) => note.starts_with("cut"),
                ("reject", Ok(_)) => note.starts_with("depends on"),
                _ => true,
            };
            if !is_right {
                wrong.push(format!("{} {text:?} by {schema}: {found:?}, expected {expected}", row["id"]));
            }
        }
        assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n\n"));
    }

    #[test]
    fn what_loses_or_invents_something_is_an_error() {
        for (value, schema) in [
            (json!("8/10"), json!({"type": "integer"})),
            (json!(2.5), json!({"type": "integer"})),
            (json!("2.5"), json!({"type": "integer"})),
            (json!(1e300), json!({"type": "integer"})),
            (json!(9_007_199_254_740_993_u64), json!({"type": "number"})),
            (json!("1,23"), json!({"type": "number"})),
            (json!("50%"), json!({"type": "number"})),
            (json!("NaN"), json!({"type": "number"})),
            (json!("maybe"), json!({"type": "boolean"})),
            (json!(1), json!({"type": "boolean"})),
            (json!(5), json!({"type": "string"})),
            (json!("not RED"), json!({"enum": ["RED", "BLUE"]})),
            (json!("a b"), json!({"enum": ["A_B", "ab"]})),
            (json!({"a": 1}), json!({"type": "object", "properties": {"b": {}}, "required": ["b"]})),
            (json!({"A": 1, "a-": 2}), json!({"type": "object", "properties": {"a": {}}})),
            (json!("x"), json!({"type": "array", "items": {"type": "integer"}})),
        ] {
            assert!(Target::new(&schema).coerce(&value).is_err(), "{value} by {schema}");
        }
    }

    #[test]
    fn the_same_in_other_words_fits_and_is_noted() {
        for (value, schema, expected, repair) in [
            (json!("5"), json!({"type": "integer"}), json!(5), Repair::NumberInText),
            (json!("1,234,567"), json!({"type": "integer"}), json!(1_234_567), Repair::NumberInText),
            (json!(5.0), json!({"type": "integer"}), json!(5), Repair::Number),
            (json!("Yes"), json!({"type": "boolean"}), json!(true), Repair::Word),
            (json!("None"), json!({"type": ["integer", "null"]}), json!(null), Repair::Word),
            (
                json!("a"),
                json!({"type": "array", "items": {"type": "string"}}),
                json!(["a"]),
                Repair::ListOfOne,
            ),
            (json!("very high"), json!({"enum": ["VeryHigh", "Low"]}), json!("VeryHigh"), Repair::Name),
            (
                json!("[1, 2]"),
                json!({"type": "array", "items": {"type": "integer"}}),
                json!([1, 2]),
                Repair::JsonInText,
            ),
        ] {
            let fit = Target::new(&schema)
                .coerce(&value)
                .unwrap_or_else(|misfit| panic!("{value}: {}", misfit.message));
            assert_eq!(fit.value, expected);
            assert!(fit.repairs.contains(repair), "{value}: {:?}", fit.repairs);
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}});
        assert!(Target::new(&schema).coerce(&json!(1)).is_err());
    }
}
