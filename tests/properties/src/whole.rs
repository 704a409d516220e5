//! An adapter that reads the whole text as a value, to check the reading of values alone.

use std::sync::{Arc, Mutex, PoisonError};

use karat::{
    adapter::{Adapter, Demo, Inputs, Prepared, Task},
    field::FieldValue,
};

/// Reads the whole text as each field's value, and keeps what it read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whole {
    last: Arc<Mutex<Option<FieldValue>>>,
    without_reasoning: bool,
}

impl Whole {
    /// Reads the text behind the model's reasoning.
    pub(crate) fn without_reasoning() -> Self {
        Self { without_reasoning: true, ..Self::default() }
    }

    /// Takes the first field's last value.
    pub(crate) fn take(&self) -> Option<FieldValue> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Adapter for Whole {
    fn name(&self) -> &'static str {
        "whole"
    }

    fn prepare(&self, _: &Task<'_>) -> Prepared {
        Prepared::new([])
    }

    fn turn(&self, _: &Task<'_>, _: &Demo) -> [String; 2] {
        Default::default()
    }

    fn ask(&self, _: &Task<'_>, _: &Inputs<'_>) -> String {
        String::new()
    }

    fn read(&self, task: &Task<'_>, _: &Inputs<'_>, text: &str) -> karat::Result<Vec<Option<FieldValue>>> {
        let values: Vec<_> = task.outputs().map(|field| Some(field.value_of_text(text))).collect();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = values.first().cloned().flatten();
        Ok(values)
    }

    fn owns_tag(&self, _: &Task<'_>, _: &str) -> bool {
        !self.without_reasoning
    }
}
