//! Emits the events of a predictor's run while its answer streams: what is certain of the first completion at once, and the
//! rest when the whole answer has been read. The order and the words do not depend on the provider's chunks.

use std::{borrow::Cow, sync::Arc};

use karat_lm::{
    Completion, Delta, DeltaPart, Error, ErrorKind,
    internal::{STREAM_CAP, append},
};
use serde_json::Value;

use super::{
    engine::{CheckedValue, check_value},
    pieces::Pieces,
    predictor::Predictor,
    reasoning::Reader,
    splitter::Splitter,
};
use crate::{
    adapter::{Follow, Followed, text_of},
    signature::Slot,
    stream::{Listener, Progress, Update},
};

/// The most bytes of a word that are held until its end.
const LONGEST: usize = 16;

/// Emits the events of one run.
pub(super) struct Live<'a> {
    events: FieldEvents<'a>,
    arriving: Option<Arriving<'a>>,
}

/// The completion that is arriving.
struct Arriving<'a> {
    /// How many bytes of it were read.
    read: usize,
    /// The text that was not. A word is held until the first letter of the next one, which shows that it is whole, so that no
    /// letter is read on its own.
    unread: String,
    /// The text so far ends with a blank.
    is_blank: bool,
    /// How many bytes came of the reasoning that the provider sends apart.
    apart: usize,
    /// The reasoning in its text that was emitted.
    thoughts: String,
    splitter: Splitter,
    /// `None` where nothing is certain before the end.
    follow: Option<Box<dyn Follow + 'a>>,
}

impl<'a> Live<'a> {
    /// `None` if the predictor has no listener.
    pub(super) fn of(predictor: &'a Predictor) -> Option<Self> {
        FieldEvents::of(predictor).map(|events| Self { events, arriving: None })
    }

    /// Begins with an answer in this adapter's form.
    pub(super) fn begin(&mut self, reader: &Reader<'a>) {
        self.arriving = Some(Arriving {
            read: 0,
            unread: String::new(),
            is_blank: false,
            apart: 0,
            thoughts: String::new(),
            splitter: Splitter::new(reader.tags()),
            follow: reader.adapter.follow(&reader.task, &reader.inputs),
        });
    }

    /// Takes a delta. Of several completions the first one counts.
    pub(super) fn take(&mut self, delta: Delta<'_>) {
        let Some(arriving) = self.arriving.as_mut().filter(|_| delta.completion == 0) else { return };
        match delta.part {
            DeltaPart::Text => arriving.push(delta.text, &mut self.events),
            DeltaPart::Reasoning => {
                arriving.apart += delta.text.len();
                self.events.emit_reasoning(delta.text);
            }
            _ => {}
        }
    }

    /// Takes the text that the completion has beyond its deltas.
    pub(super) fn catch_up(&mut self, completion: &Completion) {
        let Some(arriving) = &mut self.arriving else { return };
        let apart = completion.reasoning.as_deref().and_then(|whole| whole.get(arriving.apart..));
        if let Some(rest) = apart {
            self.events.emit_reasoning(rest);
        }
        // A completion that does not begin with its deltas shows in `end`: its values differ and are emitted anew.
        let rest = completion.text.get(arriving.read..);
        if let Some(rest) = rest.and_then(|rest| rest.strip_prefix(arriving.unread.as_str())) {
            arriving.push(rest, &mut self.events);
        }
    }

    /// Emits the rest of an answer that was read: its values in the order of the output fields, and the reasoning in its text.
    pub(super) fn end(&mut self, values: &[Option<Value>], reasoning: Option<&str>) {
        let mut rest = None;
        if let Some(mut arriving) = self.arriving.take() {
            arriving.end(&mut self.events);
            let reasoning = reasoning.filter(|_| arriving.splitter.is_lost());
            rest = reasoning.map(|reasoning| (reasoning, reasoning.strip_prefix(arriving.thoughts.as_str())));
        }
        if !self.events.agrees_with(values) || matches!(rest, Some((_, None))) {
            let message = "the whole answer reads differently than it did while it was streamed";
            self.events.discard(Error::new(ErrorKind::Parse, message));
            rest = rest.map(|(reasoning, _)| (reasoning, Some(reasoning)));
        }
        if let Some((_, Some(rest))) = rest {
            self.events.emit_reasoning(rest);
        }
        self.events.emit_rest(values);
    }

    /// Discards what was emitted, if anything was: the answer cannot be read and is asked for again.
    pub(super) fn discard(&mut self, error: &Error) {
        self.arriving = None;
        self.events.discard(error.clone());
    }

    /// Adds the values that were whole to the error.
    pub(super) fn explain(&mut self, error: Error) -> Error {
        if let Some(arriving) = &mut self.arriving {
            arriving.read(&mut self.events);
            // The values may be those of a draft.
            if arriving.splitter.is_lost() {
                return error;
            }
        }
        error.with_outputs(self.events.finished())
    }
}

impl Arriving<'_> {
    fn push(&mut self, text: &str, events: &mut FieldEvents<'_>) {
        let begins_word = self.is_blank && !text.starts_with(char::is_whitespace);
        if !text.is_empty() {
            self.is_blank = text.ends_with(char::is_whitespace);
        }
        self.unread.push_str(text);
        if begins_word || self.unread.len() >= LONGEST || text.trim().contains(char::is_whitespace) {
            self.read(events);
        }
    }

    /// Reads the text that is held.
    fn read(&mut self, events: &mut FieldEvents<'_>) {
        if !self.unread.is_empty() {
            let (follow, thoughts) = (&mut self.follow, &mut self.thoughts);
            self.splitter.push(&self.unread, &mut |part, text| pass(follow, thoughts, events, part, text));
            self.read += self.unread.len();
            self.unread.clear();
        }
    }

    fn end(&mut self, events: &mut FieldEvents<'_>) {
        self.read(events);
        let (follow, thoughts) = (&mut self.follow, &mut self.thoughts);
        self.splitter.end(&mut |part, text| pass(follow, thoughts, events, part, text));
        if let Some(follow) = follow.as_mut().filter(|_| !self.splitter.is_lost()) {
            follow.end(&mut |followed| events.emit_followed(followed));
        }
    }
}

fn pass(
    follow: &mut Option<Box<dyn Follow + '_>>,
    thoughts: &mut String,
    events: &mut FieldEvents<'_>,
    part: DeltaPart,
    text: &str,
) {
    match (part, follow) {
        (DeltaPart::Reasoning, _) => {
            append(thoughts, text, STREAM_CAP);
            events.emit_reasoning(text);
        }
        (DeltaPart::Text, Some(follow)) => follow.push(text, &mut |followed| events.emit_followed(followed)),
        _ => {}
    }
}

/// Emits the events of the output fields, and keeps which events each field had.
pub(super) struct FieldEvents<'a> {
    emitter: Emitter<'a>,
    slots: &'a [Slot],
    emitted: Vec<Emitted>,
    /// The field whose value is being written.
    open: Option<OpenValue>,
    thoughts: Pieces,
}

/// Sends the events of one run to its listener.
struct Emitter<'a> {
    listener: &'a Listener,
    predictor: Arc<str>,
    rollout: Option<u64>,
    /// True if it has sent anything that would have to be discarded.
    has_emitted: bool,
}

/// A value that is being written.
struct OpenValue {
    index: usize,
    /// The text that came of it.
    text: String,
    /// The words that it is cut into.
    pieces: Pieces,
}

/// The last event of a field.
#[derive(Clone)]
enum Emitted {
    Nothing,
    Started,
    Finished(Value),
}

impl<'a> FieldEvents<'a> {
    /// `None` if the predictor has no listener.
    pub(super) fn of(predictor: &'a Predictor) -> Option<Self> {
        let emitter = Emitter {
            listener: predictor.listener()?,
            predictor: predictor.path(),
            rollout: predictor.run.rollout_id,
            has_emitted: false,
        };
        let slots = &predictor.state.layout.outputs;
        Some(Self {
            emitter,
            slots,
            emitted: vec![Emitted::Nothing; slots.len()],
            open: None,
            thoughts: Pieces::default(),
        })
    }

    /// Emits more of the reasoning.
    pub(super) fn emit_reasoning(&mut self, text: &str) {
        self.thoughts.push(text, |text| self.emitter.emit(Update::Reasoning { text }));
    }

    /// Emits what the adapter's [`Follow`] has found in the answer.
    pub(super) fn emit_followed(&mut self, followed: Followed<'_>) {
        match followed {
            Followed::Started(index) => self.start(index),
            Followed::Text(text) => self.write(text),
            Followed::Ended(value) => {
                let Some(index) = self.close() else { return };
                let Some(slot) = self.slots.get(index) else { return };
                // A value that does not fit ends the run as an error, once the answer is whole.
                match check_value(slot, Some(value)) {
                    Ok(CheckedValue { value: Some(value), violations, .. }) if violations.is_empty() => {
                        self.finish(index, value);
                    }
                    _ => {}
                }
            }
        }
    }

    /// True if all emitted events agree with the final values, which are in the order of the fields.
    pub(super) fn agrees_with(&self, values: &[Option<Value>]) -> bool {
        let goes_on = |index: usize, value: &Value| {
            let open = self.open.as_ref().filter(|open| open.index == index);
            open.is_some_and(|open| value.as_str().is_some_and(|text| text.starts_with(open.text.as_str())))
        };
        self.emitted.iter().zip(values).enumerate().all(|(index, (emitted, value))| match (emitted, value) {
            (Emitted::Nothing, _) | (Emitted::Started, None) => true,
            // The rest of a text that was not followed to its end.
            (Emitted::Started, Some(value)) => goes_on(index, value),
            (Emitted::Finished(whole), value) => value.as_ref() == Some(whole),
        })
    }

    /// Emits the rest of the open value, and the values of which nothing was emitted.
    pub(super) fn emit_rest(&mut self, values: &[Option<Value>]) {
        self.end_thoughts();
        let open = self.open.as_ref().map(|open| (open.index, open.text.len()));
        let open = open.and_then(|(index, length)| Some((index, length, values.get(index)?.as_ref()?)));
        if let Some((index, length, value)) = open {
            self.write(text_of(value).get(length..).unwrap_or_default());
            self.close();
            self.finish(index, value.clone());
        }
        for (index, value) in values.iter().enumerate() {
            if let (Some(Emitted::Nothing), Some(value)) = (self.emitted.get(index), value) {
                self.start(index);
                self.write(&text_of(value));
                self.close();
                self.finish(index, value.clone());
            }
        }
    }

    /// Discards what was emitted, if anything was.
    pub(super) fn discard(&mut self, error: Error) {
        self.emitted.fill(Emitted::Nothing);
        (self.open, self.thoughts) = (None, Pieces::default());
        if self.emitter.has_emitted {
            self.emitter.emit(Update::Discarded { error });
            self.emitter.has_emitted = false;
        }
    }

    /// The values that were whole, by name.
    pub(super) fn finished(&self) -> Vec<(Cow<'static, str>, Value)> {
        let finished = |(slot, emitted): (&Slot, &Emitted)| match emitted {
            Emitted::Finished(value) => Some((slot.owned_name(), value.clone())),
            Emitted::Nothing | Emitted::Started => None,
        };
        self.slots.iter().zip(&self.emitted).filter_map(finished).collect()
    }

    fn start(&mut self, index: usize) {
        self.close();
        self.end_thoughts();
        if let (Some(emitted @ Emitted::Nothing), Some(slot)) =
            (self.emitted.get_mut(index), self.slots.get(index))
        {
            *emitted = Emitted::Started;
            self.open = Some(OpenValue { index, text: String::new(), pieces: Pieces::default() });
            self.emitter.emit(Update::Started { field: slot.owned_name() });
        }
    }

    fn write(&mut self, text: &str) {
        let Some(open) = &mut self.open else { return };
        append(&mut open.text, text, STREAM_CAP);
        if let Some(slot) = self.slots.get(open.index) {
            open.pieces
                .push(text, |text| self.emitter.emit(Update::Delta { field: slot.owned_name(), text }));
        }
    }

    /// Emits the last word of the open value; returns its field's index.
    fn close(&mut self) -> Option<usize> {
        let OpenValue { index, mut pieces, .. } = self.open.take()?;
        let slot = self.slots.get(index)?;
        pieces.end(|text| self.emitter.emit(Update::Delta { field: slot.owned_name(), text }));
        Some(index)
    }

    fn finish(&mut self, index: usize, value: Value) {
        if let (Some(emitted), Some(slot)) = (self.emitted.get_mut(index), self.slots.get(index)) {
            *emitted = Emitted::Finished(value.clone());
            self.emitter.emit(Update::Finished { field: slot.owned_name(), value });
        }
    }

    fn end_thoughts(&mut self) {
        self.thoughts.end(|text| self.emitter.emit(Update::Reasoning { text }));
    }
}

impl Emitter<'_> {
    fn emit(&mut self, update: Update) {
        self.has_emitted = true;
        self.listener.send(Progress::new(self.predictor.clone(), self.rollout, update));
    }
}
