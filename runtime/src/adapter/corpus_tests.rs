//! Tests the rows of `tests/corpora` with field markers; `xml_tests.rs` has those with tags.

use serde_json::{Map, Value};

use super::{Adapter, ChatAdapter, Inputs, Task};
use crate::{
    field::{CompiledField, Field, Shape},
    signature::{Layout, Slot},
};

/// Reads a text by a schema, with the schema's defaults.
fn read(schema: &Value, text: &str) -> Result<Value, String> {
    let properties = schema["properties"].as_object().unwrap();
    let slot = |(name, property): (&String, &Value)| {
        let mut property = property.clone();
        property["$defs"] = schema["$defs"].clone();
        // What the schema does not require may be absent.
        let field =
            match schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name)) {
                true => Field::output::<Value>("", "").with_name(name.clone()),
                false => Field::output::<Option<Value>>("", "").with_name(name.clone()),
            };
        let compiled = CompiledField::new(field).narrowed(property);
        Slot { compiled, own: None, description: None, prefix: None }
    };
    let outputs = properties.iter().map(slot).collect();
    let layout =
        Layout { signature: "Row".into(), instructions: "Read.".into(), inputs: Vec::new(), outputs };
    let task = Task { layout: &layout, instructions: "", demos: &[] };
    let inputs = Inputs { slots: &[], values: &[], extra: &[] };
    let found = ChatAdapter.read(&task, &inputs, text).map_err(|error| error.to_string())?;
    let mut object = Map::new();
    for (slot, found) in layout.outputs.iter().zip(found) {
        let value = match found {
            None => properties[slot.name()].get("default").cloned().unwrap_or(Value::Null),
            Some(found) if slot.compiled.shape != Shape::Json => found.value,
            Some(found) => slot.compiled.fit(&found.value).map_err(|misfit| misfit.message)?.value,
        };
        object.insert(slot.name().to_owned(), value);
    }
    Ok(Value::Object(object))
}

#[test]
fn the_corpus_of_fields_below_markers_is_read_as_its_rows_expect() {
    let Some([rows]) = crate::repository::corpora(["dspy"]) else { return };
    let rows = rows.lines();
    let rows = rows.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut count = 0;
    for row in rows.filter(|row| row["kind"] == "markers" && row["note"] == "chat markers") {
        count += 1;
        assert_eq!(row["verdict"], "accept", "{row}");
        let found = read(&row["schema"], row["text"].as_str().unwrap()).unwrap();
        assert!(crate::json::tests_same(&found, &row["expect"]), "{}: {found}", row["id"]);
    }
    assert_eq!(count, 7);
}
