//! A predictor's run told while it goes on: what its first completion says, as soon as it is certain, and in the end what was
//! read of it.

use serde_json::Value;

use super::{mark::Mark, predictor::Predictor, reasoning::Reader, splitter::Splitter, teller::Teller};
use crate::{
    adapter::Follow,
    error::{Error, ErrorKind},
    lm::{Completion, Delta, DeltaPart},
};

/// How many bytes of a word wait for its end.
const LONGEST: usize = 16;

/// Tells the listener of one run.
pub(super) struct Live<'a> {
    teller: Teller<'a>,
    reading: Option<Reading<'a>>,
}

/// One completion on its way.
struct Reading<'a> {
    /// How far it was read.
    read: Mark,
    /// What was not. A word that goes on waits, so that not each letter is looked at on its own; the first letter of the next
    /// one tells that it is whole.
    unread: String,
    /// The text so far ends with a blank.
    is_blank: bool,
    /// How much it told of the reasoning that it keeps apart.
    apart: usize,
    /// How far its own reasoning was told.
    thoughts: Mark,
    splitter: Splitter,
    /// `None` where nothing is certain before the end.
    follow: Option<Box<dyn Follow + 'a>>,
}

impl<'a> Live<'a> {
    /// `None` where nobody listens.
    pub(super) fn of(predictor: &'a Predictor) -> Option<Self> {
        Teller::of(predictor).map(|teller| Self { teller, reading: None })
    }

    /// Gets ready for an answer in this adapter's form.
    pub(super) fn begin(&mut self, reader: &Reader<'a>) {
        self.reading = Some(Reading {
            read: Mark::default(),
            unread: String::new(),
            is_blank: false,
            apart: 0,
            thoughts: Mark::default(),
            splitter: Splitter::new(reader.tags()),
            follow: reader.adapter.follow(&reader.task, &reader.inputs),
        });
    }

    /// Takes what the LM tells. Of several completions the first one counts.
    pub(super) fn take(&mut self, delta: Delta<'_>) {
        let Some(reading) = self.reading.as_mut().filter(|_| delta.completion == 0) else { return };
        match delta.part {
            DeltaPart::Text => reading.push(delta.text, &mut self.teller),
            DeltaPart::Reasoning => {
                reading.apart += delta.text.len();
                self.teller.think(delta.text);
            }
            DeltaPart::ToolName(_) | DeltaPart::ToolArguments(_) => {}
        }
    }

    /// Takes what the completion has beyond what the LM told of it.
    pub(super) fn catch_up(&mut self, completion: &Completion) {
        let Some(reading) = &mut self.reading else { return };
        let apart = completion.reasoning.as_deref().and_then(|whole| whole.get(reading.apart..));
        if let Some(rest) = apart {
            self.teller.think(rest);
        }
        // One that does not go on as it was told is told anew in the end.
        let mut told = reading.read;
        told.push(&reading.unread);
        if let Some(rest) = told.behind(&completion.text) {
            reading.push(rest, &mut self.teller);
        }
    }

    /// Tells the rest of an answer that was read as these values, which are in the order of the output fields, with this
    /// reasoning in its text.
    pub(super) fn end(&mut self, values: &[Option<Value>], reasoning: Option<&str>) {
        let mut rest = None;
        if let Some(mut reading) = self.reading.take() {
            reading.end(&mut self.teller);
            let reasoning = reasoning.filter(|_| reading.splitter.is_lost());
            rest = reasoning.map(|reasoning| (reasoning, reading.thoughts.behind(reasoning)));
        }
        if !self.teller.agrees_with(values) || matches!(rest, Some((_, None))) {
            let message = "the whole answer was read in another way than while it was written";
            self.teller.discard(Error::new(ErrorKind::Parse, message));
            rest = rest.map(|(reasoning, _)| (reasoning, Some(reasoning)));
        }
        if let Some((_, Some(rest))) = rest {
            self.teller.think(rest);
        }
        self.teller.tell_rest(values);
    }

    /// Takes back what was told, if anything was: the answer cannot be read and is asked for again.
    pub(super) fn discard(&mut self, error: &Error) {
        self.reading = None;
        self.teller.discard(error.clone());
    }

    /// The error with what was whole by then.
    pub(super) fn explain(&mut self, error: Error) -> Error {
        if let Some(reading) = &mut self.reading {
            reading.read(&mut self.teller);
            // What was told may be a draft.
            if reading.splitter.is_lost() {
                return error;
            }
        }
        error.with_outputs(self.teller.finished())
    }
}

impl Reading<'_> {
    fn push(&mut self, text: &str, teller: &mut Teller<'_>) {
        let begins_word = self.is_blank && !text.starts_with(char::is_whitespace);
        if !text.is_empty() {
            self.is_blank = text.ends_with(char::is_whitespace);
        }
        self.unread.push_str(text);
        if begins_word || self.unread.len() >= LONGEST || text.trim().contains(char::is_whitespace) {
            self.read(teller);
        }
    }

    /// Reads what is there.
    fn read(&mut self, teller: &mut Teller<'_>) {
        if !self.unread.is_empty() {
            let (follow, thoughts) = (&mut self.follow, &mut self.thoughts);
            self.splitter.push(&self.unread, &mut |part, text| pass(follow, thoughts, teller, part, text));
            self.read.push(&self.unread);
            self.unread.clear();
        }
    }

    fn end(&mut self, teller: &mut Teller<'_>) {
        self.read(teller);
        let (follow, thoughts) = (&mut self.follow, &mut self.thoughts);
        self.splitter.end(&mut |part, text| pass(follow, thoughts, teller, part, text));
        if let Some(follow) = follow.as_mut().filter(|_| !self.splitter.is_lost()) {
            follow.end(&mut |followed| teller.hear(followed));
        }
    }
}

fn pass(
    follow: &mut Option<Box<dyn Follow + '_>>,
    thoughts: &mut Mark,
    teller: &mut Teller<'_>,
    part: DeltaPart,
    text: &str,
) {
    match (part, follow) {
        (DeltaPart::Reasoning, _) => {
            thoughts.push(text);
            teller.think(text);
        }
        (DeltaPart::Text, Some(follow)) => follow.push(text, &mut |followed| teller.hear(followed)),
        (DeltaPart::Text, None) | (DeltaPart::ToolName(_) | DeltaPart::ToolArguments(_), _) => {}
    }
}
