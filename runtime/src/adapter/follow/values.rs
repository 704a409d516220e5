//! The values of an answer whose fields stand one below the other: each goes on until the next one begins.

use super::{Followed, Growing, Trimmed};
use crate::adapter::{TaskField, ends::Tail, shown::Shown};

/// The outputs' texts so far. A field is told once there is more of it than blanks; the first of two wins.
pub(super) struct Values<'a> {
    fields: Vec<TaskField<'a>>,
    texts: Vec<Text>,
    /// The field to which the text belongs.
    open: Option<usize>,
    shown: Shown<'a>,
    /// The end of the text since then.
    tail: Tail,
}

#[derive(Clone, Default)]
struct Text {
    /// What was told of it, as long as it goes on.
    told: Growing,
    trimmed: Trimmed,
    is_told: bool,
}

impl<'a> Values<'a> {
    pub(super) fn new(fields: Vec<TaskField<'a>>, shown: Shown<'a>) -> Self {
        Self { texts: vec![Text::default(); fields.len()], fields, open: None, shown, tail: Tail::default() }
    }

    /// What the prompt shows.
    pub(super) fn shown(&self) -> &Shown<'a> {
        &self.shown
    }

    /// True if the text belongs to a field.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Begins with a field, or with what belongs to none. One that was told before is passed over, and so is all behind the
    /// end of the reply.
    pub(super) fn open(&mut self, index: Option<usize>) {
        if self.tail.is_over() {
            return;
        }
        let field = index.and_then(|index| self.fields.get(index));
        self.tail = Tail::new(field.is_some_and(|field| !field.takes_any_text()));
        let is_new = |index: &usize| self.texts.get(*index).is_some_and(|text| !text.is_told);
        self.open = index.filter(is_new);
    }

    /// Takes more of the open field's text.
    pub(super) fn push(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let open = self.open.and_then(|index| Some((index, self.texts.get_mut(index)?)));
        match open {
            Some((index, open)) => {
                self.tail.push(text, &self.shown, &mut |text| open.push(index, text, tell));
            }
            None => self.tail.push(text, &self.shown, &mut |_| {}),
        }
    }

    /// Ends the open value, if there is more of it than blanks; `is_last` if the reply ends with it.
    pub(super) fn close(&mut self, is_last: bool, tell: &mut dyn FnMut(Followed<'_>)) {
        let Some(index) = self.open.take() else { return };
        if let Some(open) = self.texts.get_mut(index) {
            let has_text = open.is_told;
            self.tail.end(is_last, has_text, &self.shown, &mut |text| open.push(index, text, tell));
        }
        if let (Some(field), Some(text)) = (self.fields.get(index), self.texts.get_mut(index)) {
            if text.is_told {
                tell(Followed::Ended(field.value_of_text(&text.told.take())));
            }
        }
    }
}

impl Text {
    fn push(&mut self, index: usize, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let Self { told, trimmed, is_told } = self;
        trimmed.push(text, &mut |text| {
            told.push(text);
            if !std::mem::replace(is_told, true) {
                tell(Followed::Started(index));
            }
            tell(Followed::Text(text));
        });
    }
}
