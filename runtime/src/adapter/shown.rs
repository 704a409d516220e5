//! What a prompt shows beside its form: what stands there is the task's own, wherever a reply has it too.

use std::{
    cell::{Cell, OnceCell},
    collections::HashSet,
};

use serde_json::Value;

use super::{Inputs, Task, ends, marker, names::narrowed};
use crate::field::name;

/// The texts of a call's prompt: instructions, fields with their types, demos, inputs. They are looked at only where a reply has
/// what no answer should have.
pub(super) struct Shown<'a> {
    task: Task<'a>,
    inputs: Inputs<'a>,
    /// Of the end tokens, those that were looked for, and those that are there.
    tokens: Cell<(u64, u64)>,
    /// The names of all that looks like a marker.
    markers: OnceCell<HashSet<String>>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(task: &Task<'a>, inputs: &Inputs<'a>) -> Self {
        Self { task: *task, inputs: *inputs, tokens: Cell::default(), markers: OnceCell::new() }
    }

    /// True if the end token of this index stands in the prompt.
    pub(super) fn has_token(&self, index: usize) -> bool {
        let bit = 1 << index;
        let (mut known, mut there) = self.tokens.get();
        if known & bit == 0 {
            known |= bit;
            let mut is_there = false;
            self.each(&mut |text| {
                is_there = is_there || ends::TOKENS.get(index).is_some_and(|token| text.contains(token))
            });
            there |= if is_there { bit } else { 0 };
            self.tokens.set((known, there));
        }
        there & bit != 0
    }

    /// True if a marker of this name stands in the prompt, in whatever form.
    pub(super) fn has_marker(&self, name: &str) -> bool {
        let normal = |name: &str| name::normal(&narrowed(name));
        let markers = self.markers.get_or_init(|| {
            let mut markers = HashSet::new();
            self.each(&mut |text| {
                markers.extend(marker::find_like(text).into_iter().map(|(name, _)| normal(name)));
            });
            markers
        });
        markers.contains(&normal(name))
    }

    /// Gives each text.
    fn each(&self, take: &mut dyn FnMut(&str)) {
        take(self.task.instructions);
        for field in self.task.inputs().chain(self.task.outputs()) {
            [field.description(), field.type_text(), field.rules_text()].into_iter().for_each(&mut *take);
        }
        for (field, _) in self.inputs.extra {
            take(field.description());
        }
        let demos = self.task.demos.iter().flat_map(|demo| demo.inputs.iter().chain(&demo.outputs)).flatten();
        let inputs = self.inputs.values.iter().flatten();
        let mut open: Vec<&Value> =
            demos.chain(inputs).chain(self.inputs.extra.iter().map(|(_, value)| value)).collect();
        while let Some(value) = open.pop() {
            match value {
                Value::String(text) => take(text),
                Value::Array(items) => open.extend(items),
                Value::Object(map) => {
                    map.keys().for_each(|key| take(key));
                    open.extend(map.values());
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
    }
}
