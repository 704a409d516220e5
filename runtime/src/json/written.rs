//! How a value and its parts are written, where that says more than the value: `1.50` is a text of four characters, and no `f64`
//! has all digits of `0.1234567890123456789`.

use std::{
    cell::RefCell,
    collections::HashMap,
    ops::Range,
    sync::{Arc, OnceLock},
};

use serde_json::Value;

use super::{Found, Numeral, Repair, lenient, scalar};

/// The text of a value that was read. The places of its parts in it are looked for once somebody asks.
#[derive(Clone)]
pub(crate) struct Written {
    whole: Arc<Whole>,
    /// The part that is meant: of the value, then of the part, and so on.
    path: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Entry(Box<str>),
    Item(usize),
}

struct Whole {
    text: Box<str>,
    has_large: bool,
    parts: OnceLock<Option<Part>>,
}

impl Written {
    /// How a value is written that was found in the text.
    pub(crate) fn new(text: &str, found: &Found) -> Self {
        Self::whole(text.get(found.start..found.end).unwrap_or_default(), found.has_large)
    }

    /// How a value is written that is all of the text.
    pub(crate) fn of(text: &str, value: &Value) -> Self {
        Self::whole(text.trim(), has_large(value))
    }

    fn whole(text: &str, has_large: bool) -> Self {
        let whole = Whole { text: text.into(), has_large, parts: OnceLock::new() };
        Self { whole: Arc::new(whole), path: Vec::new() }
    }

    /// How an entry of the object is written.
    pub(crate) fn entry(&self, key: &str) -> Self {
        self.part(Step::Entry(key.into()))
    }

    /// How an item of the list is written.
    pub(crate) fn item(&self, index: usize) -> Self {
        self.part(Step::Item(index))
    }

    fn part(&self, step: Step) -> Self {
        let path = self.path.iter().cloned().chain([step]).collect();
        Self { whole: self.whole.clone(), path }
    }

    /// True if the value may have numbers of which it does not hold every digit.
    pub(crate) fn has_large(&self) -> bool {
        self.whole.has_large
    }

    /// The place from which its parts are looked for.
    pub(crate) fn place(&self) -> Place<'_> {
        let Whole { text, parts, .. } = &*self.whole;
        let part = parts.get_or_init(|| parts_of(text)).as_ref();
        self.path.iter().fold(Place { text, part }, |place, step| match step {
            Step::Entry(key) => place.entry(key),
            Step::Item(index) => place.item(*index),
        })
    }
}

fn parts_of(text: &str) -> Option<Part> {
    if !text.starts_with(['{', '[']) {
        return Some(Part { span: 0..text.len(), ..Part::default() });
    }
    lenient::parts(text)
}

/// A value in a text.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    text: &'a str,
    /// `None` where it could not be found.
    part: Option<&'a Part>,
}

impl<'a> Place<'a> {
    /// An item of the list.
    pub(crate) fn item(self, index: usize) -> Self {
        Self { part: self.part.and_then(|part| part.items.get(index)), ..self }
    }

    /// An entry of the object.
    pub(crate) fn entry(self, key: &str) -> Self {
        Self { part: self.part.and_then(|part| part.items.get(*part.keys.get(key)?)), ..self }
    }

    /// The value as it is written; `None` if another one is.
    pub(crate) fn text(self, value: &Value) -> Option<&'a str> {
        let text = self.text.get(self.part?.span.clone())?;
        let is_it = match value {
            Value::Array(_) | Value::Object(_) => match super::find(text).ok()?.as_slice() {
                [one] => one.value == *value && (one.start, one.end) == (0, text.len()),
                _ => false,
            },
            _ => scalar::plain(text).as_ref() == Some(value),
        };
        is_it.then_some(text)
    }

    /// The number that is written in place of a text without quotes.
    pub(crate) fn bare_number(self) -> Option<Numeral> {
        Numeral::parse(self.text.get(self.part?.span.clone())?)
    }
}

/// Where a value stands, and its parts.
#[derive(Default)]
pub(super) struct Part {
    span: Range<usize>,
    items: Vec<Part>,
    /// The key that it stands under in an object.
    key: Option<String>,
    /// The items of an object by their keys.
    keys: HashMap<String, usize>,
}

/// Takes down where the values stand that a parser comes across: each behind its own parts.
#[derive(Default)]
pub(super) struct Record(RefCell<Vec<Part>>);

impl Record {
    /// How many values wait for the one that they are a part of.
    pub(super) fn height(&self) -> usize {
        self.0.borrow().len()
    }

    /// Adds a value, of which those above this height are the parts.
    pub(super) fn add(&self, span: Range<usize>, height: usize) {
        let mut open = self.0.borrow_mut();
        let at = height.min(open.len());
        let items: Vec<_> = open.drain(at..).collect();
        let keyed = |(index, item): (usize, &Part)| Some((item.key.clone()?, index));
        let keys = items.iter().enumerate().filter_map(keyed).collect();
        open.push(Part { span, items, keys, key: None });
    }

    /// Names the key of the value that was added last.
    pub(super) fn name(&self, key: &str) {
        if let Some(last) = self.0.borrow_mut().last_mut() {
            last.key = Some(key.to_owned());
        }
    }

    pub(super) fn last(self) -> Option<Part> {
        self.0.into_inner().pop()
    }
}

/// True for a value with a whole number that a float may have rounded.
pub(super) fn has_large(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(is_large),
        Value::Array(items) => items.iter().any(has_large),
        Value::Object(map) => map.values().any(has_large),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// True for a float that stands for several whole numbers.
pub(crate) fn is_large(float: f64) -> bool {
    float.abs() >= 9_007_199_254_740_992.0
}

impl Found {
    /// The value with whether it may lack digits.
    pub(super) fn measured(mut self) -> Self {
        // A number that is beyond all floats became a text.
        self.has_large = has_large(&self.value) || self.repairs.contains(Repair::Number);
        self
    }
}
