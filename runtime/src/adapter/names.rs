//! Resolves a marker's name to a field of the task.

use std::cell::OnceCell;

use super::{Task, marker::COMPLETED};
use crate::field::name;

/// Meaning of a marker's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    /// The output of this index.
    Output(usize),
    /// The input of this index; its marker ends an output's value.
    Input(usize),
    /// The end of the answer.
    Completed,
}

/// MarkerNames that markers may have in a reply to a task.
pub(super) struct MarkerNames<'a> {
    task: Task<'a>,
    /// The names in their usual width, made at the first use.
    known: OnceCell<Vec<(String, Meaning)>>,
}

impl<'a> MarkerNames<'a> {
    pub(super) fn of(task: &Task<'a>) -> Self {
        Self { task: *task, known: OnceCell::new() }
    }

    pub(super) fn task(&self) -> &Task<'a> {
        &self.task
    }

    fn find_exact(&self, name: &str) -> Option<Meaning> {
        let output = self.task.outputs().position(|field| field.answers_to(name));
        let input = || self.task.inputs().position(|field| field.name() == name);
        let end = || (name == COMPLETED).then_some(Meaning::Completed);
        output.map(Meaning::Output).or_else(|| input().map(Meaning::Input)).or_else(end)
    }

    /// Finds the meaning of a name: exactly as written, else in any width and any form of [`name`] if only one meaning fits.
    pub(super) fn find(&self, name: &str) -> Option<Meaning> {
        self.find_as_written(name).map(|(meaning, _)| meaning)
    }

    fn find_loose(&self, given: &str) -> Option<Meaning> {
        let known = self.known.get_or_init(|| {
            let outputs = self.task.outputs().enumerate();
            let outputs = outputs
                .flat_map(|(index, field)| field.names().map(move |name| (name, Meaning::Output(index))));
            let inputs =
                self.task.inputs().enumerate().map(|(index, field)| (field.name(), Meaning::Input(index)));
            let all = outputs.chain(inputs).chain([(COMPLETED, Meaning::Completed)]);
            all.map(|(known, meaning)| (narrowed(known), meaning)).collect()
        });
        name::find(known.iter().map(|(known, meaning)| (known.as_str(), *meaning)), &narrowed(given))
    }

    /// Like [`find`](Self::find); true if the name is written exactly.
    pub(super) fn find_as_written(&self, name: &str) -> Option<(Meaning, bool)> {
        let exact = self.find_exact(name).map(|meaning| (meaning, true));
        exact.or_else(|| Some((self.find_loose(name)?, false)))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// Converts a name to its usual width.
pub(super) fn narrowed(name: &str) -> String {
    name.chars().map(narrow).collect()
}

/// Converts a full-width character to its usual form.
pub(super) fn narrow(c: char) -> char {
    match c {
        '【' => '[',
        '】' => ']',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}
