//! Demos: worked examples of a task.

use std::{borrow::Cow, sync::Arc};

use serde_json::{Map, Value};

use crate::{field::FieldRole, signature::Layout};

/// A worked example: one value per field, in prompt order; `None` for a missing value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demo {
    /// Names of the fields, inputs first; another predictor may have other fields, or another order.
    pub(crate) names: Arc<[Cow<'static, str>]>,
    pub(crate) inputs: Vec<Option<Value>>,
    pub(crate) outputs: Vec<Option<Value>>,
    /// Values under other names, such as the `augmented` of DSPy's optimizers, and earlier turns: saved and never shown.
    pub(crate) other: Map<String, Value>,
}

impl Demo {
    /// The input fields' values in the order of [`Task::inputs`](crate::adapter::Task::inputs).
    pub fn inputs(&self) -> &[Option<Value>] {
        &self.inputs
    }

    /// The output fields' values in the order of [`Task::outputs`](crate::adapter::Task::outputs).
    pub fn outputs(&self) -> &[Option<Value>] {
        &self.outputs
    }

    /// Sorts values by field name into a layout's order. Other values keep their order, so that a file stays as it is.
    pub(crate) fn of(layout: &Layout, mut values: Map<String, Value>) -> Self {
        let mut take = |role| layout.shown(role).map(|slot| values.shift_remove(slot.name())).collect();
        let (inputs, outputs) = (take(FieldRole::Input), take(FieldRole::Output));
        Self { names: layout.names(), inputs, outputs, other: values }
    }

    /// Rearranges the values for the fields of this layout.
    pub(crate) fn fitted(self, layout: &Layout) -> Self {
        if self.names == layout.names() { self } else { Self::of(layout, self.values()) }
    }

    /// Returns the values by field name, the other values last; missing values are left out.
    pub(crate) fn values(&self) -> Map<String, Value> {
        let own = self.names.iter().zip(self.inputs.iter().chain(&self.outputs));
        let own = own.filter_map(|(name, value)| Some((name.clone().into_owned(), value.clone()?)));
        own.chain(self.other.clone()).collect()
    }
}
