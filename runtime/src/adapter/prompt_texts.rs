//! Searches the texts of a prompt: an end token or marker that stands there may be a value's own in the reply.

use std::{
    cell::{Cell, OnceCell},
    collections::HashSet,
};

use serde_json::Value;

use super::{Inputs, Task, end_tokens, marker, names::narrowed};
use crate::field::name;

/// The texts of a call's prompt: instructions, fields with their types, demos, inputs. They are searched only if a reply contains
/// an end token or a foreign marker.
pub(super) struct PromptTexts<'a> {
    task: Task<'a>,
    inputs: Inputs<'a>,
    /// End tokens as bit sets: those searched for, and those found.
    tokens: Cell<(u64, u64)>,
    /// Names of all markers in the prompt.
    markers: OnceCell<HashSet<String>>,
}

impl<'a> PromptTexts<'a> {
    pub(super) fn of(task: &Task<'a>, inputs: &Inputs<'a>) -> Self {
        Self { task: *task, inputs: *inputs, tokens: Cell::default(), markers: OnceCell::new() }
    }

    /// True if the prompt contains the end token of this index.
    pub(super) fn has_token(&self, index: usize) -> bool {
        let bit = 1 << index;
        let (mut known, mut there) = self.tokens.get();
        if known & bit == 0 {
            known |= bit;
            let mut is_there = false;
            self.each(&mut |text| {
                is_there = is_there || end_tokens::TOKENS.get(index).is_some_and(|token| text.contains(token))
            });
            there |= if is_there { bit } else { 0 };
            self.tokens.set((known, there));
        }
        there & bit != 0
    }

    /// True if the prompt contains a marker of this name, in any form.
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

    /// Calls `take` with each text.
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
