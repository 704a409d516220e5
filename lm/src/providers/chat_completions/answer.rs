//! Reads a successful reply, tolerating what servers leave out; returns a typed error if it holds no answer.

mod message;
mod tokens;

use std::borrow::Cow;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

pub(super) use self::{
    message::{ChoiceMessage, MessageTexts},
    tokens::Tokens,
};
use super::{Call, body::Asked, status, surrogates, tool_calls::ToolCalls};
use crate::{
    data::{Completion, Finish, Part, Response, ToolCall},
    http::transport::HttpReply,
    report::{Error, ErrorKind, Result},
};

/// The fields of an answer, or of an event of one, that are read. Fields that servers write in several ways are kept as JSON.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) error: Value,
    pub(super) model: Value,
    pub(super) usage: Tokens,
    /// The place of the usage in Groq's streams.
    pub(super) x_groq: Tokens,
}

impl Answer {
    /// The answer's tokens: as a whole, else summed by choice, as Moonshot reports them.
    pub(super) fn tokens(&self) -> Tokens {
        let whole = self.usage.most(self.x_groq);
        let choices = || self.choices.iter().flatten().map(|choice| choice.usage);
        if whole.is_nothing() { choices().fold(whole, Tokens::beside) } else { whole }
    }

    /// The error inside the answer, if there is one. `text`: the whole answer, which may have details beside the error.
    pub(super) fn error(&self, call: &Call<'_>, status: u16, text: &[u8]) -> Option<Error> {
        if is_error(&self.error) && !self.error.is_object() {
            let body: Value = serde_json::from_slice(text).unwrap_or_default();
            return Some(status::inside(call, status, &body));
        }
        let choices = self.choices.iter().flatten().map(|choice| &choice.error);
        let error = std::iter::once(&self.error).chain(choices).find(|error| is_error(error))?;
        Some(status::inside(call, status, error))
    }
}

/// False for the values by which servers say that there is no error.
fn is_error(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Object(parts) => !parts.is_empty(),
        _ => true,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    pub(super) index: Value,
    #[serde(deserialize_with = "message::of_any_type")]
    pub(super) message: Option<ChoiceMessage>,
    /// A stream's addition; some servers have it in whole answers too, or both.
    #[serde(deserialize_with = "message::of_any_type")]
    pub(super) delta: Option<ChoiceMessage>,
    pub(super) finish_reason: Value,
    pub(super) error: Value,
    pub(super) usage: Tokens,
}

impl Choice {
    /// Its index, if it has one.
    pub(super) fn position(&self) -> Option<u64> {
        match &self.index {
            Value::Number(number) => {
                // `as` keeps a whole number that is not negative, or saturates.
                let whole = || number.as_f64().filter(|index| *index >= 0.0 && index.fract() == 0.0);
                number.as_u64().or_else(|| whole().map(|index| index as u64))
            }
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The finish reason, if there is one.
    pub(super) fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_str().filter(|reason| !reason.is_empty())
    }
}

/// Reads a reply to a request for `asked` completions.
///
/// # Errors
/// [`ErrorKind::BadResponse`] with the status, the content type and the start of the body; [`ErrorKind::Filtered`] if the
/// filter held back every completion; the error inside the body.
pub(super) fn read(call: &Call<'_>, reply: &HttpReply, asked: Asked) -> Result<Response> {
    let answer = parse(call, reply)?;
    if let Some(error) = answer.error(call, reply.status, &reply.body) {
        return Err(answer.tokens().paid(error));
    }
    if answer.choices.as_ref().is_none_or(Vec::is_empty) {
        // A body that is itself an error, as in older vLLM.
        let body = serde_json::from_slice(&reply.body).unwrap_or_default();
        if status::is_error(&body) {
            return Err(answer.tokens().paid(status::inside(call, reply.status, &body)));
        }
    }
    response(call, reply, answer, asked)
}

/// Converts an answer to a response, whether it came whole or streamed.
///
/// # Errors
/// As [`read`]'s.
pub(super) fn response(call: &Call<'_>, reply: &HttpReply, answer: Answer, asked: Asked) -> Result<Response> {
    let tokens = answer.tokens();
    let completions = completions(call, reply, answer.choices, asked);
    Ok(Response {
        completions: completions.map_err(|error| tokens.paid(error))?,
        usage: tokens.usage(),
        model: match answer.model {
            Value::String(model) => Some(model),
            _ => None,
        },
        rate_limit: None,
    })
}

fn completions(
    call: &Call<'_>,
    reply: &HttpReply,
    choices: Option<Vec<Choice>>,
    asked: Asked,
) -> Result<Vec<Completion>> {
    let bad = |what: &str| bad_response(call, reply, what);
    let choices = choices.filter(|choices| !choices.is_empty()).ok_or_else(|| bad("has no choices"))?;
    let choices = in_order(call, choices, asked.completions);
    let mut calls_a_tool = false;
    let mut completions = Vec::with_capacity(choices.len());
    for choice in choices {
        let both = [choice.message, choice.delta];
        let calls = both.iter().flatten().find(|message| message.calls_a_tool());
        calls_a_tool |= calls.is_some();
        let calls = calls.filter(|_| asked.tools).map(|message| ToolCalls::read(&message.tool_calls));
        let said = both.into_iter().flatten().map(ChoiceMessage::said).find(|said| !said.is_nothing());
        completions.push(completion(
            said.unwrap_or_default(),
            calls.unwrap_or_default(),
            choice.finish_reason,
        ));
    }
    if let Some(broken) = completions.iter().find(|completion| completion.finish.is_broken()) {
        return Err(broken_off(call, reply, broken));
    }
    if completions.iter().all(|completion| completion.finish == Finish::ContentFilter) {
        let text = completions.into_iter().map(|completion| completion.text).find(|text| !text.is_empty());
        let message =
            "the provider's content filter held the answer back: change the input, or ask another model";
        let error = call.error(ErrorKind::Filtered, message).with_status(reply.status);
        return Err(text.into_iter().fold(error, Error::with_completion));
    }
    // One empty completion among others is no reason to lose those.
    completions.retain(says_something);
    match (completions.is_empty(), calls_a_tool) {
        (true, true) => Err(bad("calls a tool where text was asked for")),
        (true, false) => Err(bad("is empty: no choice has content, reasoning or a refusal")),
        (false, _) => Ok(completions),
    }
}

fn parse(call: &Call<'_>, reply: &HttpReply) -> Result<Answer> {
    let bad = |what: &str| bad_response(call, reply, what);
    if reply.body.trim_ascii().is_empty() {
        return Err(bad("has an empty body"));
    }
    refuse_compressed(call, reply)?;
    if !is_json(&header(reply, &CONTENT_TYPE)) {
        return Err(bad("is not JSON by its content type"));
    }
    json(call, reply, &reply.body).map_err(|error| {
        // Its error and its cost may be readable all the same.
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let typed = status::inside(call, reply.status, &body);
        let error = if typed.kind() == ErrorKind::BadResponse { error } else { typed };
        Tokens::of(&body["usage"]).paid(error)
    })
}

/// Refuses compressed answers: nothing is ever unpacked, so that no small answer can become a large one.
///
/// # Errors
/// [`ErrorKind::BadResponse`].
pub(super) fn refuse_compressed(call: &Call<'_>, reply: &HttpReply) -> Result<()> {
    match &*header(reply, &CONTENT_ENCODING) {
        "" => Ok(()),
        identity if identity.eq_ignore_ascii_case("identity") => Ok(()),
        other => {
            let what = format!("is compressed ({other}), which was not asked for");
            Err(bad_response(call, reply, &what))
        }
    }
}

/// The JSON that a reply, or an event of it, holds.
///
/// # Errors
/// [`ErrorKind::BadResponse`].
pub(super) fn json<T: DeserializeOwned>(call: &Call<'_>, reply: &HttpReply, bytes: &[u8]) -> Result<T> {
    let bad = |what: &str| bad_response(call, reply, what);
    let text = std::str::from_utf8(bytes).map_err(|error| bad(&format!("is not UTF-8 ({error})")))?;
    let error = match serde_json::from_str(text) {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    // Only now, since it costs a pass over the text.
    if let Cow::Owned(mended) = surrogates::mend(text) {
        if let Ok(answer) = serde_json::from_str(&mended) {
            tracing::warn!(
                model = &*call.client.name,
                "the answer has half characters (lone surrogates), read as U+FFFD"
            );
            return Ok(answer);
        }
    }
    Err(bad(&format!("cannot be read ({error})")))
}

/// Sorts choices by index (or by arrival where there is none); drops duplicates after the first, and those not asked for.
fn in_order(call: &Call<'_>, mut choices: Vec<Choice>, asked: usize) -> Vec<Choice> {
    let given = choices.len();
    for (at, choice) in (0..).zip(&mut choices) {
        choice.index = choice.position().unwrap_or(at).into();
    }
    choices.sort_by_key(Choice::position);
    choices.dedup_by_key(|choice| choice.position());
    choices.truncate(asked);
    if choices.len() < given {
        let used = choices.len();
        tracing::warn!(
            model = &*call.client.name,
            given,
            used,
            "the answer has choices twice, or more than asked for"
        );
    }
    choices
}

fn completion(said: MessageTexts, calls: Vec<ToolCall>, finish_reason: Value) -> Completion {
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let finish = match Finish::from(finish_reason.as_str().unwrap_or_default()) {
        // Ollama's finish reason of tool calls.
        Finish::Stop if !calls.is_empty() => Finish::ToolCalls,
        finish => finish,
    };
    let mut parts: Vec<_> = calls.into_iter().map(Part::from).collect();
    if !parts.is_empty() && !said.text.is_empty() {
        parts.insert(0, said.text.as_str().into());
    }
    Completion {
        text: said.text,
        finish,
        parts,
        refusal: filled(said.refusal),
        reasoning: filled(said.reasoning),
    }
}

/// The error of a completion that the server broke off, with its text so far.
fn broken_off(call: &Call<'_>, reply: &HttpReply, completion: &Completion) -> Error {
    let reason = call.excerpt(completion.finish.as_str().as_bytes());
    let message = format!("the server broke the answer off ({reason}). This may pass: try again later");
    let error = call.error(ErrorKind::Server, message).with_status(reply.status);
    match completion.text.is_empty() {
        true => error,
        false => error.with_completion(completion.text.clone()),
    }
}

/// True if the completion holds anything. A truncated one may be empty: a model can spend all its tokens on hidden reasoning.
fn says_something(completion: &Completion) -> bool {
    !completion.text.trim().is_empty()
        || completion.refusal.is_some()
        || completion.reasoning.is_some()
        || !completion.parts.is_empty()
        || matches!(completion.finish, Finish::Length | Finish::ContentFilter)
}

fn header<'a>(reply: &'a HttpReply, name: &HeaderName) -> Cow<'a, str> {
    let value = reply.headers.get(name).map(|value| value.as_bytes().trim_ascii());
    value.map(String::from_utf8_lossy).unwrap_or_default()
}

/// True if the content type is that of an event stream.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let value = headers.get(CONTENT_TYPE).map(|value| value.as_bytes().trim_ascii_start());
    let start = value.and_then(|value| value.get(..EVENTS.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(EVENTS))
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().as_bytes();
    let suffix = media_type.len().checked_sub(b"+json".len()).and_then(|at| media_type.get(at..));
    media_type.eq_ignore_ascii_case(b"application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

fn bad_response(call: &Call<'_>, reply: &HttpReply, what: &str) -> Error {
    let content_type = match header(reply, &CONTENT_TYPE) {
        none if none.is_empty() => "no content type".to_owned(),
        given => format!("content type `{}`", call.excerpt(given.as_bytes())),
    };
    let what = call.excerpt(what.as_bytes());
    let start = match reply.body.trim_ascii() {
        [] => String::new(),
        body => format!("; it begins: {}", call.excerpt(body)),
    };
    let status = reply.status;
    call.error(
        ErrorKind::BadResponse,
        format_args!("the answer {what} (status {status}, {content_type}){start}"),
    )
    .with_status(status)
}

#[cfg(test)]
mod tests;
