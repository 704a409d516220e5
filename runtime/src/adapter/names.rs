//! Which field of the task a marker's name means.

use std::cell::OnceCell;

use super::{Task, marker::COMPLETED};
use crate::field::name;

/// What a name in a marker stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Own {
    /// The output of this index.
    Output(usize),
    /// An input, whose marker ends an output's value.
    Input(usize),
    /// The end of the answer.
    Completed,
}

/// The names that markers may have in a reply to a task.
pub(super) struct Names<'a> {
    task: Task<'a>,
    /// The names in their usual width, made when one is first needed.
    known: OnceCell<Vec<(String, Own)>>,
}

impl<'a> Names<'a> {
    pub(super) fn of(task: &Task<'a>) -> Self {
        Self { task: *task, known: OnceCell::new() }
    }

    pub(super) fn task(&self) -> &Task<'a> {
        &self.task
    }

    fn find_exact(&self, name: &str) -> Option<Own> {
        let output = self.task.outputs().position(|field| field.answers_to(name));
        let input = || self.task.inputs().position(|field| field.name() == name);
        let end = || (name == COMPLETED).then_some(Own::Completed);
        output.map(Own::Output).or_else(|| input().map(Own::Input)).or_else(end)
    }

    /// What the name stands for: as it is written; else in any width and in another form of [`name`], if that means one thing
    /// only.
    pub(super) fn find(&self, name: &str) -> Option<Own> {
        self.find_as_written(name).map(|(own, _)| own)
    }

    fn find_loose(&self, given: &str) -> Option<Own> {
        let known = self.known.get_or_init(|| {
            let outputs = self.task.outputs().enumerate();
            let outputs =
                outputs.flat_map(|(index, field)| field.names().map(move |name| (name, Own::Output(index))));
            let inputs =
                self.task.inputs().enumerate().map(|(index, field)| (field.name(), Own::Input(index)));
            let all = outputs.chain(inputs).chain([(COMPLETED, Own::Completed)]);
            all.map(|(known, own)| (narrowed(known), own)).collect()
        });
        name::find(known.iter().map(|(known, own)| (known.as_str(), *own)), &narrowed(given))
    }

    /// What the name stands for, as [`find`](Self::find) tells it, and whether it is written so.
    pub(super) fn find_as_written(&self, name: &str) -> Option<(Own, bool)> {
        let exact = self.find_exact(name).map(|own| (own, true));
        exact.or_else(|| Some((self.find_loose(name)?, false)))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// The name in its usual width.
pub(super) fn narrowed(name: &str) -> String {
    name.chars().map(narrow).collect()
}

/// A full-width character's usual form.
pub(super) fn narrow(c: char) -> char {
    match c {
        '【' => '[',
        '】' => ']',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}
