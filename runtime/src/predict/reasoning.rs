//! Splits a reply into the model's reasoning and its answer.

use std::{borrow::Cow, ops::Range};

use karat_lm::{Error, Result};

use super::late_reasoning;
use crate::adapter::{
    Adapter, Inputs, Task,
    reasoning::{HARMONY, Kind, MOST_BLOCKS, Tag, Tags},
};

/// Reads the replies to one call.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) adapter: &'a dyn Adapter,
    pub(super) task: Task<'a>,
    pub(super) inputs: Inputs<'a>,
}

impl Reader<'_> {
    pub(super) fn tags(&self) -> Tags {
        Tags::except(|name| self.adapter.owns_tag(&self.task, name))
    }
}

/// A reply's reasoning and its answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split<'t> {
    pub(super) reasoning: Option<Cow<'t, str>>,
    pub(super) answer: &'t str,
}

/// Splits a model's text into its reasoning, mostly at the beginning, and the answer behind it. A tag that is a field's own is
/// a part of the answer.
///
/// # Errors
/// [`is_parse`](Error::is_parse): the reasoning does not end, or it could be a part of the answer.
pub(super) fn split<'t>(reader: &Reader<'_>, text: &'t str) -> Result<Split<'t>> {
    let none = Split { reasoning: None, answer: text };
    // Most replies have no tag of any maker; then it does not matter which are a field's.
    if Tags::ALL.find(text).is_empty() {
        return Ok(none);
    }
    let tags = reader.tags().find(text);
    if tags.is_empty() {
        return Ok(none);
    }
    let mut thoughts = Vec::new();
    let answer = read(reader, text, &tags, &mut thoughts).map_err(|error| error.with_completion(text))?;
    let has_any = !thoughts.is_empty();
    thoughts.retain(|thought| !thought.is_empty());
    let reasoning = match &thoughts[..] {
        [] => has_any.then_some(Cow::Borrowed("")),
        [one] => Some(Cow::Borrowed(*one)),
        _ => Some(Cow::Owned(thoughts.join(BETWEEN))),
    };
    Ok(Split { reasoning, answer })
}

/// Returns the answer in a text that has these tags, and adds the reasoning before it to `thoughts`.
pub(super) fn read<'t>(
    reader: &Reader<'_>,
    text: &'t str,
    tags: &[Tag],
    thoughts: &mut Vec<&'t str>,
) -> Result<&'t str> {
    let (mut at, mut rest) = (0, tags);
    // The blocks with which the text begins.
    let mut is_harmony = false;
    let mut blocks = 0;
    while let Some(first) = rest.first() {
        let blanks = text.get(at..first.span.start).unwrap_or_default();
        let is_end = first.kind == Kind::Close && first.maker == HARMONY;
        if !blanks.trim().is_empty() || !(first.kind == Kind::Open || is_end) {
            break;
        }
        // In repeated inputs, only so many are recognized.
        blocks += 1;
        if blocks > MOST_BLOCKS {
            return Err(Error::parse(format!(
                "the answer begins with more than {MOST_BLOCKS} blocks of reasoning"
            )));
        }
        let ends = |tag: &Tag| (tag.maker, tag.kind) == (first.maker, Kind::Close);
        let Some(close) = rest.iter().position(ends) else {
            return Err(endless(text, first));
        };
        let (inside, others) = rest.split_at(close);
        let Some((close, others)) = others.split_first() else { break };
        // Only in harmony do tags within a block separate one thought from the next.
        let own = if first.maker == HARMONY { inside.len() } else { inside.len().min(1) };
        gather(thoughts, text, at..close.span.start, inside.get(..own).unwrap_or_default());
        (at, rest) = (close.span.end, others);
        is_harmony = first.maker == HARMONY;
        if is_harmony {
            break;
        }
    }
    let answer = match is_harmony {
        true => message(text, at, rest)?,
        false => text.get(at..).unwrap_or_default(),
    };
    let end = at + answer.len();
    let rest = rest.iter().filter(|tag| tag.span.end <= end);
    let rest: Vec<_> = rest.map(|tag| Tag { span: tag.span.start - at..tag.span.end - at, ..*tag }).collect();
    match rest.iter().all(|tag| tag.kind == Kind::End) {
        true => Ok(answer),
        false => late_reasoning::find_answer(reader, answer, &rest, is_harmony, thoughts),
    }
}

/// Stands between two blocks of reasoning.
pub(super) const BETWEEN: &str = "\n\n";

/// Adds the thoughts in a part of the text, without these tags in it.
pub(super) fn gather<'t>(thoughts: &mut Vec<&'t str>, text: &'t str, part: Range<usize>, tags: &[Tag]) {
    let mut at = part.start;
    for tag in tags {
        thoughts.extend(text.get(at..tag.span.start).map(str::trim));
        at = tag.span.end;
    }
    thoughts.extend(text.get(at..part.end).map(str::trim));
}

pub(super) fn endless(text: &str, open: &Tag) -> Error {
    let tag = text.get(open.span.clone()).unwrap_or_default();
    Error::parse(format!(
        "the model's reasoning begins with `{tag}` and has no end: no answer stands behind it"
    ))
}

/// The harmony answer that begins at `start`, up to the end of its message. `tags` are those behind its beginning.
///
/// # Errors
/// There is a second answer, and it differs.
pub(super) fn message<'t>(text: &'t str, start: usize, tags: &[Tag]) -> Result<&'t str> {
    // A value may speak of such an end: one with other text behind it is none.
    let is_end = |(index, tag): &(usize, &Tag)| {
        let next = tags.get(index + 1).filter(|next| next.maker == HARMONY);
        let behind = text.get(tag.span.end..next.map_or(text.len(), |next| next.span.start));
        tag.kind == Kind::End && behind.is_some_and(|behind| behind.trim().is_empty())
    };
    let ends: Vec<_> = tags.iter().enumerate().filter(is_end).map(|(_, tag)| tag.span.start).collect();
    let end =
        |start: usize| ends.get(ends.partition_point(|end| *end < start)).copied().unwrap_or(text.len());
    let answer = |start: usize| text.get(start..end(start)).unwrap_or_default();
    let first = answer(start);
    let is_other =
        |tag: &Tag| tag.kind == Kind::Close && tag.maker == HARMONY && tag.span.start >= end(start);
    match tags.iter().filter(|tag| is_other(tag)).all(|tag| answer(tag.span.end).trim() == first.trim()) {
        true => Ok(first),
        false => Err(Error::parse(
            "the model wrote two messages in the channel `final` that differ; one is wanted",
        )),
    }
}

#[cfg(test)]
mod tests;
