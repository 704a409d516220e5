//! The values of an answer whose fields stand one below the other: each goes on until the next one begins.

use super::{Followed, Growing, Trimmed};
use crate::adapter::TaskField;

/// The outputs' texts so far. A field is told once there is more of it than blanks; the first of two wins.
pub(super) struct Values<'a> {
    fields: Vec<TaskField<'a>>,
    texts: Vec<Text>,
    /// The field to which the text belongs.
    open: Option<usize>,
}

#[derive(Clone, Default)]
struct Text {
    /// What was told of it, as long as it goes on.
    told: Growing,
    trimmed: Trimmed,
    is_told: bool,
}

impl<'a> Values<'a> {
    pub(super) fn new(fields: Vec<TaskField<'a>>) -> Self {
        Self { texts: vec![Text::default(); fields.len()], fields, open: None }
    }

    /// Begins with a field, or with what belongs to none. One that was told before is passed over.
    pub(super) fn open(&mut self, index: Option<usize>) {
        let is_new = |index: &usize| self.texts.get(*index).is_some_and(|text| !text.is_told);
        self.open = index.filter(is_new);
    }

    /// Takes more of the open field's text.
    pub(super) fn push(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let Some(index) = self.open else { return };
        let Some(Text { told, trimmed, is_told }) = self.texts.get_mut(index) else { return };
        trimmed.push(text, &mut |text| {
            told.push(text);
            if !std::mem::replace(is_told, true) {
                tell(Followed::Started(index));
            }
            tell(Followed::Text(text));
        });
    }

    /// Ends the open value, if there is more of it than blanks.
    pub(super) fn close(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        let Some(index) = self.open.take() else { return };
        if let (Some(field), Some(text)) = (self.fields.get(index), self.texts.get_mut(index)) {
            if text.is_told {
                tell(Followed::Ended(field.value_of_text(&text.told.take())));
            }
        }
    }
}
