//! Worked examples.

use std::{borrow::Cow, sync::Arc};

use serde_json::{Map, Value};

use crate::{field::FieldRole, signature::Layout};

/// A worked example: one value per field, in prompt order; `None` where it does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demo {
    /// The names of the fields, inputs first: another predictor may have others, or these in another order.
    pub(crate) names: Arc<[Cow<'static, str>]>,
    pub(crate) inputs: Vec<Option<Value>>,
    pub(crate) outputs: Vec<Option<Value>>,
    /// What came with it under other names, such as the `augmented` of DSPy's optimizers, and earlier turns: saved and never
    /// shown.
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

    /// The values by field name, in the order of the layout; the others keep theirs, so that a file stays as it is.
    pub(crate) fn of(layout: &Layout, mut values: Map<String, Value>) -> Self {
        let mut take = |role| layout.shown(role).map(|slot| values.shift_remove(slot.name())).collect();
        let (inputs, outputs) = (take(FieldRole::Input), take(FieldRole::Output));
        Self { names: layout.names(), inputs, outputs, other: values }
    }

    /// The example with its values at the fields of this layout, whatever predictor it comes from.
    pub(crate) fn fitted(self, layout: &Layout) -> Self {
        if self.names == layout.names() { self } else { Self::of(layout, self.values()) }
    }

    /// The values by field name, others that came with it last; what it does not say is left out.
    pub(crate) fn values(&self) -> Map<String, Value> {
        let own = self.names.iter().zip(self.inputs.iter().chain(&self.outputs));
        let own = own.filter_map(|(name, value)| Some((name.clone().into_owned(), value.clone()?)));
        own.chain(self.other.clone()).collect()
    }
}
