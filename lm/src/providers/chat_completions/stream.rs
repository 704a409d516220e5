//! Reads a streamed answer: puts the chunks of an event stream together.

use serde_json::Value;

use super::{
    Call,
    answer::{self, Answer, Choice, ChoiceMessage, MessageTexts, Tokens},
    body::Asked,
    status,
    tool_calls::{Added, ToolCalls},
};
use crate::{
    data::{Delta, DeltaPart, Response, Sink},
    grow::{STREAM_CAP, append},
    http::{
        sse::{Event, Events},
        transport::{HttpReply, Opened},
    },
    report::{Error, ErrorKind, Result},
};

/// How many bytes are processed at once.
const PART: usize = 64 << 10;

/// How much of the stream's beginning is kept for messages.
const START: usize = 1 << 10;

/// A message without deltas counts as a repetition of the text so far only if that has at least this many bytes.
const KNOWN: usize = 8;

/// The event that ends the stream.
const DONE: &[u8] = b"[DONE]";

/// Reads an event stream to its end, and sends each piece of a completion to the sink as it comes.
///
/// # Errors
/// As [`answer::read`]'s and the transport's; [`ErrorKind::Connect`] for a stream that ends before the answer does; the error of an
/// event, if the answer never ends. All have the text so far.
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
    // The rest of an event that the stream's end cut off is no event; then its content is missing.
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
    // A connection can only be used again if it was read to its very end.
    opened.end();
    let (reply, answer) = building.finish();
    answer::response(call, &reply, answer, asked)
}

/// A choice's texts and tool calls so far.
#[derive(Default)]
struct StreamedChoice {
    text: String,
    reasoning: String,
    refusal: String,
    /// Tool calls that were not asked for.
    tool_calls: Value,
    calls: ToolCalls,
    /// The stream has sent deltas of this choice.
    in_deltas: bool,
}

impl StreamedChoice {
    /// The new texts of a message. Beside deltas, or if it begins with the whole text so far, a message repeats that text, as
    /// Perplexity's do; otherwise it is the last part, as some servers send it.
    fn news(&self, said: MessageTexts, has_delta: bool) -> MessageTexts {
        let least = if self.in_deltas { 1 } else { KNOWN };
        let news = |all: String, so_far: &str| match all.strip_prefix(so_far) {
            _ if so_far.is_empty() => all,
            Some(rest) if so_far.len() >= least => rest.to_owned(),
            _ if has_delta || all.trim() == so_far.trim() => String::new(),
            _ => all,
        };
        MessageTexts {
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
    reply: HttpReply,
    choices: Vec<Choice>,
    /// The contents of the choices so far.
    streamed: Vec<StreamedChoice>,
    model: Value,
    usage: Tokens,
    /// The first event that is an error and no part of an answer.
    error: Option<Value>,
    /// How many more bytes of text may come.
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
            // JSON without choices is no part of an answer.
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

    /// Keeps an event that is an error, in case no answer comes.
    fn note_error(&mut self, event: Value, is_named_so: bool) {
        if self.error.is_none() && (is_named_so || status::is_error(&event)) {
            self.error = Some(event);
        }
    }

    /// The kept error, if the answer never ended.
    fn unanswered(&self) -> Option<&Value> {
        let is_finished = |choice: &Choice| choice.finish_reason().is_some();
        let has_ended = !self.choices.is_empty() && self.choices.iter().all(is_finished);
        self.error.as_ref().filter(|_| !has_ended)
    }

    /// Adds to a choice. `at`: its position in the event, for a choice without an index.
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
            self.streamed.push(StreamedChoice::default());
        }
        let (Some(choice), Some(streamed)) = (self.choices.get_mut(index), self.streamed.get_mut(index))
        else {
            return Ok(());
        };
        if piece.finish_reason().is_some() {
            choice.finish_reason = piece.finish_reason;
        }
        choice.usage = choice.usage.most(piece.usage);
        let (mut delta, mut message) = (piece.delta, piece.message);
        // A whole message after deltas repeats them.
        if streamed.in_deltas && delta.is_none() && !streamed.calls.is_empty() {
            message.iter_mut().for_each(|message| message.tool_calls = Value::Null);
        }
        let mut calls = Value::Null;
        for part in [&mut delta, &mut message].into_iter().flatten().filter(|part| part.calls_a_tool()) {
            match self.asked.tools {
                false => streamed.tool_calls = part.tool_calls.take(),
                true if calls.is_null() => calls = part.tool_calls.take(),
                true => {}
            }
        }
        let has_delta = delta.is_some();
        streamed.in_deltas |= has_delta;
        let said = delta.map(ChoiceMessage::said).filter(|said| !said.is_nothing());
        let said = said.or_else(|| Some(streamed.news(message?.said(), has_delta)));
        let MessageTexts { text, reasoning, refusal } = said.unwrap_or_default();
        // The text so far and the new one are held at once, within the cap.
        let room = &mut self.room;
        let mut add = |text: &mut String, more: &str| -> Result<()> {
            let most = text.len().saturating_add(*room);
            *room = room.checked_sub(more.len()).ok_or_else(|| too_large(call))?;
            append(text, more, most);
            Ok(())
        };
        if !text.is_empty() {
            add(&mut streamed.text, &text)?;
            sink(Delta::text(index, &text));
        }
        if let Some(reasoning) = reasoning.filter(|text| !text.is_empty()) {
            add(&mut streamed.reasoning, &reasoning)?;
            sink(Delta::reasoning(index, &reasoning));
        }
        if let Some(refusal) = refusal {
            add(&mut streamed.refusal, &refusal)?;
        }
        for piece in calls.as_array().into_iter().flatten() {
            let room = &mut self.room;
            let take = |bytes: usize| {
                *room = room.checked_sub(bytes).ok_or_else(|| too_large(call))?;
                Ok::<_, Error>(())
            };
            streamed.calls.add(piece, take, |Added { call, name, arguments }| {
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

    /// True if the answer is complete: the stream has ended, or every choice is finished.
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

    /// Adds the first completion's text so far and the cost to an error.
    fn so_far(&mut self, error: Error) -> Error {
        let each = self.choices.iter().map(|choice| choice.usage);
        let tokens = if self.usage.is_nothing() { each.fold(self.usage, Tokens::beside) } else { self.usage };
        let error = tokens.paid(error);
        let text = self
            .streamed
            .first_mut()
            .map(|streamed| std::mem::take(&mut streamed.text))
            .filter(|text| !text.is_empty());
        text.into_iter().fold(error, Error::with_completion)
    }

    fn finish(mut self) -> (HttpReply, Answer) {
        for (choice, streamed) in self.choices.iter_mut().zip(self.streamed) {
            choice.message = Some(ChoiceMessage {
                content: streamed.text.into(),
                reasoning: streamed.reasoning.into(),
                refusal: streamed.refusal.into(),
                tool_calls: if streamed.calls.is_empty() {
                    streamed.tool_calls
                } else {
                    streamed.calls.into_json()
                },
                ..ChoiceMessage::default()
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
