//! An answer that is told while it is written: the chunks of an event stream, put together.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Call,
    answer::{self, Answer, Choice, Message, Tokens, content},
    sse::Events,
    status,
    transport::{Opened, Reply},
};
use crate::{
    error::{Error, ErrorKind, Result},
    lm::{
        Delta, Response, Tell,
        draft::{Draft, append},
    },
};

/// The most bytes that are kept of an answer: its texts, and the event that has not ended.
const CAP: usize = 16 << 20;

/// How many bytes are looked at at once.
const PART: usize = 64 << 10;

/// How much of the stream's beginning is kept for messages.
const START: usize = 1 << 10;

/// The event that ends the stream.
const DONE: &[u8] = b"[DONE]";

/// One event. What servers write in several ways is kept as JSON.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Option<Vec<ChunkChoice>>,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    model: Value,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct ChunkChoice {
    #[serde(default)]
    index: Option<u64>,
    /// Some servers tell the last part, or all of it, as a message.
    #[serde(default, alias = "message")]
    delta: Option<Message>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    error: Value,
}

/// Reads an event stream to its end, telling each piece of a completion as it comes.
///
/// # Errors
/// As [`answer::read`]'s and the transport's; [`ErrorKind::Connect`] for a stream that ends before the answer does, with the
/// text so far.
pub(super) async fn read(
    call: &Call<'_>,
    mut opened: Opened,
    asked: usize,
    tell: &mut Tell<'_>,
) -> Result<Response> {
    let mut building = Building { asked, reply: opened.head(), room: CAP, ..Building::default() };
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
                building.take(call, &event, tell).map_err(|error| building.so_far(error))?;
            }
        }
    }
    // What is left of an event that the stream's end cut off is no event, and what it may say then is missing.
    if let Some(event) = events.rest() {
        match building.take(call, &event, tell) {
            Err(error) if error.kind() != ErrorKind::BadResponse => return Err(building.so_far(error)),
            Err(error) if !building.is_whole() => return Err(building.cut(call, Some(error))),
            _ => {}
        }
    }
    if !building.is_whole() {
        return Err(building.cut(call, None));
    }
    // Read to its very end, the connection can be used again.
    opened.end();
    let (reply, answer) = building.finish();
    answer::response(call, &reply, answer, asked)
}

/// The answer so far.
#[derive(Default)]
struct Building {
    asked: usize,
    reply: Reply,
    choices: Vec<Choice>,
    /// The choices' texts.
    drafts: Vec<Draft>,
    model: Value,
    usage: Option<Tokens>,
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
    fn take(&mut self, call: &Call<'_>, event: &[u8], tell: &mut Tell<'_>) -> Result<()> {
        let event = event.trim_ascii();
        if event == DONE {
            self.done = true;
        }
        if self.done || event.is_empty() {
            return Ok(());
        }
        let chunk: Chunk = answer::json(call, &self.reply, event)?;
        if !chunk.error.is_null() {
            return Err(status::inside(call, self.reply.status, &chunk.error));
        }
        if !chunk.model.is_null() {
            self.model = chunk.model;
        }
        self.usage = chunk.usage.or(self.usage);
        for choice in chunk.choices.into_iter().flatten() {
            if !choice.error.is_null() {
                return Err(status::inside(call, self.reply.status, &choice.error));
            }
            self.add(call, choice, tell)?;
        }
        Ok(())
    }

    /// Adds to a choice.
    fn add(&mut self, call: &Call<'_>, piece: ChunkChoice, tell: &mut Tell<'_>) -> Result<()> {
        let index = piece.index.and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
        if index >= self.asked {
            if !std::mem::replace(&mut self.warned, true) {
                tracing::warn!(
                    model = &*call.client.name,
                    asked = self.asked,
                    "the answer has more choices than asked for"
                );
            }
            return Ok(());
        }
        while self.choices.len() <= index {
            let index = u64::try_from(self.choices.len()).ok();
            self.choices.push(Choice { index, message: Some(Message::default()), ..Choice::default() });
            self.drafts.push(Draft::default());
        }
        let (Some(choice), Some(draft)) = (self.choices.get_mut(index), self.drafts.get(index)) else {
            return Ok(());
        };
        if piece.finish_reason.as_deref().is_some_and(|reason| !reason.is_empty()) {
            choice.finish_reason = piece.finish_reason;
        }
        let (Some(delta), Some(message)) = (piece.delta, &mut choice.message) else {
            return Ok(());
        };
        // What is there and this text are held at once, and no more than may be.
        let room = &mut self.room;
        let mut take = |text: &str| -> Result<usize> {
            let before = *room;
            *room = before.checked_sub(text.len()).ok_or_else(|| too_large(call))?;
            Ok(before)
        };
        let (text, refusal) = content(&delta.content);
        if !text.is_empty() {
            draft.push(&text, take(&text)?);
            tell(Delta::of_draft(index, &text, draft));
        }
        let reasoning = delta.reasoning_content.or(delta.reasoning).filter(|text| !text.is_empty());
        if let Some(reasoning) = reasoning {
            append(message.reasoning.get_or_insert_default(), &reasoning, take(&reasoning)?);
            tell(Delta::reasoning(index, &reasoning));
        }
        if let Some(refusal) = delta.refusal.or(refusal) {
            append(message.refusal.get_or_insert_default(), &refusal, take(&refusal)?);
        }
        if delta.tool_calls.is_array() {
            message.tool_calls = delta.tool_calls;
        }
        Ok(())
    }

    /// True if the answer is all there: the stream said so, or every choice is finished.
    fn is_whole(&self) -> bool {
        let finished = |choice: &Choice| choice.finish_reason.is_some();
        self.done || (self.choices.len() >= self.asked.min(1) && self.choices.iter().all(finished))
    }

    fn cut(&self, call: &Call<'_>, source: Option<Error>) -> Error {
        let message =
            "the stream ended before the answer did: no end mark came. This may pass: try again later";
        let error = call.error(ErrorKind::Connect, message).with_status(self.reply.status);
        self.so_far(source.into_iter().fold(error, Error::with_source))
    }

    /// The error with the first completion's text so far.
    fn so_far(&self, error: Error) -> Error {
        let text = self.drafts.first().map(Draft::take).filter(|text| !text.is_empty());
        text.into_iter().fold(error, Error::with_completion)
    }

    fn finish(mut self) -> (Reply, Answer) {
        for (choice, draft) in self.choices.iter_mut().zip(self.drafts) {
            let text = Some(draft.finish()).filter(|text| !text.is_empty());
            if let (Some(message), Some(text)) = (&mut choice.message, text) {
                message.content = Value::String(text);
            }
        }
        let answer =
            Answer { choices: Some(self.choices), error: Value::Null, model: self.model, usage: self.usage };
        (self.reply, answer)
    }
}

fn too_large(call: &Call<'_>) -> Error {
    let message = format!("the answer is larger than {} MiB: lower `max_tokens`", CAP >> 20);
    call.error(ErrorKind::TooLarge, message)
}
