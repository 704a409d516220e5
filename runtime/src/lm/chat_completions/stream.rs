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
    lm::{Delta, Response, Tell},
};

/// The most bytes that are kept of an answer's texts, and of one event.
const CAP: usize = 16 << 20;

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
    let mut building = Building { asked, reply: opened.head(), ..Building::default() };
    answer::refuse_compressed(call, &building.reply)?;
    let mut events = Events::default();
    while !building.done {
        let chunk = opened.chunk(call).await;
        let Some(bytes) = chunk.map_err(|error| building.so_far(error))? else { break };
        let bytes = bytes.as_ref();
        building.note(bytes);
        if events.held().saturating_add(bytes.len()) > CAP {
            return Err(building.too_large(call));
        }
        events.push(bytes);
        for event in events.whole() {
            building.take(call, &event, tell).map_err(|error| building.so_far(error))?;
        }
        if building.bytes > CAP {
            return Err(building.too_large(call));
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
    model: Value,
    usage: Option<Tokens>,
    bytes: usize,
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
            self.add(call, choice, tell);
        }
        Ok(())
    }

    fn add(&mut self, call: &Call<'_>, piece: ChunkChoice, tell: &mut Tell<'_>) {
        let index = piece.index.and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
        if index >= self.asked {
            if !std::mem::replace(&mut self.warned, true) {
                tracing::warn!(
                    model = &*call.client.name,
                    asked = self.asked,
                    "the answer has more choices than asked for"
                );
            }
            return;
        }
        while self.choices.len() <= index {
            let index = u64::try_from(self.choices.len()).ok();
            self.choices.push(Choice { index, message: Some(Message::default()), ..Choice::default() });
        }
        let Some(choice) = self.choices.get_mut(index) else { return };
        if piece.finish_reason.as_deref().is_some_and(|reason| !reason.is_empty()) {
            choice.finish_reason = piece.finish_reason;
        }
        let (Some(delta), Some(message)) = (piece.delta, &mut choice.message) else { return };
        let (text, refusal) = content(&delta.content);
        self.bytes += text.len();
        if !text.is_empty() {
            tell(Delta::text(index, &text));
            append(&mut message.content, text.into_owned());
        }
        let reasoning = delta.reasoning_content.or(delta.reasoning).filter(|text| !text.is_empty());
        if let Some(reasoning) = reasoning {
            self.bytes += reasoning.len();
            tell(Delta::reasoning(index, &reasoning));
            *message.reasoning.get_or_insert_default() += &reasoning;
        }
        if let Some(refusal) = delta.refusal.or(refusal) {
            self.bytes += refusal.len();
            *message.refusal.get_or_insert_default() += &refusal;
        }
        if delta.tool_calls.is_array() {
            message.tool_calls = delta.tool_calls;
        }
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

    fn too_large(&self, call: &Call<'_>) -> Error {
        let message = format_args!("the answer is larger than {} MiB: lower `max_tokens`", CAP >> 20);
        self.so_far(call.error(ErrorKind::TooLarge, message))
    }

    /// The error with the first completion's text so far.
    fn so_far(&self, error: Error) -> Error {
        let message = self.choices.first().and_then(|choice| choice.message.as_ref());
        let text = message.and_then(|message| message.content.as_str()).filter(|text| !text.is_empty());
        text.into_iter().fold(error, Error::with_completion)
    }

    fn finish(self) -> (Reply, Answer) {
        let answer =
            Answer { choices: Some(self.choices), error: Value::Null, model: self.model, usage: self.usage };
        (self.reply, answer)
    }
}

fn append(content: &mut Value, more: String) {
    match content {
        Value::String(text) => text.push_str(&more),
        none => *none = Value::String(more),
    }
}
