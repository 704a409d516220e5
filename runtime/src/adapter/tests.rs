//! What the tests of the adapters share: tasks from JSON schemas.

use serde_json::Value;

use super::*;
use crate::{field::CompiledField, signature::Slot};

/// A task with the properties of a schema as its outputs.
fn layout(schema: &Value) -> Layout {
    let slot = |(name, property): (&String, &Value)| {
        let mut property = property.clone();
        property["$defs"] = schema["$defs"].clone();
        let field = Field::output::<Value>(name.clone().leak(), "");
        Slot {
            compiled: CompiledField::new(field).narrowed(property),
            own: None,
            description: None,
            prefix: None,
        }
    };
    let outputs = schema["properties"].as_object().unwrap().iter().map(slot).collect();
    Layout { signature: "Row", instructions: "Read.".into(), inputs: Vec::new(), outputs, history: None }
}

/// What a text is by a schema.
pub(super) fn read(adapter: &impl Adapter, schema: &Value, text: &str) -> Result<Value, String> {
    let layout = layout(schema);
    let task = Task { layout: &layout, instructions: "", demos: &[] };
    let inputs = Inputs { values: &[], history: None, extra: &[] };
    let found = adapter.read(&task, &inputs, text).map_err(|error| error.to_string())?;
    let fit = |(slot, found): (&Slot, Option<FieldValue>)| {
        let found = match (found, slot.compiled.target().get("default")) {
            (Some(found), _) => found,
            (None, Some(default)) => return Ok((slot.name().to_owned(), default.clone())),
            (None, None) => return Err(format!("`{}` is missing", slot.name())),
        };
        if slot.compiled.shape != crate::field::Shape::Json {
            return Ok((slot.name().to_owned(), found.value));
        }
        let fit = slot.compiled.fit(&found.value).map_err(|misfit| misfit.message)?;
        Ok((slot.name().to_owned(), fit.value))
    };
    layout.outputs.iter().zip(found).map(fit).collect::<Result<_, String>>().map(Value::Object)
}
