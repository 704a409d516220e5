//! Worked examples.

use serde_json::{Map, Value};

use crate::signature::{Layout, Slot};

/// A worked example: one value per field, in prompt order; `None` where it does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demo {
    pub(crate) inputs: Vec<Option<Value>>,
    pub(crate) outputs: Vec<Option<Value>>,
    /// What came with it under other names, such as the `augmented` of DSPy's optimizers: saved and never shown.
    pub(crate) other: Map<String, Value>,
}

impl Demo {
    /// The input fields' values in the order of [`Task::inputs`](crate::Task::inputs).
    pub fn inputs(&self) -> &[Option<Value>] {
        &self.inputs
    }

    /// The output fields' values in the order of [`Task::outputs`](crate::Task::outputs).
    pub fn outputs(&self) -> &[Option<Value>] {
        &self.outputs
    }

    /// The values by field name, in the order of the layout; the others keep theirs, so that a file stays as it is.
    pub(crate) fn of(layout: &Layout, mut values: Map<String, Value>) -> Self {
        let mut take = |slots: &[Slot]| slots.iter().map(|slot| values.shift_remove(slot.name())).collect();
        let (inputs, outputs) = (take(&layout.inputs), take(&layout.outputs));
        Self { inputs, outputs, other: values }
    }

    pub(crate) fn dump(&self, layout: &Layout) -> Value {
        let pairs = |slots: &[Slot], values: &[Option<Value>]| -> Vec<(String, Value)> {
            let pairs = slots.iter().zip(values);
            pairs.filter_map(|(slot, value)| Some((slot.name().to_owned(), value.clone()?))).collect()
        };
        let own =
            pairs(&layout.inputs, &self.inputs).into_iter().chain(pairs(&layout.outputs, &self.outputs));
        Value::Object(own.chain(self.other.clone()).collect())
    }
}
