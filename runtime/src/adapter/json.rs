//! The JSON adapter: outputs as one JSON object.

use std::{cell::OnceCell, fmt::Write as _, ops::Range, sync::Arc};

use karat_lm::{AnswerSchema, Error, Message, ResponseFormat, Result};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json as object};

use super::{
    Adapter, Demo, Inputs, Mode, NOT_GIVEN, Outline, Prepared, Task, TaskField,
    chat::{inputs_text, list_inputs, list_outputs, write_extra},
    complete, end_tokens,
    follow::{Follow, JsonFollow},
    prompt_texts::PromptTexts,
    reasoning,
    repeats::{self, Marks, Repeats},
    wrapped,
};
use crate::{
    field::{FieldValue, name},
    json::{self, Found, Repair, Repairs, Written},
};

/// Inputs under field markers, outputs as one JSON object: a schema that the provider enforces where it can, else any JSON
/// object, else by the prompt alone.
///
/// The schema is that of the output fields' types. Each provider gets it in its own form and its own part of JSON Schema; rules
/// outside of that part are written in words, and null stands for an absent value. `docs/structured-output.md` has the table.
///
/// [`Prediction::mode`](crate::Prediction::mode) and the trace name the form that was used. A form that the provider is known not
/// to take is passed over without a call; one that it refuses causes a warning and is not tried again. A schema larger than the
/// provider takes is an [`is_config`](Error::is_config) error before anything is sent, which names the type.
///
/// Rules of reading: the object may stand in a code block or between prose, and may have the usual flaws of a model's JSON (see
/// [`Repair`](crate::field::Repair)). Names and aliases count, the name before an alias. A key in another case, or with other signs between
/// its words, counts if the field has no other key and no other field is meant; two such keys are an error. Other keys are passed
/// over. Of several objects, one may differ from the others only if it alone has a field of the task.
///
/// An object without any field may contain the answer: `{"json_input": {..}}`, `{"name": "..", "arguments": {..}}`. So may a list of
/// one, and a JSON text that is the whole reply. The object inside is read if it is the only one there with all required fields, by
/// their exact names, and if it is no input's.
///
/// [`Prediction::repairs`](crate::Prediction::repairs) lists the flaws of each field: those of the object,
/// [`Repair::Name`] if its key was in another form, and [`Repair::DoubleField`] if it stood under its name and an alias. All fields
/// have [`Repair::UnknownKey`] if the object has a key of no field, [`Repair::Wrapped`] or [`Repair::JsonInText`] if the answer was
/// wrapped, and [`Repair::EndToken`] if an end token of a chat template, such as `<|im_end|>`, stood behind it.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonAdapter;

impl Adapter for JsonAdapter {
    fn name(&self) -> &'static str {
        "json"
    }

    fn prepare(&self, task: &Task<'_>) -> Prepared {
        let system = Message::system(system(task));
        let prefix = std::iter::once(system).chain(task.demo_messages(self)).collect();
        let any_object = Mode { name: "json_object", response_format: Some(ResponseFormat::JsonObject) };
        let mut modes = vec![any_object, Mode::PROMPT];
        match AnswerSchema::new(schema(task)).closed() {
            Ok(closed) => {
                let schema = AnswerSchema::new(Arc::unwrap_or_clone(closed));
                let (name, strict) = (schema_name(task.signature()), !schema.is_open());
                let format = ResponseFormat::json_schema(name, schema, strict);
                modes.insert(0, Mode { name: "json_schema", response_format: Some(format) });
            }
            Err(error) => {
                tracing::warn!(signature = task.signature(), %error, "the provider gets no schema: only the prompt describes the answer");
            }
        }
        Prepared { prefix, modes, stop: Vec::new() }
    }

    fn turn(&self, task: &Task<'_>, example: &Demo) -> [String; 2] {
        [
            inputs_text(task, example.inputs.iter().map(Option::as_ref)).trim_end().to_owned(),
            object(task, example),
        ]
    }

    fn ask(&self, task: &Task<'_>, inputs: &Inputs<'_>) -> String {
        let mut text = inputs_text(task, inputs.values());
        write_extra(&mut text, task, inputs);
        text.push_str("Answer with one JSON object with");
        for (index, field) in task.outputs().enumerate() {
            let _ = write!(text, "{} \"{}\"", if index == 0 { "" } else { ", then" }, field.name());
        }
        text.push('.');
        text
    }

    fn read(&self, task: &Task<'_>, inputs: &Inputs<'_>, text: &str) -> Result<Vec<Option<FieldValue>>> {
        let refused = |why: String| Error::parse(why).with_completion(text);
        let shown = PromptTexts::of(task, inputs);
        let whole = text;
        let text = end_tokens::without_tokens(whole, &shown);
        let mut has_token = text.len() < whole.len();
        let mut objects =
            json::find(text).map_err(|flaw| refused(format!("the answer is not a JSON object: {flaw}")))?;
        let is_inside = |at: usize| {
            let before = objects.partition_point(|found| found.start < at);
            before.checked_sub(1).and_then(|last| objects.get(last)).is_some_and(|found| at < found.end)
        };
        if let Some(turn) = end_tokens::reply_end_outside(text, is_inside, &shown) {
            objects.retain(|found| found.start < turn);
            has_token = true;
        }
        let is_object = |found: &Found| found.value.is_object();
        let has_object = objects.iter().any(is_object);
        let fields: Vec<_> = task.outputs().collect();
        let repeated = Repeatable::of(inputs);
        // Half an object of a repeated input would go on into the text behind it.
        let begun = Repeats::find(inputs, text, &AnswerStarts(&fields));
        let put_together = Repeats::find(inputs, text, &Braces);
        objects.retain(|found| {
            let part = found.start..found.end;
            // Half of a Python dictionary cannot be recognised: it has no braces.
            let is_pythons = json::is_ordered_dict(text, found)
                && inputs.texts().iter().any(|input| json::has_ordered_dict(input));
            // An object that may begin in one input and contains another input's object is doubtful.
            let is_doubtful = put_together.begins_in(&part) && begun.meets(&part);
            !repeated.has(text, found)
                && !begun.begins_in(&part)
                && !put_together.covers(&part)
                && !is_doubtful
                && !is_pythons
        });
        // Of several objects, one with a field of the task is the answer.
        let has_field = |found: &Found| {
            fields.iter().any(|field| field.names().any(|name| found.value.get(name).is_some()))
        };
        let has_field_in_other_case = |found: &Found| {
            let keys = found.value.as_object().into_iter().flat_map(Map::keys);
            keys.map(|key| field_in_other_case(&fields, key)).any(|field| field.is_some())
        };
        let mut inner = None;
        if !objects.iter().any(|found| has_field(found) || has_field_in_other_case(found)) {
            // An inner object of a repeated input may belong to that input.
            let is_own = |found: &Found| {
                let part = found.start..found.end;
                !begun.meets(&part) && !put_together.covers(&part) && !repeated.holds(&found.value)
            };
            if let Some((one, written)) = wrapped::find(task, &objects, text).filter(|(one, _)| is_own(one)) {
                (objects, inner) = (vec![one], Some(written));
            }
        }
        objects.retain(is_object);
        if objects.len() > 1 {
            if objects.iter().any(has_field) {
                objects.retain(has_field);
            } else if objects.iter().any(has_field_in_other_case) {
                objects.retain(has_field_in_other_case);
            }
        }
        if objects.is_empty() && !has_object {
            return Err(refused("the answer is not a JSON object".into()));
        }
        if objects.is_empty() {
            return Err(refused("the one JSON object in the answer is repeated from the input".into()));
        }
        let count = objects.len();
        let Some(one) = json::unambiguous(objects) else {
            return Err(refused(match count {
                1 => "the answer's JSON object is cut off".into(),
                _ => format!(
                    "the answer has {count} JSON objects that differ, or one is cut off; one is wanted"
                ),
            }));
        };
        let written = inner.unwrap_or_else(|| Written::new(text, &one));
        let Found { value: Value::Object(object), mut repairs, .. } = one else {
            return Err(refused("the answer is not a JSON object".into()));
        };
        if has_token {
            repairs.add(Repair::EndToken);
        }
        let found = values(&fields, object, repairs, &written);
        let found = found.map_err(|field| {
            refused(format!("two keys in another case stand for `{field}`")).with_field(field)
        })?;
        complete(task, found, text)
    }

    fn cut_output<'a>(&self, _: &Task<'a>, _: &Inputs<'_>, _: &str) -> Option<TaskField<'a>> {
        // An object without its closing bracket is an error anyway.
        None
    }

    fn outline(&self, _: &Task<'_>, text: &str) -> Option<Outline> {
        let found = json::find(text).unwrap_or_default().into_iter();
        let objects = found.filter(|found| found.value.is_object());
        Some(Outline::new(objects.map(|found| found.start..found.end).collect()))
    }

    fn follow<'a>(&self, task: &Task<'a>, inputs: &Inputs<'a>) -> Option<Box<dyn Follow + 'a>> {
        let fields: Vec<_> = task.outputs().collect();
        let names = || fields.iter().flat_map(TaskField::names);
        let could_answer = |input: &Value| match input {
            Value::String(text) => text.contains('{') && names().any(|name| text.contains(name)),
            Value::Object(map) => names().any(|name| map.contains_key(name)),
            _ => false,
        };
        if inputs.all().any(could_answer) {
            return None;
        }
        Some(Box::new(JsonFollow::new(fields)))
    }
}

/// True if the input contains an object, or the beginning of one, with a field of the task.
fn begins_answer(fields: &[TaskField<'_>], input: &str) -> bool {
    let has_field = |inside: &str| {
        fields.iter().flat_map(TaskField::names).any(|name| {
            let behind = inside.split_once(name).and_then(|(_, behind)| behind.split_once(':'));
            let is_blank = |c: char| repeats::is_left_out(c) || "\"'".contains(c);
            behind.is_some_and(|(_, value)| !value.trim_matches(is_blank).is_empty())
        })
    };
    input.split_once('{').is_some_and(|(_, inside)| has_field(inside))
}

/// Takes the fields' values out of an object: by name, else by the first alias, else by a key in another case.
///
/// # Errors
/// The name of a field for which two such keys stand.
fn values<'a>(
    fields: &[TaskField<'a>],
    mut object: Map<String, Value>,
    mut all: Repairs,
    written: &Written,
) -> Result<Vec<Option<FieldValue>>, &'a str> {
    // A number beyond the range of floats was read as a text.
    let given = |key: &str, value: Value| match value.is_string() && !written.has_large() {
        true => value.into(),
        false => FieldValue::from(value).with(written.entry(key)),
    };
    let mut found = Vec::with_capacity(fields.len());
    for field in fields {
        let mut value: Option<FieldValue> = None;
        for name in field.names() {
            match (object.remove(name), &mut value) {
                (Some(_), Some(first)) => first.repairs.add(Repair::DoubleField),
                (Some(first), None) => value = Some(given(name, first)),
                (None, _) => {}
            }
        }
        found.push(value);
    }
    // A good answer has no keys left.
    let has_value: Vec<_> = found.iter().map(Option::is_some).collect();
    for (key, value) in object {
        let index = field_in_other_case(fields, &key).filter(|index| has_value.get(*index) == Some(&false));
        let Some((slot, field)) = index.and_then(|index| found.get_mut(index).zip(fields.get(index))) else {
            all.add(Repair::UnknownKey);
            continue;
        };
        if slot.is_some() {
            return Err(field.name());
        }
        let value = slot.insert(given(&key, value));
        value.repairs.add(Repair::Name);
    }
    found.iter_mut().flatten().for_each(|value| value.repairs.extend(all));
    Ok(found)
}

/// Finds the one field whose name or alias is this key in another form.
fn field_in_other_case(fields: &[TaskField<'_>], key: &str) -> Option<usize> {
    let names = fields.iter().enumerate();
    name::find(names.flat_map(|(index, field)| field.names().map(move |name| (name, index))), key)
}

/// Parts of the inputs that a model could repeat as an object.
struct Repeatable<'a> {
    texts: Vec<&'a str>,
    /// Rests of the texts behind tags that end reasoning.
    rests: Vec<&'a str>,
    /// Objects among the inputs, which the prompt has as JSON.
    objects: Vec<&'a Value>,
    /// JSON values within the texts, read at the first use.
    values: OnceCell<Vec<Value>>,
}

impl<'a> Repeatable<'a> {
    fn of(inputs: &Inputs<'a>) -> Self {
        let texts = inputs.texts();
        let rests = texts.iter().copied().flat_map(reasoning::behind_ends).collect();
        let objects = inputs.all().filter(|value| value.is_object()).collect();
        Self { texts, rests, objects, values: OnceCell::new() }
    }

    /// True if the object is an input's and not the model's. Between prose: if an input contains it, in any form. Alone: only if it
    /// is a whole input, since an answer may agree with an object that an input mentions.
    fn has(&self, text: &str, object: &Found) -> bool {
        let source = &text[object.start..object.end];
        if source == text.trim() {
            // The same object may be in another notation.
            let is_it = |input: &&str| {
                let found = json::find(input).unwrap_or_default();
                matches!(&found[..], [one] if one.value == object.value && input.get(one.start..one.end) == Some(input.trim()))
            };
            let mut objects = self.texts.iter().filter(|input| input.trim_start().starts_with('{'));
            return objects.any(is_it)
                || self.texts.iter().chain(&self.rests).any(|input| input.trim() == source);
        }
        self.texts.iter().any(|input| input.contains(source))
            || self.objects.contains(&&object.value)
            || self.values.get_or_init(|| self.values()).contains(&object.value)
    }

    /// True if an input is this value, or contains it as JSON.
    fn holds(&self, value: &Value) -> bool {
        let mut open: Vec<_> = self.values.get_or_init(|| self.values()).iter().collect();
        while let Some(one) = open.pop() {
            match one {
                one if one == value => return true,
                Value::Array(items) => open.extend(items),
                Value::Object(map) => open.extend(map.values()),
                _ => {}
            }
        }
        self.objects.contains(&value)
    }

    fn values(&self) -> Vec<Value> {
        let with_objects = self.texts.iter().filter(|input| input.contains('{'));
        with_objects
            .flat_map(|input| json::find(input).unwrap_or_default())
            .map(|found| found.value)
            .collect()
    }
}

/// Marks that are the beginnings of objects with a field of the task.
struct AnswerStarts<'f>(&'f [TaskField<'f>]);

impl Marks for AnswerStarts<'_> {
    fn could_be_in(&self, text: &str) -> bool {
        text.contains('{')
    }

    fn find(&self, _: &str) -> Vec<Range<usize>> {
        Vec::new()
    }

    fn is_piece(&self, text: &str) -> bool {
        // A brace alone also begins every answer of the model: letters before it identify an input's.
        let is_letter = |c: char| !c.is_whitespace() && !c.is_control() && !c.is_ascii_punctuation();
        let has_letters = |(before, _): (&str, &str)| before.contains(is_letter);
        begins_answer(self.0, text) || Braces.is_piece(text) && text.rsplit_once('{').is_some_and(has_letters)
    }
}

/// Marks that are braces: an object may begin in one input and end in another.
struct Braces;

impl Marks for Braces {
    fn could_be_in(&self, text: &str) -> bool {
        text.contains('{')
    }

    fn find(&self, _: &str) -> Vec<Range<usize>> {
        Vec::new()
    }

    fn is_piece(&self, text: &str) -> bool {
        text.rfind('{').is_some_and(|open| text.rfind('}').is_none_or(|close| close < open))
    }
}

fn system(task: &Task<'_>) -> String {
    let mut text = String::from(
        "You are given fields, each below a marker line with its name, and answer with one JSON object.\n",
    );
    list_inputs(&mut text, task);
    list_outputs(&mut text, "\nKeys of the object, in this order:\n", task);
    text.push_str("\nThe task:\n");
    text.push_str(task.instructions());
    text
}

/// Writes a demo's answer. A missing value is marked as not given, whatever the field's type: null would be an answer.
fn object(task: &Task<'_>, demo: &Demo) -> String {
    let pairs = task.outputs().zip(&demo.outputs);
    let object: Map<_, _> = pairs
        .map(|(field, value)| {
            let value = field.given(value.as_ref()).cloned();
            (field.name().to_owned(), value.unwrap_or_else(|| NOT_GIVEN.into()))
        })
        .collect();
    Value::Object(object).to_string()
}

/// Makes a schema's name that providers take: letters, digits, `_` and `-`, at most 64 characters.
fn schema_name(signature: &str) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }
    };
    signature.chars().map(allowed).take(64).collect()
}

/// Builds the schema of the whole answer: an object with every output field in order and no other key, types as schemars writes
/// them.
fn schema(task: &Task<'_>) -> Value {
    let mut generator =
        SchemaGenerator::new(SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None));
    let mut properties = Map::new();
    for field in task.outputs() {
        let mut schema = field.schema(&mut generator);
        if !field.description().is_empty() {
            // A type of any value has `true` for a schema.
            match &mut schema {
                Value::Object(map) => {
                    map.insert("description".into(), field.description().into());
                }
                other => *other = object!({ "allOf": [other.take()], "description": field.description() }),
            }
        }
        properties.insert(field.name().into(), schema);
    }
    let required: Vec<_> = task.outputs().map(|field| field.name()).collect();
    let mut root = object!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        root["$defs"] = Value::Object(definitions);
    }
    root
}
