//! Keeps the source text of a value and its parts, for what a `Value` loses: `1.50` has four characters, and no `f64` has all
//! digits of `0.1234567890123456789`.

use std::{
    cell::RefCell,
    collections::HashMap,
    ops::Range,
    sync::{Arc, OnceLock},
};

use serde_json::Value;

use super::{Found, Numeral, Repair, lenient, scalar};

/// Source text of a JSON value or a part of it. Its parts are located at the first use.
#[derive(Clone)]
pub(crate) struct Written {
    whole: Arc<Whole>,
    /// The path from the whole value to this part.
    path: Vec<PathStep>,
}

#[derive(Clone)]
enum PathStep {
    Entry(Box<str>),
    Item(usize),
}

struct Whole {
    text: Box<str>,
    has_large: bool,
    parts: OnceLock<Option<SpanTree>>,
}

impl Written {
    /// Returns the source of a value found in the text.
    pub(crate) fn new(text: &str, found: &Found) -> Self {
        Self::whole(text.get(found.start..found.end).unwrap_or_default(), found.has_large)
    }

    /// Returns the source of a value that is the whole text.
    pub(crate) fn of(text: &str, value: &Value) -> Self {
        Self::whole(text.trim(), has_large(value))
    }

    fn whole(text: &str, has_large: bool) -> Self {
        let whole = Whole { text: text.into(), has_large, parts: OnceLock::new() };
        Self { whole: Arc::new(whole), path: Vec::new() }
    }

    /// Returns the source of an entry of the object.
    pub(crate) fn entry(&self, key: &str) -> Self {
        self.part(PathStep::Entry(key.into()))
    }

    /// Returns the source of an item of the list.
    pub(crate) fn item(&self, index: usize) -> Self {
        self.part(PathStep::Item(index))
    }

    fn part(&self, step: PathStep) -> Self {
        let path = self.path.iter().cloned().chain([step]).collect();
        Self { whole: self.whole.clone(), path }
    }

    /// True if the value may lack digits of a number in the text.
    pub(crate) fn has_large(&self) -> bool {
        self.whole.has_large
    }

    /// Locates this part in the source text.
    pub(crate) fn location(&self) -> Location<'_> {
        let Whole { text, parts, .. } = &*self.whole;
        let part = parts.get_or_init(|| parts_of(text)).as_ref();
        self.path.iter().fold(Location { text, part }, |location, step| match step {
            PathStep::Entry(key) => location.entry(key),
            PathStep::Item(index) => location.item(*index),
        })
    }
}

fn parts_of(text: &str) -> Option<SpanTree> {
    if !text.starts_with(['{', '[']) {
        return Some(SpanTree { span: 0..text.len(), ..SpanTree::default() });
    }
    lenient::parts(text)
}

/// Location of a value in its source text.
#[derive(Clone, Copy)]
pub(crate) struct Location<'a> {
    text: &'a str,
    /// `None` if the value could not be located.
    part: Option<&'a SpanTree>,
}

impl<'a> Location<'a> {
    /// Returns the location of an item of the list.
    pub(crate) fn item(self, index: usize) -> Self {
        Self { part: self.part.and_then(|part| part.items.get(index)), ..self }
    }

    /// Returns the location of an entry of the object.
    pub(crate) fn entry(self, key: &str) -> Self {
        Self { part: self.part.and_then(|part| part.items.get(*part.keys.get(key)?)), ..self }
    }

    /// Returns the source text of this value; `None` if another value stands here.
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

    /// Returns the number that stands here without quotes.
    pub(crate) fn bare_number(self) -> Option<Numeral> {
        Numeral::parse(self.text.get(self.part?.span.clone())?)
    }
}

/// Span of a value in a text, and of its parts.
#[derive(Default)]
pub(super) struct SpanTree {
    span: Range<usize>,
    items: Vec<SpanTree>,
    /// The key that it stands under in an object.
    key: Option<String>,
    /// The items of an object by their keys.
    keys: HashMap<String, usize>,
}

/// Records the spans of the values that the parser reads, each after its own parts.
#[derive(Default)]
pub(super) struct SpanRecorder(RefCell<Vec<SpanTree>>);

impl SpanRecorder {
    /// Counts the values whose container is not yet read.
    pub(super) fn height(&self) -> usize {
        self.0.borrow().len()
    }

    /// Adds a value; those above this height become its parts.
    pub(super) fn add(&self, span: Range<usize>, height: usize) {
        let mut open = self.0.borrow_mut();
        let at = height.min(open.len());
        let items: Vec<_> = open.drain(at..).collect();
        let keyed = |(index, item): (usize, &SpanTree)| Some((item.key.clone()?, index));
        let keys = items.iter().enumerate().filter_map(keyed).collect();
        open.push(SpanTree { span, items, keys, key: None });
    }

    /// Names the key of the value that was added last.
    pub(super) fn name(&self, key: &str) {
        if let Some(last) = self.0.borrow_mut().last_mut() {
            last.key = Some(key.to_owned());
        }
    }

    pub(super) fn last(self) -> Option<SpanTree> {
        self.0.into_inner().pop()
    }
}

/// True if the value has a whole number that a float may have rounded.
pub(super) fn has_large(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(is_large),
        Value::Array(items) => items.iter().any(has_large),
        Value::Object(map) => map.values().any(has_large),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// True for a float at or beyond 2^53, where a float may stand for several whole numbers.
pub(crate) fn is_large(float: f64) -> bool {
    float.abs() >= 9_007_199_254_740_992.0
}

impl Found {
    /// Sets [`has_large`](Self::has_large).
    pub(super) fn with_large_noted(mut self) -> Self {
        // A number beyond the range of floats became a text.
        self.has_large = has_large(&self.value) || self.repairs.contains(Repair::Number);
        self
    }
}
