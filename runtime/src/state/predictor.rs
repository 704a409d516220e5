//! Writes and reads a predictor's entry in a state file, in DSPy's layout.

use karat_lm::{Result, internal::shortened};
use serde_json::{Map, Value, json};

use super::{StateOptions, error, json::kind, lm, prefix::prefix};
use crate::{
    adapter::Demo,
    module::Parameter,
    predict::{FieldText, Predictor},
    signature::Slot,
};

/// The keys of an entry. `traces` and `train` are notes of some of DSPy's optimizers; they are kept and not used.
const KEYS: [&str; 6] = ["traces", "train", "demos", "signature", DECISIONS, "lm"];
const NOTES: [&str; 2] = ["traces", "train"];

/// Thresholds, weights and criteria of decisions, which DSPy 3.4 writes where some are set. They are kept and not used, though
/// they decide answers there.
const DECISIONS: &str = "fields";

/// The one key, beside `lm`, of a `dspy.Flex`.
const FLEX: &str = "module_src";

/// Keys by which the files of old DSPy versions are known.
const LEGACY: [(&str, &str); 5] = [
    ("extended_signature", "DSPy 2.5 and older"),
    ("extended_signature_instructions", "DSPy 2.4 and older"),
    ("extended_signature_prefix", "DSPy 2.4 and older"),
    ("signature_instructions", "DSPy 2.4 and older"),
    ("signature_prefix", "DSPy 2.4 and older"),
];

impl Parameter for Predictor {
    fn dump_state(&self) -> Result<Value> {
        // Otherwise a demo that could not be taken would be missing without an error.
        if let Some(mistake) = self.mistake() {
            return Err(mistake.clone());
        }
        let mut entry = Map::new();
        for key in NOTES {
            entry.insert(key.into(), self.notes().get(key).cloned().unwrap_or_else(|| json!([])));
        }
        entry.insert("demos".into(), self.demos().iter().map(|demo| self.dump_demo(demo)).collect());
        let fields: Vec<_> = self.slots().map(dump_field).collect();
        entry.insert("signature".into(), json!({ "instructions": self.instructions(), "fields": fields }));
        if let Some(decisions) = self.notes().get(DECISIONS) {
            entry.insert(DECISIONS.into(), decisions.clone());
        }
        entry.insert("lm".into(), self.lm().map_or(Value::Null, lm::dump));
        Ok(Value::Object(entry))
    }

    fn load_state(&mut self, state: &Value, options: &StateOptions) -> Result<()> {
        let entry = as_object(state, "the entry of a predictor")?;
        check_keys(entry)?;
        let signature =
            entry.get("signature").ok_or_else(|| error("expected a key `signature`, found none"))?;
        let signature = as_object(signature, "`signature`")?;
        let instructions = match signature.get("instructions") {
            Some(Value::String(text)) => text.clone(),
            other => return Err(unexpected("a text at `signature.instructions`", other)),
        };
        let examples = as_list(entry, "demos")?;
        let demos = examples.iter().enumerate().map(|(index, demo)| match demo {
            Value::Object(values) => Ok(self.demo_of(values.clone())),
            other => Err(unexpected(&format!("an object at `demos[{index}]`"), Some(other))),
        });
        let demos: Vec<Demo> = demos.collect::<Result<_>>()?;
        let fields = as_list(signature, "fields")?;
        let fields = FieldList { slots: self.slots().collect(), fields, demos: examples }.read()?;
        let mut notes: Map<_, _> =
            NOTES.iter().filter_map(|key| Some(((*key).to_owned(), entry.get(*key)?.clone()))).collect();
        for (key, value) in &notes {
            if !value.is_array() {
                return Err(unexpected(&format!("a list at `{key}`"), Some(value)));
            }
        }
        if let Some(decisions) = entry.get(DECISIONS) {
            let by_field = as_object(decisions, &format!("`{DECISIONS}`"))?;
            if !by_field.is_empty() {
                tracing::warn!(
                    signature = self.signature(),
                    fields = by_field.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
                    "the state has thresholds or criteria of decisions, by which DSPy changes answers; karat keeps them for the \
                     next file and does not use them"
                );
            }
            notes.insert(DECISIONS.into(), decisions.clone());
        }
        let lm = match entry.get("lm") {
            // An LM that the program has set has a key, limits, a cache and a deadline, which no file has.
            Some(state) if !state.is_null() && (options.takes_lm() || !self.has_own_lm()) => {
                Some(lm::load(state, options)?)
            }
            _ => None,
        };
        self.set_instructions(instructions);
        self.set_field_texts(fields);
        self.set_demos(demos);
        self.set_notes(notes);
        if let Some(lm) = lm {
            self.set_state_lm(&lm);
        }
        Ok(())
    }

    /// As in DSPy: demos and LM are forgotten; the instructions, which belong to the signature, stay.
    fn reset(&mut self) {
        self.set_demos(Vec::new());
        self.set_notes(Map::new());
        self.unset_lm();
    }

    fn as_predictor(&self) -> Option<&Predictor> {
        Some(self)
    }

    fn as_predictor_mut(&mut self) -> Option<&mut Predictor> {
        Some(self)
    }
}

fn dump_field(slot: &Slot) -> Value {
    let name = slot.name();
    let description = match slot.raw_description() {
        // So that DSPy, which derives it like this, sees no description either.
        "" if slot.description.is_none() => placeholder(name),
        text => text.to_owned(),
    };
    let prefix = slot.prefix.as_deref().map_or_else(|| prefix(name), str::to_owned);
    json!({ "name": name, "prefix": prefix, "description": description })
}

/// DSPy's placeholder for a missing description.
fn placeholder(name: &str) -> String {
    format!("${{{name}}}")
}

/// The fields of a state beside those of the signature. DSPy's files give them in order and without names; their prefixes are
/// mostly derived from the names, which shows where a field does not fit.
struct FieldList<'a> {
    slots: Vec<&'a Slot>,
    fields: &'a [Value],
    demos: &'a [Value],
}

impl FieldList<'_> {
    fn read(&self) -> Result<Vec<FieldText>> {
        let names =
            || self.slots.iter().map(|slot| format!("`{}`", slot.name())).collect::<Vec<_>>().join(", ");
        if self.fields.len() != self.slots.len() {
            let found: Vec<_> = self.fields.iter().map(label).collect();
            let message = format!(
                "expected {} fields ({}), found {} ({})",
                self.slots.len(),
                names(),
                found.len(),
                found.join(", ")
            );
            // The first place where the two lists part.
            let parts = self.slots.iter().zip(self.fields).find(|(slot, field)| !self.may_be(slot, field));
            let first = parts.map(|(slot, _)| *slot).or_else(|| self.slots.get(self.fields.len()).copied());
            let error = error(message);
            return Err(match first {
                Some(slot) => error.with_field(slot.name()),
                None => error,
            });
        }
        self.slots
            .iter()
            .zip(self.fields)
            .enumerate()
            .map(|(index, (slot, field))| self.one(index, slot, field))
            .collect()
    }

    fn one(&self, index: usize, slot: &Slot, field: &Value) -> Result<FieldText> {
        let at = format!("signature.fields[{index}]");
        let of_field = |error: crate::Error| error.with_field(slot.name());
        let entry = as_object(field, &format!("`{at}`")).map_err(of_field)?;
        if let Some(key) = entry.keys().find(|key| !["name", "prefix", "description"].contains(&key.as_str()))
        {
            let key = shortened(key, 100);
            let message = format!("unknown key `{key}` in `{at}`; expected `prefix` and `description`");
            return Err(of_field(error(message)));
        }
        let text = |key: &str| match entry.get(key) {
            Some(Value::String(text)) => Ok(text.as_str()),
            other => Err(of_field(unexpected(&format!("a text at `{at}.{key}`"), other))),
        };
        let found = text("prefix")?;
        let description = match entry.get("description") {
            // What DSPy writes for `desc=None`.
            Some(Value::Null) => placeholder(slot.name()),
            _ => text("description")?.to_owned(),
        };
        if entry.contains_key("name") {
            text("name")?;
        }
        if !self.may_be(slot, field) {
            let order: Vec<_> = self.slots.iter().map(|slot| format!("`{}`", slot.name())).collect();
            let mut message = format!(
                "expected the field `{name}` at `{at}`, found {}; the signature's order is {}",
                label(field),
                order.join(", "),
                name = slot.name()
            );
            if !entry.contains_key("name") {
                let name = slot.name();
                message +=
                    &format!(r#". If it is `{name}` by another prefix, write `"name": "{name}"` beside it"#);
            }
            return Err(of_field(error(message)));
        }
        Ok(FieldText {
            prefix: Some(found).filter(|found| *found != prefix(slot.name())).map(str::to_owned),
            description,
        })
    }

    /// False if the state's field is surely another one: by its name or, where it has none, by its prefix. Prefixes are the
    /// user's to choose, and DSPy's optimizers choose some too; so one that is derived from another name proves nothing unless
    /// that name is missing in its own place.
    fn may_be(&self, slot: &Slot, field: &Value) -> bool {
        if let Some(name) = field.get("name").and_then(Value::as_str) {
            return name == slot.name();
        }
        let Some(found) = prefix_of(field) else { return true };
        prefix(slot.name()) == found || !(self.is_misplaced(found) || self.is_renamed(slot, found))
    }

    /// True for the prefix of a field of the signature that does not stand in its own place.
    fn is_misplaced(&self, found: &str) -> bool {
        let mut places = self.slots.iter().enumerate();
        places.any(|(index, other)| {
            prefix(other.name()) == found && self.fields.get(index).and_then(prefix_of) != Some(found)
        })
    }

    /// True for the prefix of a key that the demos have in place of this field, which none of them has.
    fn is_renamed(&self, slot: &Slot, found: &str) -> bool {
        let demos = || self.demos.iter().filter_map(Value::as_object);
        let is_field = |key: &str| self.slots.iter().any(|slot| slot.name() == key);
        !demos().any(|demo| demo.contains_key(slot.name()))
            && demos().flat_map(|demo| demo.keys()).any(|key| prefix(key) == found && !is_field(key))
    }
}

fn prefix_of(field: &Value) -> Option<&str> {
    field.get("prefix").and_then(Value::as_str)
}

/// The name of a state's field in messages.
fn label(field: &Value) -> String {
    let text = |key: &str| field.get(key).and_then(Value::as_str).map(|text| shortened(text, 60));
    match (text("name"), text("prefix")) {
        (Some(name), _) => format!("`{name}`"),
        (None, Some(prefix)) => format!("one with the prefix `{prefix}`"),
        (None, None) => format!("{} without a prefix", kind(field)),
    }
}

/// True for the entry of a predictor, as against a file of entries.
pub(super) fn is_entry(object: &Map<String, Value>) -> bool {
    let has_fields = |signature: &Value| signature.get("fields").is_some_and(Value::is_array);
    object.get("signature").is_some_and(has_fields) && object.get("demos").is_some_and(Value::is_array)
}

/// True if it has a key of the entry of a predictor, of today's or of an old layout.
pub(super) fn has_key_of_entry(object: &Map<String, Value>) -> bool {
    KEYS.iter().chain(LEGACY.iter().map(|(key, _)| key)).any(|key| object.contains_key(*key))
}

/// The LM's part of a value that is the entry of a predictor, whole or not.
pub(super) fn lm_of(entry: &mut Value) -> Option<&mut Map<String, Value>> {
    let entry = entry.as_object_mut()?;
    // A parameter of another kind may have an `lm` of its own.
    let is_of_predictor = entry.contains_key("signature") && entry.contains_key("demos");
    entry.get_mut("lm").filter(|_| is_of_predictor)?.as_object_mut()
}

/// # Errors
/// [`is_state`](crate::Error::is_state), if the entry is of a layout that is no longer read.
pub(super) fn refuse_legacy(entry: &Value) -> Result<()> {
    // Predictors have had demos ever since; a parameter of another kind may have such a key.
    let is_of_predictor = entry.get("demos").is_some();
    if let Some((key, version)) = LEGACY.iter().find(|(key, _)| is_of_predictor && entry.get(key).is_some()) {
        return Err(error(format!(
            "the key `{key}` belongs to the layout of {version}, which is no longer read: load the program in the DSPy that \
             saved it, and save it again with DSPy 2.6 or later"
        )));
    }
    Ok(())
}

/// # Errors
/// [`is_state`](crate::Error::is_state), if it is what DSPy saves of a `dspy.Flex`: a program that a model wrote, in Python.
pub(super) fn refuse_flex(entry: &Map<String, Value>) -> Result<()> {
    match entry.get(FLEX) {
        // A parameter of that name has an object.
        Some(Value::String(_) | Value::Null) => Err(error(format!(
            "this is the state of a `dspy.Flex`: its key `{FLEX}` holds a program in Python that an optimizer wrote, which karat \
             does not run. Write that program as a `#[module]`, or optimize one of DSPy's other modules"
        ))),
        _ => Ok(()),
    }
}

fn check_keys(entry: &Map<String, Value>) -> Result<()> {
    refuse_flex(entry)?;
    match entry.keys().find(|key| !KEYS.contains(&key.as_str())) {
        Some(key) => Err(error(format!(
            "unknown key `{}`; a predictor has {}",
            shortened(key, 100),
            KEYS.map(|key| format!("`{key}`")).join(", ")
        ))),
        None => Ok(()),
    }
}

fn as_object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| error(format!("{what} should be an object, found {}", kind(value))))
}

fn as_list<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a [Value]> {
    match object.get(key) {
        Some(Value::Array(list)) => Ok(list),
        other => Err(unexpected(&format!("a list at `{key}`"), other)),
    }
}

fn unexpected(expected: &str, found: Option<&Value>) -> crate::Error {
    let found = found.map_or_else(
        || "nothing".to_owned(),
        |value| format!("{}: {}", kind(value), shortened(&value.to_string(), 100)),
    );
    error(format!("expected {expected}, found {found}"))
}
