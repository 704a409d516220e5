//! Which field of the task a marker's name means.

use std::cell::OnceCell;

use super::{Task, marker::COMPLETED};

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
    /// The names in their loose form, made when one is first needed.
    loose: OnceCell<Vec<(String, Own)>>,
}

impl<'a> Names<'a> {
    pub(super) fn of(task: &Task<'a>) -> Self {
        Self { task: *task, loose: OnceCell::new() }
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

    /// What the name stands for: as it is written; else in any case, with blanks or hyphens for underscores, if that means one
    /// thing only.
    pub(super) fn find(&self, name: &str) -> Option<Own> {
        self.find_as_written(name).map(|(own, _)| own)
    }

    fn find_loose(&self, name: &str) -> Option<Own> {
        let name = loose(name);
        let known = self.loose.get_or_init(|| {
            let outputs = self.task.outputs().enumerate();
            let outputs =
                outputs.flat_map(|(index, field)| field.names().map(move |name| (name, Own::Output(index))));
            let inputs =
                self.task.inputs().enumerate().map(|(index, field)| (field.name(), Own::Input(index)));
            let all = outputs.chain(inputs).chain([(COMPLETED, Own::Completed)]);
            all.map(|(known, own)| (loose(known), own)).collect()
        });
        let mut all = known.iter().filter(|(known, _)| *known == name).map(|(_, own)| *own);
        let own = all.next()?;
        all.all(|other| other == own).then_some(own)
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

/// The name without regard to case, width, and what its words are joined with.
pub(super) fn loose(name: &str) -> String {
    let is_join = |c: char| c.is_whitespace() || c == '_' || c == '-';
    let words = name.split(is_join).filter(|word| !word.is_empty());
    let words = words.map(|word| word.chars().map(narrow).flat_map(char::to_lowercase).collect::<String>());
    words.collect::<Vec<_>>().join("_")
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
