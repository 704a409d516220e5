//! Reads a field's value from a piece of a model's text.

use std::ops::Not;

use serde_json::Value;

use super::{
    FieldValue,
    coerce::{Aliases, Fit, Misfit, Target, lines_of},
    compiled::{CompiledField, Shape},
    long_numbers,
};
use crate::json::{self, Found, Repair, Written};

impl CompiledField {
    /// Reads the value of a piece of a model's text.
    ///
    /// Bare words where JSON is wanted become a string, such as an enum's name or a date; the typed read decides whether it fits.
    pub(crate) fn value_of_text(&self, text: &str) -> FieldValue {
        let is_null = |text: &str| matches!(text, "null" | "None");
        match self.shape {
            Shape::OptionalText if is_null(text.trim()) => Value::Null.into(),
            Shape::Text | Shape::OptionalText => Value::String(text.into()).into(),
            Shape::Json => self.json_value(text),
        }
    }

    /// Reads a text by the field's schema: a JSON value in it that fits, else the text itself.
    ///
    /// If neither fits, the type may still read forms that its schema does not describe: it gets the one value of the text or,
    /// without one, the text.
    fn json_value(&self, text: &str) -> FieldValue {
        // Brackets in the lines of a Markdown list begin no JSON.
        let lines = unfenced(text.trim());
        if lines_of(lines).is_some() {
            let lines = Value::String(lines.into());
            if self.fit(&lines).is_ok_and(|fit| fit.value.is_array()) {
                return lines.into();
            }
        }
        let mut found = json::find(text).unwrap_or_default();
        found.retain(|found| !self.is_mention(text, found));
        let itself = Value::String(unfenced(text.trim()).into());
        let mut is_lossy = false;
        let fits = |found: &Found| {
            if !found.has_large && self.takes(&found.value) {
                return true;
            }
            match self.fit_written(&found.value, Some(&Written::new(text, found))) {
                // The text itself may be nearer than a value that stands for a text.
                Ok(fit) if fit.repairs.contains(Repair::ValueForText) => {
                    self.fit(&itself).is_ok_and(|own| own.is_nearer(&fit)).not()
                }
                Ok(_) => true,
                Err(misfit) => {
                    is_lossy |= misfit.is_lossy;
                    false
                }
            }
        };
        let (fitting, others) = found.into_iter().partition::<Vec<_>, _>(fits);
        // A listed name counts, even if it looks like another value: `None`, `10`, `true`.
        let is_single = |found: &Found| !found.value.is_object() && !found.value.is_array();
        if fitting.iter().any(is_single) && self.wanted().lists(&itself) {
            return itself.into();
        }
        let is_other = fitting.is_empty() && (is_lossy || self.fit(&itself).is_err());
        match json::unambiguous(if is_other { others } else { fitting }) {
            Some(one) => FieldValue::found(text, one),
            None => itself.into(),
        }
    }

    /// True for a list of numbers in prose, such as `[1]` for a source, where a list of texts is wanted.
    fn is_mention(&self, text: &str, found: &Found) -> bool {
        let is_plain = |item: &Value| !item.is_string() && !item.is_object();
        found.repairs.contains(Repair::Prose)
            && found.value.as_array().is_some_and(|items| items.iter().all(is_plain))
            && !self.takes(&found.value)
            && self
                .fit_written(&found.value, Some(&Written::new(text, found)))
                .is_ok_and(|fit| fit.repairs.contains(Repair::ValueForText))
    }

    /// Converts the value to the field's type; a value that does not fit stays as it is, and the typed read decides.
    ///
    /// # Errors
    /// The typed read would silently change the value.
    pub(crate) fn settle(&self, mut found: FieldValue) -> Result<FieldValue, Misfit> {
        let has_large = found.written.as_ref().is_some_and(Written::has_large);
        let is_text = self.shape != Shape::Json && found.value.is_string();
        if !is_text && (has_large || !self.takes(&found.value)) {
            match self.fit_type(&found) {
                Ok(fit) => {
                    found.value = fit.value;
                    found.repairs.extend(fit.repairs);
                }
                Err(misfit) if misfit.is_lossy => return Err(misfit),
                Err(_) => {}
            }
        }
        let (mut has_lost_character, mut has_long_number) = (false, false);
        each_text(&found.value, &mut |text| {
            has_lost_character |= text.contains('\u{fffd}');
            has_long_number |= long_numbers::is_one(text);
        });
        if has_lost_character {
            found.repairs.add(Repair::LostCharacter);
        }
        let written = has_long_number.then(|| self.field.reread(&found.value)).flatten();
        match written.and_then(|written| long_numbers::changed(&found.value, &written)) {
            Some(message) => Err(Misfit { message, is_lossy: true }),
            None => Ok(found),
        }
    }

    /// Converts the value to the type, whose keys may have aliases that the schema does not list.
    fn fit_type(&self, found: &FieldValue) -> Result<Fit, Misfit> {
        let wanted = self.wanted().written(found.written.as_ref());
        let fit = wanted.coerce(&found.value).or_else(|misfit| self.nothing(&found.value).ok_or(misfit));
        let may_have_aliases = match &fit {
            Ok(fit) => fit.value.is_object() || fit.value.is_array(),
            Err(misfit) => !misfit.is_lossy && may_have_parts(&found.value),
        };
        let is_read = |fit: &Fit| self.field.reread(&fit.value).is_some();
        if !may_have_aliases || fit.as_ref().is_ok_and(is_read) {
            return fit;
        }
        let by = |aliases| wanted.with_aliases(aliases).coerce(&found.value).ok();
        [Aliases::AsGiven, Aliases::Mended].into_iter().filter_map(by).find(is_read).map_or(fit, Ok)
    }

    /// Reads null for a whole list as an empty list. Null within a value is left to the type.
    fn nothing(&self, value: &Value) -> Option<Fit> {
        let nothing = || self.fit(&Value::String(String::new())).ok();
        value.is_null().then(nothing).flatten().filter(|fit| fit.value.is_array())
    }

    pub(super) fn wanted(&self) -> Target<'_> {
        Target::new(&self.target).with_patterns(&self.patterns)
    }

    /// True if the value already fits the field's type.
    fn takes(&self, value: &Value) -> bool {
        self.wanted().takes(value)
    }

    /// Converts the value to the field's type, if nothing is lost.
    pub(crate) fn fit(&self, value: &Value) -> Result<Fit, Misfit> {
        self.fit_written(value, None)
    }

    /// Like [`fit`](Self::fit), with the value's source text.
    fn fit_written(&self, value: &Value, written: Option<&Written>) -> Result<Fit, Misfit> {
        self.wanted().written(written).coerce(value)
    }
}

/// True for an object, a list, or a text that could contain one.
fn may_have_parts(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(['{', '[']),
        other => other.is_object() || other.is_array(),
    }
}

/// Calls `take` with every text inside of the value.
fn each_text<'v>(value: &'v Value, take: &mut impl FnMut(&'v str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, take)),
        Value::Object(map) => map.values().for_each(|value| each_text(value, take)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns the inside of a text that is one whole Markdown code block, else the text.
fn unfenced(text: &str) -> &str {
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inside.and_then(|inside| inside.split_once('\n')) {
        Some((language, body)) if language.trim().chars().all(char::is_alphanumeric) => body.trim(),
        _ => text,
    }
}
