//! A successful reply, read with patience for what servers leave out, and a typed error where nothing can be made of it.

mod tokens;

use std::borrow::Cow;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

pub(super) use self::tokens::Tokens;
use super::{Call, status, surrogates, transport::Reply};
use crate::{
    error::{Error, ErrorKind, Result},
    lm::{Completion, Finish, Response},
};

/// The parts of an answer that are read. What servers write in several ways is kept as JSON.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) error: Value,
    pub(super) model: Value,
    pub(super) usage: Option<Tokens>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    pub(super) index: Option<u64>,
    pub(super) message: Option<Message>,
    pub(super) finish_reason: Option<String>,
    pub(super) error: Value,
}

/// A choice's message, or what a stream adds to it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) content: Value,
    pub(super) refusal: Option<String>,
    /// DeepSeek's and older vLLM's name for it.
    pub(super) reasoning_content: Option<String>,
    /// OpenRouter's, Groq's and newer vLLM's.
    pub(super) reasoning: Option<String>,
    pub(super) tool_calls: Value,
}

/// Reads a reply to a request for `asked` completions.
///
/// # Errors
/// [`ErrorKind::BadResponse`] with the status, the content type and the start of the body; [`ErrorKind::Filtered`] if the
/// filter held back every completion; what an error inside the body says.
pub(super) fn read(call: &Call<'_>, reply: &Reply, asked: usize) -> Result<Response> {
    response(call, reply, parse(call, reply)?, asked)
}

/// What an answer says, however it came.
///
/// # Errors
/// As [`read`]'s.
pub(super) fn response(call: &Call<'_>, reply: &Reply, answer: Answer, asked: usize) -> Result<Response> {
    let bad = |what: &str| bad_response(call, reply, what);
    if !answer.error.is_null() {
        return Err(status::inside(call, reply.status, &answer.error));
    }
    let choices =
        answer.choices.filter(|choices| !choices.is_empty()).ok_or_else(|| bad("has no choices"))?;
    let choices = in_order(call, choices, asked);
    if let Some(choice) = choices.iter().find(|choice| !choice.error.is_null()) {
        return Err(status::inside(call, reply.status, &choice.error));
    }
    let mut calls_a_tool = false;
    let mut completions = Vec::with_capacity(choices.len());
    for choice in choices {
        let message = choice.message.unwrap_or_default();
        calls_a_tool |= message.tool_calls.as_array().is_some_and(|calls| !calls.is_empty());
        completions.push(completion(message, choice.finish_reason));
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
        (false, _) => Ok(Response {
            completions,
            usage: answer.usage.unwrap_or_default().usage(),
            model: match answer.model {
                Value::String(model) => Some(model),
                _ => None,
            },
            rate_limit: None,
        }),
    }
}

fn parse(call: &Call<'_>, reply: &Reply) -> Result<Answer> {
    let bad = |what: &str| bad_response(call, reply, what);
    if reply.body.trim_ascii().is_empty() {
        return Err(bad("has an empty body"));
    }
    refuse_compressed(call, reply)?;
    if !is_json(&header(reply, &CONTENT_TYPE)) {
        return Err(bad("is not JSON by its content type"));
    }
    json(call, reply, &reply.body)
}

/// Nothing is ever unpacked, so that no small answer can become a large one.
///
/// # Errors
/// [`ErrorKind::BadResponse`].
pub(super) fn refuse_compressed(call: &Call<'_>, reply: &Reply) -> Result<()> {
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
pub(super) fn json<T: DeserializeOwned>(call: &Call<'_>, reply: &Reply, bytes: &[u8]) -> Result<T> {
    let bad = |what: &str| bad_response(call, reply, what);
    let text = std::str::from_utf8(bytes).map_err(|error| bad(&format!("is not UTF-8 ({error})")))?;
    let error = match serde_json::from_str(text) {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    // Only now, for it costs a pass over the text.
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

/// In the order of their indices (or of arrival where there are none), the first of doubles, and no more than asked for.
fn in_order(call: &Call<'_>, mut choices: Vec<Choice>, asked: usize) -> Vec<Choice> {
    let given = choices.len();
    for (at, choice) in (0..).zip(&mut choices) {
        choice.index.get_or_insert(at);
    }
    choices.sort_by_key(|choice| choice.index);
    choices.dedup_by_key(|choice| choice.index);
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

fn completion(message: Message, finish_reason: Option<String>) -> Completion {
    let mut completion = Completion {
        finish: Finish::from(finish_reason.as_deref().unwrap_or_default()),
        ..Completion::default()
    };
    (completion.text, completion.refusal) = match message.content {
        Value::String(text) => (text, None),
        parts => {
            let (text, refusal) = content(&parts);
            (text.into_owned(), refusal)
        }
    };
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    completion.refusal = filled(message.refusal).or(completion.refusal);
    completion.reasoning = filled(message.reasoning_content).or_else(|| filled(message.reasoning));
    completion
}

/// A message's text, whole or in parts, and what is marked in it as a refusal.
pub(super) fn content(content: &Value) -> (Cow<'_, str>, Option<String>) {
    match content {
        Value::String(text) => (Cow::Borrowed(text), None),
        Value::Array(parts) => {
            let (mut all, mut refused) = (String::new(), None::<String>);
            for part in parts {
                // Parts of other kinds (pictures, thoughts) are no text of the answer.
                if matches!(part["type"].as_str(), None | Some("text" | "output_text")) {
                    all += part["text"].as_str().or(part.as_str()).unwrap_or_default();
                }
                if let Some(refusal) = part["refusal"].as_str() {
                    *refused.get_or_insert_default() += refusal;
                }
            }
            (Cow::Owned(all), refused)
        }
        _ => (Cow::Borrowed(""), None),
    }
}

/// The error of a completion that the server broke off, with its text so far.
fn broken_off(call: &Call<'_>, reply: &Reply, completion: &Completion) -> Error {
    let reason = call.excerpt(completion.finish.as_str().as_bytes());
    let message = format_args!("the server broke the answer off ({reason}). This may pass: try again later");
    let error = call.error(ErrorKind::Server, message).with_status(reply.status);
    match completion.text.is_empty() {
        true => error,
        false => error.with_completion(completion.text.clone()),
    }
}

/// A completion that was cut off may be empty: a model can spend all its tokens on thoughts that it does not show.
fn says_something(completion: &Completion) -> bool {
    !completion.text.trim().is_empty()
        || completion.refusal.is_some()
        || completion.reasoning.is_some()
        || matches!(completion.finish, Finish::Length | Finish::ContentFilter)
}

fn header<'a>(reply: &'a Reply, name: &HeaderName) -> Cow<'a, str> {
    let value = reply.headers.get(name).map(|value| value.as_bytes().trim_ascii());
    value.map(String::from_utf8_lossy).unwrap_or_default()
}

/// True if the reply is an event stream by its content type.
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

fn bad_response(call: &Call<'_>, reply: &Reply, what: &str) -> Error {
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
