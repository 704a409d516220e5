//! Field markers in chat messages, as DSPy's programs and demos use them.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Adapter, Demo, Inputs, Mode, NOT_GIVEN, Prepared, Task, TaskField, complete, marker, text_of};
use crate::{error::Result, field::FieldValue, lm::Message};

/// Each field under a line `[[ ## name ## ]]`; the default adapter.
///
/// Rules of reading: a marker counts at the start of a line and only with the name (or alias) of one of the signature's
/// output fields; the first of two wins; any other marker stays in the value as it is; markers that come from a repeated
/// input are never read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChatAdapter;

impl Adapter for ChatAdapter {
    fn name(&self) -> &'static str {
        "chat"
    }

    fn prepare(&self, task: &Task<'_>) -> Prepared {
        let system = Message::system(system(task));
        let prefix = std::iter::once(system).chain(task.demo_messages(self)).collect();
        Prepared { prefix, modes: vec![Mode::PROMPT], stop: Vec::new() }
    }

    fn turn(&self, task: &Task<'_>, example: &Demo) -> [String; 2] {
        [inputs_text(task, &example.inputs).trim_end().to_owned(), outputs_text(task, example)]
    }

    fn ask(&self, task: &Task<'_>, inputs: &Inputs<'_>) -> String {
        let mut text = inputs_text(task, inputs.values);
        write_extra(&mut text, task, inputs);
        text.push_str("Now write");
        for (index, field) in task.outputs().enumerate() {
            text.push_str(if index == 0 { " " } else { ", then " });
            marker::write(&mut text, field.name());
        }
        text.push_str(", each with its value below it, and end with ");
        marker::write(&mut text, marker::COMPLETED);
        text.push('.');
        text
    }

    fn read(&self, task: &Task<'_>, inputs: &Inputs<'_>, text: &str) -> Result<Vec<Option<FieldValue>>> {
        let fields: Vec<_> = task.outputs().collect();
        let mut found: Vec<Option<FieldValue>> = vec![None; fields.len()];
        let mut open: Option<(usize, usize)> = None;
        let repeated = inputs.repeated_in(text, |input| gives_output(task, input));
        let mut close = |open: &mut Option<(usize, usize)>, end: usize| {
            if let Some((index, start)) = open.take() {
                let value = marker::unescape(marker::without_end(text[start..end].trim()), |name| {
                    is_reserved(task, name)
                });
                if let (Some(slot @ None), Some(field)) = (found.get_mut(index), fields.get(index)) {
                    // Nothing below its marker is how a model leaves out what is no text.
                    let left_out = value.is_empty() && field.is_optional() && !field.takes_any_text();
                    *slot = (!left_out).then(|| field.value_of_text(&value));
                }
            }
        };
        for marker in marker::find(text) {
            if repeated.covers(marker.span.start) {
                continue;
            }
            if marker.name == marker::COMPLETED {
                close(&mut open, marker.span.start);
            } else if let Some(index) = fields.iter().position(|field| field.answers_to(marker.name)) {
                close(&mut open, marker.span.start);
                open = Some((index, marker.span.end));
            }
        }
        close(&mut open, text.len());
        complete(&fields, found, text)
    }
}

fn system(task: &Task<'_>) -> String {
    let mut text = String::from(
        "You are given fields and write fields. Every field stands below a marker line with its name.\n",
    );
    list_inputs(&mut text, task);
    list_outputs(&mut text, "\nTo write:\n", task);
    text.push_str("\nThe form, where {name} stands for a value:\n\n");
    for field in task.inputs().chain(task.outputs()) {
        marker::write(&mut text, field.name());
        let _ = write!(text, "\n{{{}}}\n\n", field.name());
    }
    marker::write(&mut text, marker::COMPLETED);
    text.push_str("\n\nThe task:\n");
    text.push_str(task.instructions());
    text
}

/// The given fields, one a line. Their types show in their values.
pub(super) fn list_inputs(text: &mut String, task: &Task<'_>) {
    let mut head = Some("\nGiven:\n");
    for field in task.inputs() {
        let _ = write!(text, "{}- `{}`", head.take().unwrap_or_default(), field.name());
        end_with_description(text, field);
    }
}

/// The fields to write, one a line, with their types.
pub(super) fn list_outputs(text: &mut String, head: &str, task: &Task<'_>) {
    text.push_str(head);
    for field in task.outputs() {
        let _ = write!(text, "- `{}` ({})", field.name(), field.type_text());
        end_with_description(text, field);
    }
}

fn end_with_description(text: &mut String, field: TaskField<'_>) {
    if !field.description().is_empty() {
        let _ = write!(text, ": {}", field.description());
    }
    text.push('\n');
}

/// The input fields, each below its marker.
pub(super) fn inputs_text(task: &Task<'_>, values: &[Option<Value>]) -> String {
    let mut text = String::new();
    for (field, value) in task.inputs().zip(values) {
        if let Some(value) = field.given(value.as_ref()) {
            write_field(&mut text, task, field.name(), Some(&input_text(value)));
        }
    }
    text
}

/// Inputs of this run alone, with their descriptions, since the system text does not have them.
pub(super) fn write_extra(text: &mut String, task: &Task<'_>, inputs: &Inputs<'_>) {
    for (field, value) in inputs.extra {
        if !field.description().is_empty() {
            let _ = writeln!(text, "({})", field.description());
        }
        write_field(text, task, field.name(), Some(&input_text(value)));
    }
}

fn outputs_text(task: &Task<'_>, demo: &Demo) -> String {
    let mut text = String::new();
    for (field, value) in task.outputs().zip(&demo.outputs) {
        write_field(&mut text, task, field.name(), field.given(value.as_ref()).map(text_of).as_deref());
    }
    marker::write(&mut text, marker::COMPLETED);
    text
}

fn write_field(text: &mut String, task: &Task<'_>, name: &str, value: Option<&str>) {
    marker::write(text, name);
    text.push('\n');
    match value {
        Some(value) if value.contains("[[") => {
            text.push_str(&marker::escape(value, |name| is_reserved(task, name)))
        }
        Some(value) => text.push_str(value),
        None => text.push_str(NOT_GIVEN),
    }
    text.push_str("\n\n");
}

/// An input's text; a list of texts is numbered, which small models read better than JSON.
pub(super) fn input_text(value: &Value) -> String {
    let items = match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => items,
        other => return text_of(other).into_owned(),
    };
    let lines = items.iter().enumerate().map(|(index, item)| format!("[{}] {}", index + 1, text_of(item)));
    lines.collect::<Vec<_>>().join("\n")
}

/// The names whose markers mean something in a reply to this task.
fn is_reserved(task: &Task<'_>, name: &str) -> bool {
    name == marker::COMPLETED
        || task.outputs().any(|field| field.answers_to(name))
        || task.inputs().any(|field| field.name() == name)
}

/// True if the input has an output's marker with something below it, which would read as an answer if it were repeated.
fn gives_output(task: &Task<'_>, input: &str) -> bool {
    let names_output = |name: &str| task.outputs().any(|field| field.answers_to(name));
    input.contains("[[")
        && marker::find(input)
            .into_iter()
            .any(|marker| names_output(marker.name) && !input[marker.span.end..].trim().is_empty())
}
