//! Rules for the values of an output field, as `#[output(..)]` or a module's author declares them.

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::wide;

/// Rules for the values of one output field: prompts show them, and an answer that breaks one is refused.
///
/// `#[output(range(..), length(..), pattern = "..", one_of(..), inner(..), check = ..)]` declares them; authors of modules declare
/// them for fields that they add with [`Field::rules`](crate::field::Field::rules). A rule that does not suit the field's type, e.g. a
/// range for a text, is an [`is_config`](crate::Error::is_config) error of the first call.
///
/// ```
/// use karat::field::Field;
///
/// const SCORE: Field = Field::output::<f64>("score", "").rules(|rules| rules.at_least(0).at_most(1));
/// const TAGS: Field = Field::output::<Vec<String>>("tags", "")
///     .rules(|rules| rules.max_length(3).inner(|rules| rules.pattern("^[a-z]+$")));
/// # let _ = (SCORE, TAGS);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "its setters take it by value and return it"]
pub struct Rules {
    /// Bounds by their JSON Schema keyword, such as `minimum`.
    bounds: Map<String, Value>,
    shortest: Option<usize>,
    longest: Option<usize>,
    pattern: Option<String>,
    one_of: Option<Vec<Value>>,
    inner: Option<Box<Rules>>,
    checks: Vec<Check>,
    mistake: Option<String>,
}

impl Rules {
    /// Allows numbers from this one on.
    pub fn at_least(self, bound: impl Into<Bound>) -> Self {
        self.bound("minimum", bound.into())
    }

    /// Allows numbers up to this one.
    pub fn at_most(self, bound: impl Into<Bound>) -> Self {
        self.bound("maximum", bound.into())
    }

    /// Allows numbers greater than this one.
    pub fn above(self, bound: impl Into<Bound>) -> Self {
        self.bound("exclusiveMinimum", bound.into())
    }

    /// Allows numbers less than this one.
    pub fn below(self, bound: impl Into<Bound>) -> Self {
        self.bound("exclusiveMaximum", bound.into())
    }

    fn bound(mut self, keyword: &str, Bound(bound): Bound) -> Self {
        match bound {
            Some(number) => drop(self.bounds.insert(keyword.into(), Value::Number(number))),
            None => self.mistaken("a bound of `range` is infinite or NaN: leave it out or name a number"),
        }
        self
    }

    /// Sets the least length: characters (Unicode scalar values) of a text, items of a list, entries of a map.
    pub fn min_length(mut self, length: usize) -> Self {
        self.shortest = Some(length);
        self
    }

    /// Sets the greatest length: characters (Unicode scalar values) of a text, items of a list, entries of a map.
    pub fn max_length(mut self, length: usize) -> Self {
        self.longest = Some(length);
        self
    }

    /// Allows texts that the regular expression matches somewhere; put `^` and `$` around it to match the whole text. Matching takes
    /// time linear in the text.
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// Allows only these values. A text in another case, or with other signs between its words, is read as the value that it means.
    pub fn one_of<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.one_of = Some(values.into_iter().map(Into::into).collect());
        self
    }

    /// Sets rules for each item of a list. Checks among them are ignored: check the list instead.
    pub fn inner(mut self, rules: fn(Rules) -> Rules) -> Self {
        self.inner = Some(Box::new(rules(Rules::default())));
        self
    }

    /// Allows values that pass a test. The name stands in errors; the words, if not empty, in prompts and errors. A panic of the
    /// test goes through to the caller. Null is never tested.
    pub fn check<T: DeserializeOwned + 'static, C: CheckOutcome + 'static>(
        mut self,
        name: &str,
        words: &str,
        test: fn(&T) -> C,
    ) -> Self {
        self.checks.push(Check {
            name: name.into(),
            words: (!words.is_empty()).then(|| words.into()),
            test: Arc::new(move |value| wide::read::<T>(value).ok().map(|value| test(&value).outcome())),
        });
        self
    }

    fn mistaken(&mut self, mistake: &str) {
        self.mistake.get_or_insert_with(|| mistake.into());
    }

    pub(super) fn checks(&self) -> &[Check] {
        &self.checks
    }

    pub(super) fn choices(&self) -> Option<&[Value]> {
        self.one_of.as_deref()
    }

    /// Writes the rules as a JSON schema, for values of these kinds.
    ///
    /// # Errors
    /// Why no value could keep the rules.
    pub(super) fn schema(&self, kinds: &Kinds<'_>) -> Result<Map<String, Value>, String> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        let mut schema = self.bounds.clone();
        if !schema.is_empty() {
            kinds.allow("range", "numbers", &["integer", "number"])?;
            let low = schema.get("minimum").or_else(|| schema.get("exclusiveMinimum"));
            let high = schema.get("maximum").or_else(|| schema.get("exclusiveMaximum"));
            if let (Some(Value::Number(low)), Some(Value::Number(high))) = (low, high) {
                if compare(low, high).is_gt() {
                    return Err(format!("no number is from {low} to {high}"));
                }
            }
        }
        if self.shortest.is_some() || self.longest.is_some() {
            kinds.allow("length", "texts, lists and maps", &["string", "array", "object"])?;
            if let (Some(shortest), Some(longest)) = (self.shortest, self.longest) {
                if shortest > longest {
                    return Err(format!("no length is from {shortest} to {longest}"));
                }
            }
            for (kind, least, most) in [
                ("string", "minLength", "maxLength"),
                ("array", "minItems", "maxItems"),
                ("object", "minProperties", "maxProperties"),
            ] {
                for (keyword, length) in [(least, self.shortest), (most, self.longest)] {
                    if let Some(length) = length.filter(|_| kinds.has(kind)) {
                        schema.insert(keyword.into(), length.into());
                    }
                }
            }
        }
        if let Some(pattern) = &self.pattern {
            kinds.allow("pattern", "texts", &["string"])?;
            schema.insert("pattern".into(), pattern.as_str().into());
        }
        if let Some(values) = &self.one_of {
            if values.is_empty() {
                return Err("`one_of` names no value".into());
            }
            schema.insert("enum".into(), Value::Array(values.clone()));
        }
        if let Some(inner) = &self.inner {
            kinds.allow("inner", "lists", &["array"])?;
            schema.insert("items".into(), Value::Object(inner.schema(&kinds.of_items())?));
        }
        Ok(schema)
    }
}

/// Kinds of value that a schema allows beside null, and the schema of its items; `None` if it does not say.
pub(super) struct Kinds<'a> {
    pub(super) kinds: Option<Vec<&'a str>>,
    pub(super) items: Option<&'a Value>,
    pub(super) root: &'a Value,
}

impl<'a> Kinds<'a> {
    /// Collects the kinds of a schema, whose references are looked up in `root`.
    pub(super) fn of(schema: &'a Value, root: &'a Value) -> Self {
        let mut kinds = Some(Vec::new());
        let mut items = None;
        gather(schema, root, 0, &mut kinds, &mut items);
        Self { kinds, items, root }
    }

    fn of_items(&self) -> Self {
        match self.items {
            Some(items) => Self::of(items, self.root),
            None => Self { kinds: None, items: None, root: self.root },
        }
    }

    pub(super) fn has(&self, kind: &str) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    fn allow(&self, rule: &str, about: &str, wanted: &[&str]) -> Result<(), String> {
        if wanted.iter().any(|kind| self.has(kind)) {
            return Ok(());
        }
        let kinds = self.kinds.as_ref().map(|kinds| kinds.join(" or ")).unwrap_or_default();
        Err(format!("`{rule}` is about {about}, and its type is {kinds}"))
    }
}

fn gather<'a>(
    schema: &'a Value,
    root: &'a Value,
    depth: usize,
    kinds: &mut Option<Vec<&'a str>>,
    items: &mut Option<&'a Value>,
) {
    let definition = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    if let Some(definition) = definition.and_then(|path| root.pointer(path)).filter(|_| depth < 32) {
        return gather(definition, root, depth + 1, kinds, items);
    }
    let variants = ["anyOf", "oneOf"].iter().find_map(|keyword| schema.get(*keyword)?.as_array());
    if let Some(variants) = variants.filter(|_| depth < 32) {
        return variants.iter().for_each(|variant| gather(variant, root, depth + 1, kinds, items));
    }
    *items = items.or(schema.get("items"));
    let mut add = |kind: &'a str| match kinds {
        Some(known) if kind != "null" && !known.contains(&kind) => known.push(kind),
        _ => {}
    };
    match (schema.get("type"), schema.get("const")) {
        (Some(Value::String(kind)), _) => add(kind),
        (Some(Value::Array(all)), _) => all.iter().filter_map(Value::as_str).for_each(add),
        (_, Some(Value::String(_))) => add("string"),
        _ => *kinds = None,
    }
}

/// A bound of a range, from any Rust number.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound(Option<Number>);

macro_rules! bounds {
    ($($number:ty),*) => {$(
        impl From<$number> for Bound {
            fn from(number: $number) -> Self {
                Self(Some(number.into()))
            }
        }
    )*};
}

bounds!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl From<i128> for Bound {
    /// Converts to the nearest float beyond the whole numbers that JSON's readers take.
    fn from(number: i128) -> Self {
        Self(Number::from_i128(number).or_else(|| Number::from_f64(number as f64)))
    }
}

impl From<u128> for Bound {
    /// Converts to the nearest float beyond the whole numbers that JSON's readers take.
    fn from(number: u128) -> Self {
        Self(Number::from_u128(number).or_else(|| Number::from_f64(number as f64)))
    }
}

impl From<f64> for Bound {
    fn from(number: f64) -> Self {
        Self(Number::from_f64(number))
    }
}

impl From<f32> for Bound {
    /// Converts the number as it is written, not as 64 bits would show it: 0.1 and not 0.10000000149.
    fn from(number: f32) -> Self {
        number.to_string().parse::<f64>().map_or(Self(None), Self::from)
    }
}

/// Compares two numbers exactly by value, also a whole number with a float.
pub(super) fn compare(a: &Number, b: &Number) -> std::cmp::Ordering {
    use std::cmp::Ordering::{self, Equal, Greater, Less};
    let whole = |number: &Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    let float = |number: &Number| number.as_f64().unwrap_or(0.0);
    let with_float = |whole: i128, float: f64| -> Ordering {
        // Every whole number of JSON is within these.
        if float >= 1e20 {
            Less
        } else if float <= -1e20 {
            Greater
        } else {
            let floor = float.floor();
            whole.cmp(&(floor as i128)).then(if float > floor { Less } else { Equal })
        }
    };
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => with_float(a, float(b)),
        (None, Some(b)) => with_float(b, float(a)).reverse(),
        (None, None) => float(a).total_cmp(&float(b)),
    }
}

type Test = dyn Fn(&Value) -> Option<Result<(), String>> + Send + Sync;

/// A user's test of the typed value.
#[derive(Clone)]
pub(super) struct Check {
    pub(super) name: Arc<str>,
    pub(super) words: Option<Arc<str>>,
    test: Arc<Test>,
}

impl Check {
    /// Why the value fails (may be empty); `None` if it passes, or is of another type, which the typed read reports.
    pub(super) fn failure(&self, value: &Value) -> Option<String> {
        (self.test)(value)?.err()
    }

    /// The check's words or, without any, its name, for an error.
    pub(super) fn rule(&self) -> &str {
        self.words.as_deref().unwrap_or(&self.name)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).field("words", &self.words).finish_non_exhaustive()
    }
}

/// Result of a check: `bool`, or `Result<(), E>` whose error says what is wrong.
#[diagnostic::on_unimplemented(
    message = "a check cannot return `{Self}`",
    label = "the check returns `{Self}`",
    note = "a check takes a reference to the field's value and returns `bool`, or `Result<(), E>` with an error that implements `Display`"
)]
pub trait CheckOutcome {
    /// Returns why the check failed; may be empty.
    ///
    /// # Errors
    /// The check failed.
    fn outcome(self) -> Result<(), String>;
}

impl CheckOutcome for bool {
    fn outcome(self) -> Result<(), String> {
        if self { Ok(()) } else { Err(String::new()) }
    }
}

impl<E: Display> CheckOutcome for Result<(), E> {
    fn outcome(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_exactly() {
        let number = |text: &str| serde_json::from_str::<Number>(text).unwrap();
        for (a, b) in [
            ("1", "1.5"),
            ("-1.5", "-1"),
            ("9007199254740992.0", "9007199254740993"),
            ("18446744073709551614", "18446744073709551615"),
            ("18446744073709551615", "18446744073709551616.0"),
            ("-1e300", "-9223372036854775808"),
            ("18446744073709551615", "1e300"),
            ("-9223372036854775808", "18446744073709551615"),
        ] {
            assert!(compare(&number(a), &number(b)).is_lt(), "{a} < {b}");
            assert!(compare(&number(b), &number(a)).is_gt(), "{b} > {a}");
        }
        assert!(compare(&number("1"), &number("1.0")).is_eq());
    }

    #[test]
    fn a_bound_is_the_number_as_it_is_written() {
        assert_eq!(Bound::from(0.1_f32), Bound::from(0.1_f64));
        assert_eq!(Bound::from(f64::NAN), Bound(None));
        assert_eq!(Bound::from(u128::MAX).0.unwrap().as_f64(), Some(u128::MAX as f64));
    }
}
