//! An answer that is told while it is written: the chunks of an event stream, put together.

use serde_json::Value;

use super::{
    Call,
    answer::{self, Answer, Choice, Message, Said, Tokens},
    body::Asked,
    sse::{Event, Events},
    status,
    tool_calls::{Added, ToolCalls},
    transport::{Opened, Reply},
};
use crate::{
    data::{Delta, DeltaPart, Response, Sink},
    grow::{STREAM_CAP, append},
    report::{Error, ErrorKind, Result},
};

/// How many bytes are looked at at once.
const PART: usize = 64 << 10;

/// How much of the stream's beginning is kept for messages.
const START: usize = 1 << 10;

/// How much of a text that comes without deltas has to come again to be known as that.
const KNOWN: usize = 8;

/// The event that ends the stream.
const DONE: &[u8] = b"[DONE]";

/// Reads an event stream to its end, telling each piece of a completion as it comes.
///
/// # Errors
/// As [`answer::read`]'s and the transport's; [`ErrorKind::Connect`] for a stream that ends before the answer does; what an event
/// says that is an error, if the answer never ends. All with the text so far.
pub(super) async fn read(
    call: &Call<'_>,
    mut opened: Opened,
    asked: Asked,
    sink: &mut Sink<'_>,
) -> Result<Response> {
    let mut building = Building { asked, reply: opened.head(), room: STREAM_CAP, ..Building::default() };
    answer::refuse_compressed(call, &building.reply)?;
    let mut events = Events::default();
    while !building.done {
        let chunk = opened.chunk(call).await;
        let Some(bytes) = chunk.map_err(|error| building.so_far(error))? else { break };
        building.note(bytes.as_ref());
        for bytes in bytes.as_ref().chunks(PART) {
            if events.held().saturating_add(bytes.len()) > building.room.max(2 * PART) {
                return Err(building.so_far(too_large(call)));
            }
            events.push(bytes);
            while let Some(event) = events.next() {
                building.take(call, &event, sink).map_err(|error| building.so_far(error))?;
            }
        }
    }
    // What is left of an event that the stream's end cut off is no event, and what it may say then is missing.
    if let Some(event) = events.rest() {
        match building.take(call, &event, sink) {
            Err(error) if error.kind() != ErrorKind::BadResponse => return Err(building.so_far(error)),
            Err(error) if !building.is_whole() => return Err(building.cut(call, Some(error))),
            _ => {}
        }
    }
    if let Some(error) = building.unanswered() {
        let error = status::inside(call, building.reply.status, error);
        return Err(building.so_far(error));
    }
    if !building.is_whole() {
        return Err(building.cut(call, None));
    }
    // Read to its very end, the connection can be used again.
    opened.end();
    let (reply, answer) = building.finish();
    answer::response(call, &reply, answer, asked)
}

/// What a choice says so far.
#[derive(Default)]
struct Told {
    text: String,
    reasoning: String,
    refusal: String,
    /// Those of an answer that was not asked for any.
    tool_calls: Value,
    calls: ToolCalls,
    /// The stream has told of it in deltas.
    in_deltas: bool,
}

impl Told {
    /// What a message adds. Beside deltas, or where it begins with all that was told, it is all so far, as Perplexity has it; else
    /// the last part, as some servers have it.
    fn news(&self, said: Said, has_delta: bool) -> Said {
        let least = if self.in_deltas { 1 } else { KNOWN };
        let news = |all: String, so_far: &str| match all.strip_prefix(so_far) {
            _ if so_far.is_empty() => all,
            Some(rest) if so_far.len() >= least => rest.to_owned(),
            _ if has_delta || all.trim() == so_far.trim() => String::new(),
            _ => all,
        };
        Said {
            text: news(said.text, &self.text),
            reasoning: said.reasoning.map(|all| news(all, &self.reasoning)),
            refusal: said.refusal.map(|all| news(all, &self.refusal)),
        }
    }
}

/// The answer so far.
#[derive(Default)]
struct Building {
    asked: Asked,
    reply: Reply,
    choices: Vec<Choice>,
    /// What the choices say.
    told: Vec<Told>,
    model: Value,
    usage: Tokens,
    /// The first event that is no part of an answer and says that something went wrong.
    error: Option<Value>,
    /// How much may yet come of texts.
    room: usize,
    done: bool,
    warned: bool,
}

impl Building {
    /// Keeps the stream's beginning, for messages.
    fn note(&mut self, bytes: &[u8]) {
        let room = START.saturating_sub(self.reply.body.len());
        self.reply.body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Takes one event.
    fn take(&mut self, call: &Call<'_>, event: &Event, sink: &mut Sink<'_>) -> Result<()> {
        let Event { data, is_error } = event;
        let event = data.trim_ascii();
        if event == DONE {
            self.done = true;
        }
        if self.done || event.is_empty() {
            return Ok(());
        }
        let chunk = match answer::json::<Answer>(call, &self.reply, event) {
            Ok(chunk) => chunk,
            // No part of an answer, if it is JSON and has no choices.
            Err(error) => match serde_json::from_slice::<Value>(event) {
                Ok(other) if !other["choices"].is_array() => {
                    self.usage = self.usage.most(Tokens::of(&other["usage"]));
                    self.note_error(other, *is_error);
                    return Ok(());
                }
                _ => return Err(error),
            },
        };
        self.usage = self.usage.most(chunk.usage).most(chunk.x_groq);
        if let Some(error) = chunk.error(call, self.reply.status, event) {
            return Err(error);
        }
        if !chunk.model.is_null() {
            self.model = chunk.model;
        }
        let choices = chunk.choices.unwrap_or_default();
        if *is_error || (choices.is_empty() && chunk.usage.is_nothing()) {
            self.note_error(serde_json::from_slice(event).unwrap_or_default(), *is_error);
        }
        for (at, choice) in choices.into_iter().enumerate() {
            self.add(call, at, choice, sink)?;
        }
        Ok(())
    }

    /// Keeps an event that is an error if no answer comes.
    fn note_error(&mut self, event: Value, is_named_so: bool) {
        if self.error.is_none() && (is_named_so || status::is_error(&event)) {
            self.error = Some(event);
        }
    }

    /// The error that stands for the answer's end, where that never came.
    fn unanswered(&self) -> Option<&Value> {
        let is_finished = |choice: &Choice| choice.finish_reason().is_some();
        let has_ended = !self.choices.is_empty() && self.choices.iter().all(is_finished);
        self.error.as_ref().filter(|_| !has_ended)
    }

    /// Adds to a choice. `at`: its place in the event, for one without an index.
    fn add(&mut self, call: &Call<'_>, at: usize, piece: Choice, sink: &mut Sink<'_>) -> Result<()> {
        let index = piece.position().map_or(at, |index| usize::try_from(index).unwrap_or(usize::MAX));
        if index >= self.asked.completions {
            if !std::mem::replace(&mut self.warned, true) {
                tracing::warn!(
                    model = &*call.client.name,
                    asked = self.asked.completions,
                    "the answer has more choices than asked for"
                );
            }
            return Ok(());
        }
        while self.choices.len() <= index {
            let index = self.choices.len().into();
            self.choices.push(Choice { index, ..Choice::default() });
            self.told.push(Told::default());
        }
        let (Some(choice), Some(told)) = (self.choices.get_mut(index), self.told.get_mut(index)) else {
            return Ok(());
        };
        if piece.finish_reason().is_some() {
            choice.finish_reason = piece.finish_reason;
        }
        choice.usage = choice.usage.most(piece.usage);
        let (mut delta, mut message) = (piece.delta, piece.message);
        // A whole message that comes after deltas says the same again.
        if told.in_deltas && delta.is_none() && !told.calls.is_empty() {
            message.iter_mut().for_each(|message| message.tool_calls = Value::Null);
        }
        let mut calls = Value::Null;
        for part in [&mut delta, &mut message].into_iter().flatten().filter(|part| part.calls_a_tool()) {
            match self.asked.tools {
                false => told.tool_calls = part.tool_calls.take(),
                true if calls.is_null() => calls = part.tool_calls.take(),
                true => {}
            }
        }
        let has_delta = delta.is_some();
        told.in_deltas |= has_delta;
        let said = delta.map(Message::said).filter(|said| !said.is_nothing());
        let said = said.or_else(|| Some(told.news(message?.said(), has_delta)));
        let Said { text, reasoning, refusal } = said.unwrap_or_default();
        // What is there and this text are held at once, and no more than may be.
        let room = &mut self.room;
        let mut add = |text: &mut String, more: &str| -> Result<()> {
            let most = text.len().saturating_add(*room);
            *room = room.checked_sub(more.len()).ok_or_else(|| too_large(call))?;
            append(text, more, most);
            Ok(())
        };
        if !text.is_empty() {
            add(&mut told.text, &text)?;
            sink(Delta::text(index, &text));
        }
        if let Some(reasoning) = reasoning.filter(|text| !text.is_empty()) {
            add(&mut told.reasoning, &reasoning)?;
            sink(Delta::reasoning(index, &reasoning));
        }
        if let Some(refusal) = refusal {
            add(&mut told.refusal, &refusal)?;
        }
        for piece in calls.as_array().into_iter().flatten() {
            let room = &mut self.room;
            let take = |bytes: usize| {
                *room = room.checked_sub(bytes).ok_or_else(|| too_large(call))?;
                Ok::<_, Error>(())
            };
            told.calls.add(piece, take, |Added { call, name, arguments }| {
                if let Some(name) = name {
                    sink(Delta::new(index, DeltaPart::ToolName(call), name));
                }
                if !arguments.is_empty() {
                    sink(Delta::new(index, DeltaPart::ToolArguments(call), arguments));
                }
            })?;
        }
        Ok(())
    }

    /// True if the answer is all there: the stream said so, or every choice is finished.
    fn is_whole(&self) -> bool {
        let finished = |choice: &Choice| choice.finish_reason().is_some();
        self.done
            || (self.choices.len() >= self.asked.completions.min(1) && self.choices.iter().all(finished))
    }

    fn cut(&mut self, call: &Call<'_>, source: Option<Error>) -> Error {
        let message =
            "the stream ended before the answer did: no end mark came. This may pass: try again later";
        let error = call.error(ErrorKind::Connect, message).with_status(self.reply.status);
        self.so_far(source.into_iter().fold(error, Error::with_source))
    }

    /// The error with the first completion's text so far, and with what it cost.
    fn so_far(&mut self, error: Error) -> Error {
        let each = self.choices.iter().map(|choice| choice.usage);
        let tokens = if self.usage.is_nothing() { each.fold(self.usage, Tokens::beside) } else { self.usage };
        let error = tokens.paid(error);
        let text =
            self.told.first_mut().map(|told| std::mem::take(&mut told.text)).filter(|text| !text.is_empty());
        text.into_iter().fold(error, Error::with_completion)
    }

    fn finish(mut self) -> (Reply, Answer) {
        for (choice, told) in self.choices.iter_mut().zip(self.told) {
            choice.message = Some(Message {
                content: told.text.into(),
                reasoning: told.reasoning.into(),
                refusal: told.refusal.into(),
                tool_calls: if told.calls.is_empty() { told.tool_calls } else { told.calls.into_json() },
                ..Message::default()
            });
        }
        let answer =
            Answer { choices: Some(self.choices), model: self.model, usage: self.usage, ..Answer::default() };
        (self.reply, answer)
    }
}

fn too_large(call: &Call<'_>) -> Error {
    let message = format!("the answer is larger than {} MiB: lower `max_tokens`", STREAM_CAP >> 20);
    call.error(ErrorKind::TooLarge, message)
}
