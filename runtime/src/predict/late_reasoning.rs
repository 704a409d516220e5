//! Finds reasoning that a reply does not begin with: it stands behind a text, or its opening tag is a part of the prompt. A draft
//! of the answer may stand in it.

use std::cell::OnceCell;

use karat_lm::{Error, Result};
use serde_json::Value;

use super::{
    mentions,
    reasoning::{Reader, endless, gather, message, read},
};
use crate::{
    adapter::{
        Outline, Repeats, fences,
        reasoning::{HARMONY, Kind, Tag},
    },
    field::FieldValue,
    json::Repair,
};

/// Returns the answer in a text that has these tags, and adds the reasoning before it to `thoughts`.
///
/// The last tag that ends thoughts, and behind which a whole answer stands, begins the answer. A tag that a value speaks of is
/// text: one between quotes, in a block of code, or in a value behind which no whole answer stands.
///
/// # Errors
/// A tag could end reasoning or be a part of a value, or the reasoning has no end.
pub(super) fn find_answer<'t>(
    reader: &Reader<'_>,
    text: &'t str,
    tags: &[Tag],
    is_harmony: bool,
    thoughts: &mut Vec<&'t str>,
) -> Result<&'t str> {
    let Some(outline) = reader.adapter.outline(&reader.task, text) else { return Ok(text) };
    let are_mentions = mentions::find(text, tags, &outline);
    let prompt = PromptTags::of(reader, text, tags);
    let openings = openings(tags, &are_mentions);
    let mut have_ends = vec![false; tags.len()];
    for open in openings.iter().flatten() {
        have_ends.get_mut(*open).into_iter().for_each(|has_end| *has_end = true);
    }
    let fences = fences(text).map(|(start, _)| start).collect();
    let reply = TaggedReply {
        reader,
        text,
        outline,
        tags,
        are_mentions,
        prompt,
        openings,
        have_ends,
        fences,
        is_harmony,
    };
    if let Some(last) = reply.last_end()? {
        let Some(tag) = tags.get(last) else { return Ok(text) };
        let own = match reply.openings.get(last).copied().flatten() {
            _ if tag.maker == HARMONY => 0..last,
            Some(open) => open..open + 1,
            None => 0..0,
        };
        gather(thoughts, text, 0..tag.span.start, tags.get(own).unwrap_or_default());
        // What follows may have blocks too, none of which ends before a whole answer.
        let (behind, start) = (reply.behind(last)?, tag.span.end);
        let rest = tags.iter().skip(last + 1).map(|tag| tag.behind(start));
        let rest: Vec<_> = rest.filter(|tag| tag.span.end <= behind.len()).collect();
        return read(reader, behind, &rest, thoughts);
    }
    reply.check_rest()?;
    Ok(text)
}

/// A reply with tags of reasoning, and what is known of each tag.
struct TaggedReply<'r, 't> {
    reader: &'r Reader<'r>,
    text: &'t str,
    outline: Outline,
    tags: &'r [Tag],
    are_mentions: Vec<bool>,
    prompt: PromptTags,
    /// For each tag that ends a block, the one that begins it.
    openings: Vec<Option<usize>>,
    /// For each tag whether it begins a block that ends.
    have_ends: Vec<bool>,
    /// Where the lines begin that open or close a block of code.
    fences: Vec<usize>,
    is_harmony: bool,
}

type Values = Vec<Option<FieldValue>>;

impl<'t> TaggedReply<'_, 't> {
    /// The last tag that ends thoughts.
    fn last_end(&self) -> Result<Option<usize>> {
        let as_it_stands = OnceCell::new();
        // A text may have such a tag every few bytes, and all that stands behind each would be read.
        let mut left = 8 * self.text.len() + (64 << 10);
        for (index, tag) in self.tags.iter().enumerate().rev().filter(|(_, tag)| tag.kind == Kind::Close) {
            let is_in_value = self.outline.has(tag.span.start);
            if self.prompt.is_repeated(tag) {
                continue;
            }
            let length = self.text.len() - tag.span.end;
            let too_many = || {
                Error::parse(format!(
                    "{} stands too often in the answer to tell where the reasoning ends",
                    self.quoted(tag)
                ))
            };
            left = left.checked_sub(length).ok_or_else(too_many)?;
            let Some(answer) = whole(self.reader, self.behind(index)?) else { continue };
            let all = as_it_stands.get_or_init(|| values(self.reader, self.text));
            let all = match all {
                // A text that cannot be read as it stands is not made readable by a tag that an input has: both may be the input's.
                None if self.prompt.inputs & (1 << tag.maker) != 0 => continue,
                None => return Ok(Some(index)),
                Some(all) if is_same(all, &answer) => return Ok(Some(index)),
                Some(all) => all,
            };
            if is_in_value && self.is_mention(index) {
                // A quote that the model forgot to escape may have ended the draft.
                if all.iter().flatten().any(|value| value.repairs.contains(Repair::InnerQuote)) {
                    return Err(self.two_readings(tag));
                }
                continue;
            }
            let pairs = || all.iter().zip(&answer);
            let differ = pairs().any(|pair| matches!(pair, (Some(one), Some(two)) if one.value != two.value));
            let lacks = pairs().any(|pair| matches!(pair, (Some(_), None)));
            let is_doubtful = self.prompt.has(tag.maker) || self.is_harmony;
            match self.opening(index) {
                Some(open) if !self.outline.has_before(open) && !is_doubtful => return Ok(Some(index)),
                // A block in a value is text, unless the form begins anew behind it.
                Some(_) if !differ && !is_doubtful => {}
                None if !is_doubtful && (differ || !lacks) => return Ok(Some(index)),
                None if !is_doubtful && !self.ends_line(tag) => {}
                _ => return Err(self.two_readings(tag)),
            }
        }
        Ok(None)
    }

    /// Checks the tags of a reply in which none ends reasoning before a whole answer: each has to be text in a value.
    fn check_rest(&self) -> Result<()> {
        for (index, tag) in self.tags.iter().enumerate() {
            let place = tag.span.start;
            if self.is_mention(index) || self.outline.has(place) || self.prompt.has(tag.maker) {
                continue;
            }
            let has_before = self.outline.has_before(place);
            match tag.kind {
                _ if self.outline.is_open => self.check_open(index)?,
                Kind::Open if !self.has_end(index) => return Err(endless(self.text, tag)),
                Kind::Open if !has_before => {
                    return Err(Error::parse(format!(
                        "no whole answer stands behind the model's reasoning, which begins with {}",
                        self.quoted(tag)
                    )));
                }
                Kind::Close if has_before => {
                    return Err(Error::parse(format!(
                        "{} ends the model's reasoning, and no whole answer stands behind it",
                        self.quoted(tag)
                    )));
                }
                Kind::Open | Kind::Close | Kind::End => {}
            }
        }
        // The form may begin anew in part: behind a tag in a value stands that value's field once more.
        let is_in_value = |(index, tag): &(usize, &Tag)| {
            tag.kind != Kind::End && !self.is_mention(*index) && !self.prompt.has(tag.maker)
        };
        let Some((_, tag)) = self.tags.iter().enumerate().find(is_in_value) else { return Ok(()) };
        let is_double = |value: &FieldValue| value.repairs.contains(Repair::DoubleField);
        match values(self.reader, self.text).is_some_and(|values| values.iter().flatten().any(is_double)) {
            true => Err(self.two_readings(tag)),
            false => Ok(()),
        }
    }

    /// The same check for a tag in text that is a value without a mark.
    fn check_open(&self, index: usize) -> Result<()> {
        let Some(tag) = self.tags.get(index) else { return Ok(()) };
        let behind = self.text.get(tag.span.end..).unwrap_or_default();
        let begins_line = self.begins_line(tag);
        let is_text = match tag.kind {
            Kind::End => true,
            _ if self.outline.has_before(tag.span.start) => true,
            _ if !self.outline.values.is_empty() => false,
            Kind::Open => !begins_line,
            // The value would stand behind it, and nothing does.
            Kind::Close if self.opening(index).is_some() => !self.ends_line(tag),
            Kind::Close => !self.ends_line(tag) || behind.trim().is_empty(),
        };
        match (is_text, tag.kind) {
            (true, _) => Ok(()),
            (false, Kind::Open) if !self.has_end(index) => Err(endless(self.text, tag)),
            (false, _) => Err(self.two_readings(tag)),
        }
    }

    /// The answer that the tag would begin.
    fn behind(&self, index: usize) -> Result<&'t str> {
        let (Some(tag), Some(rest)) = (self.tags.get(index), self.tags.get(index + 1..)) else {
            return Ok("");
        };
        let answer = match tag.maker {
            HARMONY => message(self.text, tag.span.end, rest)?,
            _ => self.text.get(tag.span.end..).unwrap_or_default(),
        };
        // The end of a block of code in which all of the reply stands.
        let before = self.fences.partition_point(|fence| *fence < tag.span.start);
        let is_fenced = before % 2 == 1 && (self.fences.len() - before) % 2 == 1;
        Ok(answer.trim_end().strip_suffix("```").filter(|_| is_fenced).unwrap_or(answer))
    }

    fn is_mention(&self, index: usize) -> bool {
        self.are_mentions.get(index).copied().unwrap_or_default()
    }

    /// Where the block begins that this tag ends.
    fn opening(&self, close: usize) -> Option<usize> {
        let open = self.openings.get(close).copied().flatten()?;
        self.tags.get(open).map(|tag| tag.span.start)
    }

    fn has_end(&self, open: usize) -> bool {
        self.have_ends.get(open).copied().unwrap_or_default()
    }

    fn begins_line(&self, tag: &Tag) -> bool {
        let before = self.text.get(..tag.span.start).unwrap_or_default();
        before.trim_end_matches([' ', '\t']).ends_with('\n')
    }

    /// True if nothing is behind it on its line but the beginning of a value with its mark.
    fn ends_line(&self, tag: &Tag) -> bool {
        let behind = self.text.get(tag.span.end..).unwrap_or_default();
        let solid = behind.trim_start();
        let blanks = behind.len() - solid.len();
        let values = &self.outline.values;
        let begins = values.binary_search_by_key(&(tag.span.end + blanks), |value| value.start).is_ok();
        solid.is_empty() || begins || behind.get(..blanks).is_some_and(|blanks| blanks.contains('\n'))
    }

    fn quoted(&self, tag: &Tag) -> String {
        format!("`{}`", self.text.get(tag.span.clone()).unwrap_or_default())
    }

    fn two_readings(&self, tag: &Tag) -> Error {
        let tag = self.quoted(tag);
        Error::parse(format!(
            "{tag} could end the model's reasoning or be a part of a value, and the answer differs; write it in a block of code \
             where it is a part"
        ))
    }
}

/// The values of a text, if it can be read.
fn values(reader: &Reader<'_>, text: &str) -> Option<Values> {
    reader.adapter.read(&reader.task, &reader.inputs, text).ok()
}

/// The values of a text that is by itself a whole answer with a mark.
fn whole(reader: &Reader<'_>, text: &str) -> Option<Values> {
    let outline = reader.adapter.outline(&reader.task, text)?;
    let blanks = text.len() - text.trim_start().len();
    outline.values.first().filter(|first| !outline.is_open || first.start <= blanks)?;
    values(reader, text).filter(|values| values.iter().any(Option::is_some))
}

fn is_same(all: &Values, others: &Values) -> bool {
    let value = |found: &Option<FieldValue>| found.as_ref().map(|found| found.value.clone());
    all.iter().map(value).eq(others.iter().map(value))
}

/// For each tag that ends a block, the one that begins it.
fn openings(tags: &[Tag], are_mentions: &[bool]) -> Vec<Option<usize>> {
    let mut open: Vec<Vec<usize>> = vec![Vec::new(); HARMONY + 1];
    let tags = tags.iter().zip(are_mentions).enumerate();
    let opening = |(index, (tag, is_mention)): (usize, (&Tag, &bool))| {
        let open = open.get_mut(tag.maker).filter(|_| !is_mention)?;
        match tag.kind {
            Kind::Open => open.push(index),
            Kind::Close => return open.pop(),
            Kind::End => {}
        }
        None
    };
    tags.map(opening).collect()
}

/// The makers whose reasoning tags stand in the prompt.
struct PromptTags {
    /// A bit for each maker.
    makers: u32,
    /// The same for the inputs alone.
    inputs: u32,
    repeats: Repeats,
}

impl PromptTags {
    fn of(reader: &Reader<'_>, text: &str, tags: &[Tag]) -> Self {
        let all = reader.tags();
        let wanted = tags.iter().fold(0, |makers, tag| makers | 1_u32 << tag.maker);
        let makers = |text: &str| all.find(text).iter().fold(0, |makers, tag| makers | 1_u32 << tag.maker);
        let demos = reader.task.demos().iter().flat_map(|demo| demo.inputs.iter().chain(&demo.outputs));
        let texts = demos.flatten().flat_map(texts).chain([reader.task.instructions()]);
        let of_task = texts.fold(0, |all, text| all | makers(text));
        let inputs = reader.inputs.texts().iter().fold(0, |all, text| all | makers(text));
        let repeats = match inputs & wanted {
            0 => Repeats::default(),
            _ => Repeats::find(&reader.inputs, text, &all),
        };
        Self { makers: of_task | inputs, inputs, repeats }
    }

    fn has(&self, maker: usize) -> bool {
        self.makers & (1 << maker) != 0
    }

    /// True if the tag comes from an input that is repeated.
    fn is_repeated(&self, tag: &Tag) -> bool {
        self.repeats.has(&tag.span) || self.repeats.has_bare(&tag.span)
    }
}

/// The texts in a value.
fn texts(value: &Value) -> Vec<&str> {
    let mut texts = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => texts.push(&**text),
            Value::Array(items) => open.extend(items),
            Value::Object(map) => open.extend(map.values()),
            _ => {}
        }
    }
    texts
}
