//! What a listener is told of a predictor's run, in an order and in words that do not depend on how the answer came.

use std::sync::Arc;

use serde_json::Value;

use super::{engine::settled, pieces::Pieces, predictor::Predictor};
use crate::{
    adapter::{Followed, text_of},
    error::Error,
    signature::Slot,
    stream::{Listener, Progress, Update},
};

/// Tells a listener, and remembers what was told of the fields.
pub(super) struct Teller<'a> {
    listener: &'a Listener,
    predictor: Arc<str>,
    rollout: Option<u64>,
    slots: &'a [Slot],
    told: Vec<Told>,
    /// The field whose value is being written, and what waits for its next word.
    open: Option<(usize, Pieces)>,
    thoughts: Pieces,
    /// Whether the listener has heard anything that would have to be taken back.
    has_spoken: bool,
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
        let listener = predictor.listener()?;
        let slots = &predictor.state.layout.outputs;
        Some(Self {
            listener,
            predictor: predictor.path(),
            rollout: predictor.run.rollout_id,
            slots,
            told: vec![Told::Nothing; slots.len()],
            open: None,
            thoughts: Pieces::default(),
            has_spoken: false,
        })
    }

    /// Takes more of the reasoning.
    pub(super) fn think(&mut self, text: &str) {
        let mut words = Vec::new();
        self.thoughts.push(text, |text| words.push(text));
        for text in words {
            self.tell(Update::Reasoning { text });
        }
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
                if let Ok((Some(value), _)) = settled(slot, Some(value)) {
                    self.finish(index, value);
                }
            }
        }
    }

    /// True if nothing was told that these values, in the order of the fields, do not bear out.
    pub(super) fn agrees_with(&self, values: &[Option<Value>]) -> bool {
        self.told.iter().zip(values).all(|(told, value)| match told {
            Told::Nothing => true,
            Told::Started => value.is_none(),
            Told::Finished(told) => value.as_ref() == Some(told),
        })
    }

    /// Tells the values of which nothing was told.
    pub(super) fn tell_rest(&mut self, values: &[Option<Value>]) {
        self.end_thoughts();
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
        if self.has_spoken {
            self.tell(Update::Discarded { error });
            self.has_spoken = false;
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
            self.open = Some((index, Pieces::default()));
            self.tell(Update::Started { field: slot.name() });
        }
    }

    fn write(&mut self, text: &str) {
        let Some((index, mut pieces)) = self.open.take() else { return };
        if let Some(slot) = self.slots.get(index) {
            pieces.push(text, |text| self.tell(Update::Delta { field: slot.name(), text }));
        }
        self.open = Some((index, pieces));
    }

    /// Tells the last word of the open value; which one that was.
    fn close(&mut self) -> Option<usize> {
        let (index, mut pieces) = self.open.take()?;
        let slot = self.slots.get(index)?;
        pieces.end(|text| self.tell(Update::Delta { field: slot.name(), text }));
        Some(index)
    }

    fn finish(&mut self, index: usize, value: Value) {
        if let (Some(told), Some(slot)) = (self.told.get_mut(index), self.slots.get(index)) {
            *told = Told::Finished(value.clone());
            self.tell(Update::Finished { field: slot.name(), value });
        }
    }

    fn end_thoughts(&mut self) {
        let mut last = None;
        self.thoughts.end(|text| last = Some(text));
        if let Some(text) = last {
            self.tell(Update::Reasoning { text });
        }
    }

    fn tell(&mut self, update: Update) {
        self.has_spoken = true;
        self.listener.tell(Progress::new(self.predictor.clone(), self.rollout, update));
    }
}
