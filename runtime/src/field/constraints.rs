//! Checks values against constraints, after their type: those that schemars declares at any depth, and the field's own rules, which
//! are merged into the schema. A value is never changed to keep a rule.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use karat_lm::internal::shortened;
use serde_json::{Map, Number, Value};

use super::{
    coerce::{DEPTH, Target, same},
    merge::parts,
    patterns::Patterns,
    rules::{Check, compare},
    words,
};
use crate::json::Numeral;

/// Most violations that are reported.
const MOST: usize = 5;

/// A rule that a value breaks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation {
    /// Path of the value from the field on, e.g. `person.tags[2]`.
    pub(crate) place: String,
    /// The value, shortened.
    pub(crate) found: String,
    /// The rule in words.
    pub(crate) rule: String,
    /// The message of a check; may be empty.
    pub(crate) why: String,
    /// JSON pointer within the field, if the rule is a list of values.
    choice_at: Option<String>,
}

impl Violation {
    /// False if the rule is a list of values, and the type wrote the value in another way than the model.
    pub(super) fn is_kept_as_it_was(&self, found: &Value, written: &Value) -> bool {
        let Some(path) = &self.choice_at else { return true };
        found.pointer(path).is_none_or(|found| Some(found) == written.pointer(path))
    }
}

/// All constraints of a field's values.
#[derive(Debug)]
pub(super) struct Constraints {
    patterns: Arc<Patterns>,
    checks: Vec<Check>,
    /// False if the schema has no rules beside types.
    has_rules: bool,
}

impl Constraints {
    /// Collects the rules of a schema, with its definitions and regular expressions, and the user's checks.
    pub(super) fn new(schema: &Value, patterns: Arc<Patterns>, checks: &[Check]) -> Self {
        let mut all = Self { patterns, checks: checks.to_vec(), has_rules: false };
        let mut open = vec![schema];
        while let Some(schema) = open.pop() {
            // The bounds of a Rust type are no rules: the typed read reports them.
            all.has_rules |= words::range(schema).is_some();
            all.has_rules |= KEYWORDS.iter().any(|keyword| schema.get(*keyword).is_some());
            open.extend(parts(schema));
        }
        all
    }

    /// True if there are no constraints.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_rules && self.checks.is_empty()
    }

    /// Finds the rules of the schema that the value of the field `name` breaks; true if it has keys that the schema does not list.
    pub(super) fn broken(&self, name: &str, schema: &Value, value: &Value) -> (Vec<Violation>, bool) {
        let mut search = Search {
            root: schema,
            patterns: &self.patterns,
            place: name.to_owned(),
            pointer: String::new(),
            found: Vec::new(),
            has_other_keys: false,
        };
        if self.has_rules {
            search.visit(schema, value, 0);
        }
        (search.found, search.has_other_keys)
    }

    /// Runs the user's checks, and returns those that the value fails.
    pub(super) fn failed(&self, name: &str, value: &Value) -> Vec<Violation> {
        let failed = self.checks.iter().filter_map(|check| Some((check, check.failure(value)?)));
        let violation = |(check, why): (&Check, String)| Violation {
            place: name.to_owned(),
            found: excerpt(value),
            rule: check.rule().to_owned(),
            why: shortened(&why, 200),
            choice_at: None,
        };
        failed.map(violation).collect()
    }
}

/// Keywords of rules beside types and ranges.
const KEYWORDS: [&str; 11] = [
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "uniqueItems",
    "pattern",
    "enum",
    "const",
];

/// Walks through a value along its schema.
struct Search<'a> {
    root: &'a Value,
    patterns: &'a Patterns,
    /// Path of the current value from the field on, for messages.
    place: String,
    /// JSON pointer to it within the field.
    pointer: String,
    found: Vec<Violation>,
    has_other_keys: bool,
}

impl<'a> Search<'a> {
    fn visit(&mut self, schema: &'a Value, value: &Value, depth: usize) {
        // The depth counts schemas of one value, since a schema may refer to itself; the reader limits the depth of values.
        if depth > DEPTH || self.found.len() >= MOST {
            return;
        }
        let path = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        if let Some(definition) = path.and_then(|path| self.root.pointer(path)) {
            self.visit(definition, value, depth + 1);
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.visit(part, value, depth + 1);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(variants) = schema.get(keyword).and_then(Value::as_array) {
                self.visit_variants(variants, value, depth + 1);
            }
        }
        self.choice(schema, value);
        match value {
            Value::Number(number) => self.number(schema, number, value),
            Value::String(text) => {
                self.text(schema, text, value);
                self.digits(schema, text, value);
            }
            Value::Array(items) => self.list(schema, items, value),
            Value::Object(entries) => self.object(schema, entries, value),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Checks that the value keeps the rules of one variant of its type. If no variant is of its type, the typed read reports it.
    fn visit_variants(&mut self, variants: &'a [Value], value: &Value, depth: usize) {
        let mut broken: Vec<Vec<Violation>> = Vec::new();
        for variant in variants {
            if !Target::types_of(self.root, variant).with_patterns(self.patterns).is_kept_by(value) {
                continue;
            }
            let (place, pointer) = (self.place.clone(), self.pointer.clone());
            let mut search = Search { place, pointer, found: Vec::new(), ..*self };
            search.visit(variant, value, depth);
            self.has_other_keys |= search.has_other_keys;
            if search.found.is_empty() {
                return;
            }
            broken.push(search.found);
        }
        // If each variant has one broken rule for the same value, keeping any of them is enough.
        let alike = broken.iter().all(|found| found.len() == 1);
        let mut all = broken.into_iter();
        let Some(mut first) = all.next() else { return };
        if let (true, [violation]) = (alike, first.as_mut_slice()) {
            let others = all.flatten().filter(|other| other.place == violation.place);
            for other in others.collect::<Vec<_>>() {
                violation.rule = format!("{} or {}", violation.rule, other.rule);
            }
        }
        self.found.extend(first);
    }

    fn choice(&mut self, schema: &Value, value: &Value) {
        let values = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice);
        let only = schema.get("const").map(std::slice::from_ref);
        for values in [values, only].into_iter().flatten() {
            if !values.iter().any(|choice| same(choice, value)) {
                let rule = words::list(values).unwrap_or_else(|| {
                    format!("one of: {}", shortened(&Value::from(values).to_string(), 300))
                });
                self.add(rule, excerpt(value));
                if let Some(last) = self.found.last_mut() {
                    last.choice_at = Some(self.pointer.clone());
                }
            }
        }
    }

    fn number(&mut self, schema: &Value, number: &Number, value: &Value) {
        let is_out = BOUNDS.iter().any(|(keyword, holds)| match schema.get(*keyword) {
            Some(Value::Number(bound)) => !holds(compare(number, bound)),
            _ => false,
        });
        if let Some(rule) = words::range(schema).filter(|_| is_out) {
            self.add(rule, excerpt(value));
        }
        if let Some(Value::Number(step)) = schema.get("multipleOf") {
            if !is_multiple(number, step) {
                self.add(words::step(schema).unwrap_or_default(), excerpt(value));
            }
        }
    }

    /// Checks the rules of numbers on a number that is kept as a text with all its digits.
    fn digits(&mut self, schema: &Value, text: &str, value: &Value) {
        let is_number = |kind: &Value| kind == "integer" || kind == "number";
        let is_number = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().any(is_number),
            kind => kind.is_some_and(is_number),
        };
        let Some(number) = is_number.then(|| Numeral::parse(text)).flatten() else { return };
        let is_out = BOUNDS.iter().any(|(keyword, holds)| match schema.get(*keyword) {
            Some(Value::Number(bound)) => {
                Numeral::parse(&bound.to_string()).is_some_and(|bound| !holds(number.compare(&bound)))
            }
            _ => false,
        });
        if let Some(rule) = words::range(schema).filter(|_| is_out) {
            self.add(rule, excerpt(value));
        }
        if let Some(Value::Number(step)) = schema.get("multipleOf") {
            let whole = number.whole().and_then(|digits| digits.parse::<i128>().ok());
            let is_multiple = match (whole, step.as_i64().map(i128::from)) {
                (Some(whole), Some(step)) => step == 0 || whole % step == 0,
                _ => {
                    number.float().and_then(Number::from_f64).is_none_or(|number| is_multiple(&number, step))
                }
            };
            if !is_multiple {
                self.add(words::step(schema).unwrap_or_default(), excerpt(value));
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str, value: &Value) {
        self.length(&words::LENGTHS[0], schema, || text.chars().count(), value);
        let pattern = schema.get("pattern").and_then(Value::as_str);
        if pattern.is_some_and(|pattern| !self.patterns.has_match(pattern, text)) {
            self.add(words::pattern(schema).unwrap_or_default(), excerpt(value));
        }
    }

    fn list(&mut self, schema: &'a Value, items: &[Value], value: &Value) {
        self.length(&words::LENGTHS[1], schema, || items.len(), value);
        if let Some(rule) = words::unique(schema) {
            let mut seen = HashSet::new();
            if let Some(twice) = items.iter().find(|item| !seen.insert(canonical(item))) {
                self.add(rule, format!("{}, which has {} twice", excerpt(value), excerpt(twice)));
            }
        }
        let fixed = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (index, item) in items.iter().enumerate() {
            if let Some(part) = fixed.get(index).or(schema.get("items")) {
                self.within(&format!("[{index}]"), &index.to_string(), part, item);
            }
        }
    }

    fn object(&mut self, schema: &'a Value, entries: &Map<String, Value>, value: &Value) {
        self.length(&words::LENGTHS[2], schema, || entries.len(), value);
        let keyed = schema.get("patternProperties").and_then(Value::as_object);
        for (key, entry) in entries {
            let mut is_known = false;
            let own = schema.get("properties").and_then(|properties| properties.get(key));
            let by_pattern = keyed
                .into_iter()
                .flatten()
                .filter_map(|(pattern, part)| self.patterns.has_match(pattern, key).then_some(part));
            for part in own.into_iter().chain(by_pattern).collect::<Vec<_>>() {
                is_known = true;
                self.within(&format!(".{key}"), key, part, entry);
            }
            match schema.get("additionalProperties") {
                Some(part) if !is_known && part.is_object() => {
                    self.within(&format!(".{key}"), key, part, entry)
                }
                _ => self.has_other_keys |= !is_known && schema.get("properties").is_some(),
            }
        }
    }

    fn within(&mut self, place: &str, key: &str, schema: &'a Value, value: &Value) {
        let lengths = (self.place.len(), self.pointer.len());
        self.place += place;
        self.pointer += "/";
        self.pointer += &key.replace('~', "~0").replace('/', "~1");
        self.visit(schema, value, 0);
        self.place.truncate(lengths.0);
        self.pointer.truncate(lengths.1);
    }

    fn length(&mut self, unit: &words::Length, schema: &Value, count: impl FnOnce() -> usize, value: &Value) {
        let (least, most) = unit.of(schema);
        if least.is_none() && most.is_none() {
            return;
        }
        let count = count() as u64;
        if least.is_some_and(|least| count < least) || most.is_some_and(|most| count > most) {
            let found = format!("{} ({})", excerpt(value), unit.count(count));
            self.add(unit.words(schema).unwrap_or_default(), found);
        }
    }

    fn add(&mut self, rule: String, found: String) {
        let place = shortened(&self.place, 120);
        self.found.push(Violation { place, found, rule, why: String::new(), choice_at: None });
    }
}

type Holds = fn(std::cmp::Ordering) -> bool;

const BOUNDS: [(&str, Holds); 4] = [
    ("minimum", std::cmp::Ordering::is_ge),
    ("maximum", std::cmp::Ordering::is_le),
    ("exclusiveMinimum", std::cmp::Ordering::is_gt),
    ("exclusiveMaximum", std::cmp::Ordering::is_lt),
];

/// True if the number is a multiple of `step`: exact for whole numbers, else with a tolerance for floats, so that 0.3 is a multiple
/// of 0.1. Every number passes for a step of zero, which JSON Schema does not allow.
fn is_multiple(number: &Number, step: &Number) -> bool {
    let whole = |number: &Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    if let (Some(number), Some(step)) = (whole(number), whole(step)) {
        return step == 0 || number % step == 0;
    }
    let (Some(number), Some(step)) = (number.as_f64(), step.as_f64()) else { return true };
    let times = number / step;
    !times.is_finite() || (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0)
}

/// Writes equal values as equal texts: numbers by value, objects in any order of keys.
fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => {
                (float as i64).to_string()
            }
            _ => number.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(entries) => {
            let entries: BTreeMap<_, _> = entries.iter().collect();
            let entries = entries.into_iter().map(|(key, value)| format!("{key:?}:{}", canonical(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// Shortens a value for a message.
fn excerpt(value: &Value) -> String {
    shortened(&value.to_string(), 80)
}
