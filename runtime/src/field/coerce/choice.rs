//! Reads one of several listed values: the names of an enum, or constants.

use serde_json::Value;

use super::{Fit, Misfit, Target, expected, scalar};
use crate::{
    field::{name, rules::compare},
    json::Repair,
};

/// Deepest nesting of references and unions that is followed.
const UNIONS: usize = 8;

impl<'a> Target<'a> {
    /// Reads one of the listed values; a number or a truth value may stand for its own text.
    pub(super) fn chosen(self, choices: &[Value], value: &Value) -> Result<Fit, Misfit> {
        self.choice(choices, value).or_else(|misfit| match choices.iter().any(Value::is_string) {
            true if value.is_number() || value.is_boolean() => {
                let text = scalar::text(value, self.location)?;
                let fit = choose(choices, &text.value).map_err(|_| misfit)?;
                Ok(Fit { cost: fit.cost + text.cost, ..fit.and(Repair::ValueForText) })
            }
            _ => Err(misfit),
        })
    }

    /// True if the schema lists the value exactly.
    pub(crate) fn lists(self, value: &Value) -> bool {
        self.choices().iter().any(|choices| choices.contains(value))
    }

    /// True if the schema lists the text, in this form or another one.
    pub(super) fn names(self, text: &Value) -> bool {
        self.choices().iter().any(|choices| choose(choices, text).is_ok())
    }

    /// Collects the values that the schema lists, also behind references and unions.
    fn choices(self) -> Vec<&'a [Value]> {
        let mut all = Vec::new();
        let mut open = vec![(self.schema, 0)];
        while let Some((schema, depth)) = open.pop().filter(|(_, depth)| *depth <= UNIONS) {
            let only = schema.get("const").map(std::slice::from_ref);
            all.extend(only.or(schema.get("enum").and_then(Value::as_array).map(Vec::as_slice)));
            let definition = schema.get("$ref").and_then(Value::as_str);
            let definition = definition.and_then(|path| self.root.pointer(path.strip_prefix('#')?));
            let unions = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|keyword| schema.get(keyword));
            let variants = unions.filter_map(Value::as_array).flatten();
            open.extend(definition.into_iter().chain(variants).map(|schema| (schema, depth + 1)));
        }
        all
    }
}

/// Picks the listed value that this one means; a name may be in another form.
pub(super) fn choose(choices: &[Value], value: &Value) -> Result<Fit, Misfit> {
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

/// Returns the inside of `str[name]`, as some models repeat the type.
fn repeated_type(text: &str) -> Option<&str> {
    let (kind, rest) = text.split_once('[')?;
    let is_type = ["str", "string", "text", "enum", "literal", "int", "float"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(kind.trim()));
    rest.strip_suffix(']').filter(|_| is_type)
}

/// True if two values are equal; numbers are compared exactly by value.
pub(in crate::field) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || compare(a, b).is_eq(),
        _ => a == b,
    }
}

pub(super) fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
