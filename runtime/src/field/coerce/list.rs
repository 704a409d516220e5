//! Converts values to lists: from JSON, from lines of text, or from one value.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::{
    Fit, Misfit, Target, expected, inside,
    lines::{self, ListText},
};
use crate::json::{self, Repair};

impl<'a> Target<'a> {
    pub(super) fn array(self, value: &Value) -> Result<Fit, Misfit> {
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
                None => self.array_of_text(value),
            },
        }
    }

    /// Reads a text without brackets as a list, or one value as a list of one.
    fn array_of_text(self, value: &Value) -> Result<Fit, Misfit> {
        let text = value.as_str().unwrap_or_default();
        let is_fixed = self.key("prefixItems").is_some();
        match lines::classify(text) {
            ListText::Items(items) => {
                let items = items.into_iter().map(|item| Value::String(item.into())).collect();
                self.array(&Value::Array(items)).map(|fit| fit.and(Repair::MarkdownList))
            }
            ListText::Empty
                if value.is_string() && !is_fixed && !self.item(0).is_some_and(|item| item.names(value)) =>
            {
                // Null is nearer, where the type takes it.
                Ok(Fit { cost: 2, ..Fit::mended(Value::Array(Vec::new()), Repair::Word) })
            }
            // Half a list, or several lists, are not one item.
            _ if has_other_json(value) || json::begins_sequence(text) => Err(expected("a list", value)),
            ListText::Lines if serde_json::from_str::<IgnoredAny>(text).is_err() => {
                Err(expected("a list, or a line with `-` before it for each item", value))
            }
            _ => {
                let one = match self.item(0) {
                    // The one item stands at the list's place.
                    Some(target) => Self { location: self.location, ..target }
                        .coerce(value)
                        .map_err(|_| expected("a list", value))?,
                    None => Fit::exact(value.clone()),
                };
                Ok(Fit { value: Value::Array(vec![one.value.clone()]), ..one.and(Repair::ListOfOne) })
            }
        }
    }

    /// Goes down to an item of the list.
    pub(super) fn item(self, index: usize) -> Option<Self> {
        let fixed = self.key("prefixItems").and_then(|items| items.get(index));
        let location = self.location.map(|location| location.item(index));
        fixed.or(self.key("items")).map(|schema| Self { location, ..self.at(schema) })
    }

    /// Prefers null to an empty list for a word for nothing, where the type takes null.
    pub(super) fn null_for_nothing(self, fit: Result<Fit, Misfit>, value: &Value) -> Result<Fit, Misfit> {
        match &fit {
            Ok(Fit { value: Value::Array(items), .. })
                if items.is_empty() && lines::is_nothing(value) && self.takes(&Value::Null) =>
            {
                Ok(Fit::mended(Value::Null, Repair::Word))
            }
            _ => fit,
        }
    }
}

/// True for a text that contains an object or a list, but is not one whole JSON value.
fn has_other_json(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    text.contains(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_err()
}
