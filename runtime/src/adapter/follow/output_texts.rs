//! Collects the streamed values of an answer whose fields stand one below the other: each ends where the next one begins.

use super::{Followed, TextBuffer, Trimmer};
use crate::adapter::{TaskField, end_tokens::EndTokenFilter, prompt_texts::PromptTexts};

/// Texts of the output fields so far. A field's value starts with its first text that is not blank; of two values of a field, the
/// first wins.
pub(super) struct OutputTexts<'a> {
    fields: Vec<TaskField<'a>>,
    texts: Vec<OutputText>,
    /// Index of the field to which the text belongs.
    open: Option<usize>,
    shown: PromptTexts<'a>,
    /// Removes end tokens from the open field's text.
    filter: EndTokenFilter,
}

/// Text of one output field.
#[derive(Clone, Default)]
struct OutputText {
    /// The emitted text, while the value is open.
    emitted: TextBuffer,
    trimmer: Trimmer,
    has_started: bool,
}

impl<'a> OutputTexts<'a> {
    pub(super) fn new(fields: Vec<TaskField<'a>>, shown: PromptTexts<'a>) -> Self {
        Self {
            texts: vec![OutputText::default(); fields.len()],
            fields,
            open: None,
            shown,
            filter: EndTokenFilter::default(),
        }
    }

    /// The texts of the prompt.
    pub(super) fn shown(&self) -> &PromptTexts<'a> {
        &self.shown
    }

    /// True if the text belongs to a field.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Opens a field's value, or a text of no field. A field that has a value already is passed over, and so is all text behind the
    /// reply's end.
    pub(super) fn open(&mut self, index: Option<usize>) {
        if self.filter.is_over() {
            return;
        }
        let field = index.and_then(|index| self.fields.get(index));
        self.filter = EndTokenFilter::new(field.is_some_and(|field| !field.takes_any_text()));
        let is_new = |index: &usize| self.texts.get(*index).is_some_and(|text| !text.has_started);
        self.open = index.filter(is_new);
    }

    /// Takes more of the open field's text.
    pub(super) fn push(&mut self, text: &str, emit: &mut dyn FnMut(Followed<'_>)) {
        let open = self.open.and_then(|index| Some((index, self.texts.get_mut(index)?)));
        match open {
            Some((index, open)) => {
                self.filter.push(text, &self.shown, &mut |text| open.push(index, text, emit));
            }
            None => self.filter.push(text, &self.shown, &mut |_| {}),
        }
    }

    /// Ends the open value, if it has started; `is_last` if the reply ends with it.
    pub(super) fn close(&mut self, is_last: bool, emit: &mut dyn FnMut(Followed<'_>)) {
        let Some(index) = self.open.take() else { return };
        if let Some(open) = self.texts.get_mut(index) {
            let has_text = open.has_started;
            self.filter.end(is_last, has_text, &self.shown, &mut |text| open.push(index, text, emit));
        }
        if let (Some(field), Some(text)) = (self.fields.get(index), self.texts.get_mut(index)) {
            if text.has_started {
                emit(Followed::Ended(field.value_of_text(&text.emitted.take())));
            }
        }
    }
}

impl OutputText {
    fn push(&mut self, index: usize, text: &str, emit: &mut dyn FnMut(Followed<'_>)) {
        let Self { emitted, trimmer, has_started } = self;
        trimmer.push(text, &mut |text| {
            emitted.push(text);
            if !std::mem::replace(has_started, true) {
                emit(Followed::Started(index));
            }
            emit(Followed::Text(text));
        });
    }
}
