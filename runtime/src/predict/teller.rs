//! What a listener is told of a predictor's run, in an order and in words that do not depend on how the answer came.

use std::sync::Arc;

use serde_json::Value;

use super::{
    engine::{Settled, settled},
    mark::Mark,
    pieces::Pieces,
    predictor::Predictor,
};
use crate::{
    adapter::{Followed, text_of},
    error::Error,
    signature::Slot,
    stream::{Listener, Progress, Update},
};

/// Tells a listener, and remembers what was told of the fields.
pub(super) struct Teller<'a> {
    voice: Voice<'a>,
    slots: &'a [Slot],
    told: Vec<Told>,
    /// The field whose value is being written.
    open: Option<Open>,
    thoughts: Pieces,
}

/// Who is told, and of what run.
struct Voice<'a> {
    listener: &'a Listener,
    predictor: Arc<str>,
    rollout: Option<u64>,
    /// Whether the listener has heard anything that would have to be taken back.
    has_spoken: bool,
}

/// A value that is being written.
struct Open {
    index: usize,
    /// How far it was told.
    told: Mark,
    /// What waits for its next word.
    pieces: Pieces,
}

/// What was told of a field.
#[derive(Clone)]
enum Told {
    Nothing,
    Started,
    Finished(Value),
}

impl<'a> Teller<'a> {
    /// `None` where nobody listens.
    pub(super) fn of(predictor: &'a Predictor) -> Option<Self> {
        let voice = Voice {
            listener: predictor.listener()?,
            predictor: predictor.path(),
            rollout: predictor.run.rollout_id,
            has_spoken: false,
        };
        let slots = &predictor.state.layout.outputs;
        Some(Self {
            voice,
            slots,
            told: vec![Told::Nothing; slots.len()],
            open: None,
            thoughts: Pieces::default(),
        })
    }

    /// Takes more of the reasoning.
    pub(super) fn think(&mut self, text: &str) {
        self.thoughts.push(text, |text| self.voice.tell(Update::Reasoning { text }));
    }

    /// Takes what an adapter tells of the answer.
    pub(super) fn hear(&mut self, followed: Followed<'_>) {
        match followed {
            Followed::Started(index) => self.start(index),
            Followed::Text(text) => self.write(text),
            Followed::Ended(value) => {
                let Some(index) = self.close() else { return };
                let Some(slot) = self.slots.get(index) else { return };
                // A value that does not fit ends the run as an error, once the answer is whole.
                match settled(slot, Some(value)) {
                    Ok(Settled { value: Some(value), violations, .. }) if violations.is_empty() => {
                        self.finish(index, value);
                    }
                    _ => {}
                }
            }
        }
    }

    /// True if nothing was told that these values, in the order of the fields, do not bear out.
    pub(super) fn agrees_with(&self, values: &[Option<Value>]) -> bool {
        let goes_on = |index: usize, value: &Value| {
            let open = self.open.as_ref().filter(|open| open.index == index);
            open.is_some_and(|open| value.as_str().is_some_and(|text| open.told.behind(text).is_some()))
        };
        self.told.iter().zip(values).enumerate().all(|(index, (told, value))| match (told, value) {
            (Told::Nothing, _) | (Told::Started, None) => true,
            // The rest of a text that was not followed to its end.
            (Told::Started, Some(value)) => goes_on(index, value),
            (Told::Finished(told), value) => value.as_ref() == Some(told),
        })
    }

    /// Tells the rest of the open value, and the values of which nothing was told.
    pub(super) fn tell_rest(&mut self, values: &[Option<Value>]) {
        self.end_thoughts();
        let open = self.open.as_ref().map(|open| (open.index, open.told.length()));
        let open = open.and_then(|(index, told)| Some((index, told, values.get(index)?.as_ref()?)));
        if let Some((index, told, value)) = open {
            self.write(text_of(value).get(told..).unwrap_or_default());
            self.close();
            self.finish(index, value.clone());
        }
        for (index, value) in values.iter().enumerate() {
            if let (Some(Told::Nothing), Some(value)) = (self.told.get(index), value) {
                self.start(index);
                self.write(&text_of(value));
                self.close();
                self.finish(index, value.clone());
            }
        }
    }

    /// Takes back what was told, if anything was.
    pub(super) fn discard(&mut self, error: Error) {
        self.told.fill(Told::Nothing);
        (self.open, self.thoughts) = (None, Pieces::default());
        if self.voice.has_spoken {
            self.voice.tell(Update::Discarded { error });
            self.voice.has_spoken = false;
        }
    }

    /// The values that were whole, by name.
    pub(super) fn finished(&self) -> Vec<(&'static str, Value)> {
        let finished = |(slot, told): (&Slot, &Told)| match told {
            Told::Finished(value) => Some((slot.name(), value.clone())),
            Told::Nothing | Told::Started => None,
        };
        self.slots.iter().zip(&self.told).filter_map(finished).collect()
    }

    fn start(&mut self, index: usize) {
        self.close();
        self.end_thoughts();
        if let (Some(told @ Told::Nothing), Some(slot)) = (self.told.get_mut(index), self.slots.get(index)) {
            *told = Told::Started;
            self.open = Some(Open { index, told: Mark::default(), pieces: Pieces::default() });
            self.voice.tell(Update::Started { field: slot.name() });
        }
    }

    fn write(&mut self, text: &str) {
        let Some(open) = &mut self.open else { return };
        open.told.push(text);
        if let Some(slot) = self.slots.get(open.index) {
            let field = slot.name();
            open.pieces.push(text, |text| self.voice.tell(Update::Delta { field, text }));
        }
    }

    /// Tells the last word of the open value; which one that was.
    fn close(&mut self) -> Option<usize> {
        let Open { index, mut pieces, .. } = self.open.take()?;
        let slot = self.slots.get(index)?;
        pieces.end(|text| self.voice.tell(Update::Delta { field: slot.name(), text }));
        Some(index)
    }

    fn finish(&mut self, index: usize, value: Value) {
        if let (Some(told), Some(slot)) = (self.told.get_mut(index), self.slots.get(index)) {
            *told = Told::Finished(value.clone());
            self.voice.tell(Update::Finished { field: slot.name(), value });
        }
    }

    fn end_thoughts(&mut self) {
        self.thoughts.end(|text| self.voice.tell(Update::Reasoning { text }));
    }
}

impl Voice<'_> {
    fn tell(&mut self, update: Update) {
        self.has_spoken = true;
        self.listener.tell(Progress::new(self.predictor.clone(), self.rollout, update));
    }
}
