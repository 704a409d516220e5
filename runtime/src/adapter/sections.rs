//! Splits a reply into sections: decides which markers count, and takes the text below each.

use std::{borrow::Cow, ops::ControlFlow, ops::Range};

use super::{
    Task,
    foreign::ForeignMarkers,
    marker::{self, LinePosition, Marker},
    names::{MarkerNames, Meaning},
    prompt_texts::PromptTexts,
    repeats::Repeats,
};
use crate::json::{Repair, Repairs};

/// A section of a reply: the text below a marker, or before the first one.
pub(super) struct Section<'t> {
    /// The index of its output; `None` if it is no output's.
    pub(super) output: Option<usize>,
    pub(super) value: Cow<'t, str>,
    /// Flaws of the markers around it.
    pub(super) repairs: Repairs,
    /// How it ends.
    pub(super) end: End,
}

/// How a section ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// By the marker of another field.
    Field,
    /// By the end marker, or a foreign one.
    Mark,
    /// By the end of the text.
    Text,
}

/// A marker of one of the task's fields. A reply may have one every few bytes, so it is small.
struct FieldMarker {
    meaning: Meaning,
    core: Range<u32>,
    span: Range<u32>,
    line: u32,
    position: LinePosition,
    ends_line: bool,
    repairs: Repairs,
    counts: bool,
}

impl FieldMarker {
    /// Copies a marker; `None` behind 4 GiB, which no reply reaches.
    fn new(meaning: Meaning, is_name: bool, marker: &Marker<'_>) -> Option<Self> {
        let small = |range: &Range<usize>| Some(range.start.try_into().ok()?..range.end.try_into().ok()?);
        let mut repairs = Repairs::default();
        if !is_name {
            repairs.add(Repair::Name);
        }
        if !marker.is_plain {
            repairs.add(Repair::Marker);
        }
        Some(Self {
            meaning,
            core: small(&marker.core)?,
            span: small(&marker.span)?,
            line: marker.line.try_into().ok()?,
            position: marker.position,
            ends_line: marker.ends_line,
            repairs,
            counts: false,
        })
    }

    fn core(&self) -> Range<usize> {
        self.core.start as usize..self.core.end as usize
    }

    fn span(&self) -> Range<usize> {
        self.span.start as usize..self.span.end as usize
    }
}

/// Calls `take` with the sections of a reply in order, until it breaks off.
///
/// # Errors
/// The index of an output with several markers that all stand within lines.
pub(super) fn each<'t>(
    text: &'t str,
    names: &MarkerNames<'_>,
    repeats: &Repeats,
    shown: &PromptTexts<'_>,
    mut take: impl FnMut(Section<'t>) -> ControlFlow<()>,
) -> Result<(), usize> {
    let (mut marks, mut foreign) = (Vec::new(), ForeignMarkers::default());
    marker::each(text, |marker| match names.find_as_written(marker.name) {
        Some(_) if repeats.has(&marker.core) => {}
        Some((meaning, is_name)) => marks.extend(FieldMarker::new(meaning, is_name, &marker)),
        None => foreign.add(text, &marker, shown),
    });
    choose(&mut marks, names.task())?;
    leave_borrowed(&mut marks, text, repeats);
    let part = |range: Range<usize>| text.get(range).unwrap_or_default();
    let mut counting = marks.iter().filter(|mark| mark.counts).peekable();
    let first = counting.peek().map_or(text.len(), |mark| mark.span().start);
    let mut in_block = fences(part(0..first)).count() % 2 == 1;
    let before =
        Section { output: None, value: part(0..first).into(), repairs: Repairs::default(), end: End::Field };
    if take(before).is_break() {
        return Ok(());
    }
    let is_end =
        |mark: &&FieldMarker| mark.meaning == Meaning::Completed && mark.position == LinePosition::Within;
    let mut ends = marks.iter().filter(is_end).peekable();
    while let Some(mark) = counting.next() {
        let next = counting.peek();
        let begin = mark.span().end;
        let end = next.map_or(text.len(), |next| next.span().start);
        let mut repairs = mark.repairs;
        if let Some(next) = next.filter(|next| next.meaning == Meaning::Completed) {
            repairs.extend(next.repairs);
        }
        // An end marker may stand on the value's last line.
        let mut value_end = end;
        while let Some(completed) = ends.next_if(|completed| completed.span().start < end) {
            let Range { start, end: behind } = completed.span();
            if start >= begin && part(behind..end).trim().is_empty() {
                value_end = value_end.min(start);
                repairs.extend(completed.repairs);
            }
        }
        let mut value = part(begin..value_end);
        if in_block {
            repairs.add(Repair::Fence);
            (value, in_block) = within_block(value);
        }
        let mut end = match next {
            _ if value_end < end => End::Mark,
            None => End::Text,
            Some(next) if next.meaning == Meaning::Completed => End::Mark,
            Some(_) => End::Field,
        };
        if !foreign.is_empty() {
            let found = foreign.within(text, begin..begin + value.len());
            if found.is_any {
                repairs.add(Repair::ForeignMarker);
            }
            if let Some(at) = found.end.filter(|_| end != End::Field) {
                value = part(begin..at);
                end = End::Mark;
            }
        }
        let output = match mark.meaning {
            Meaning::Output(output) => Some(output),
            Meaning::Input(_) | Meaning::Completed => None,
        };
        let is_quoted =
            mark.position == LinePosition::Item && part(mark.line as usize..mark.core().start).contains('>');
        let value = if is_quoted { unquoted(value) } else { Cow::Borrowed(value) };
        if take(Section { output, value, repairs, end }).is_break() {
            break;
        }
    }
    Ok(())
}

/// Locates the values of outputs as if all markers that begin lines counted.
pub(super) fn outline(text: &str, names: &MarkerNames<'_>) -> Vec<Range<usize>> {
    let mut values: Vec<Range<usize>> = Vec::new();
    let mut is_open = false;
    marker::each(text, |marker| {
        let Some(meaning) = names.find(marker.name) else { return };
        if marker.position != LinePosition::Start && meaning != Meaning::Completed {
            return;
        }
        if let Some(last) = values.last_mut().filter(|_| std::mem::take(&mut is_open)) {
            last.end = marker.span.start;
        }
        if let Meaning::Output(_) = meaning {
            values.push(marker.span.start..text.len());
            is_open = true;
        }
    });
    values
}

/// Decides which markers count: for each field those in the best position.
fn choose(marks: &mut [FieldMarker], task: &Task<'_>) -> Result<(), usize> {
    // If every required field has a marker that begins a line, the form is plain, and markers elsewhere are text.
    let begins_line = |index| {
        marks
            .iter()
            .any(|mark| mark.position == LinePosition::Start && mark.meaning == Meaning::Output(index))
    };
    let is_plain = task.outputs().enumerate().all(|(index, field)| field.is_optional() || begins_line(index));
    // A line that begins with a marker, or ends with the end marker, may contain more markers.
    let mut closed_line = None;
    for mark in marks.iter_mut().rev() {
        if mark.ends_line && mark.meaning == Meaning::Completed {
            closed_line = Some(mark.line);
        }
        // For now: true if its line ends with the end marker.
        mark.counts = closed_line == Some(mark.line);
    }
    let mut open_line = None;
    let mut best: Vec<(Meaning, LinePosition, usize)> = Vec::new();
    for mark in marks.iter_mut() {
        if mark.position != LinePosition::Within {
            open_line = Some(mark.line);
        }
        let (is_open, is_closed) = (open_line == Some(mark.line), mark.counts);
        mark.counts = match (mark.meaning, mark.position) {
            (Meaning::Input(_), position) => position == LinePosition::Start,
            (Meaning::Completed, LinePosition::Within) => mark.ends_line,
            (Meaning::Output(_), LinePosition::Within) => {
                (is_open || mark.ends_line || is_closed) && !is_plain || is_open && is_closed
            }
            (Meaning::Output(_), LinePosition::Item) => !is_plain,
            _ => true,
        };
        if !mark.counts {
            continue;
        }
        match best.iter_mut().find(|(known, ..)| *known == mark.meaning) {
            Some((_, position, count)) if mark.position == *position => *count += 1,
            Some((_, position, count)) if mark.position < *position => {
                (*position, *count) = (mark.position, 1)
            }
            Some(_) => {}
            None => best.push((mark.meaning, mark.position, 1)),
        }
    }
    for (meaning, position, count) in &best {
        if let (Meaning::Output(index), LinePosition::Within, 2..) = (meaning, position, count) {
            return Err(*index);
        }
    }
    for mark in marks {
        mark.counts = mark.counts
            && best
                .iter()
                .any(|(meaning, position, _)| (*meaning, *position) == (mark.meaning, mark.position));
    }
    Ok(())
}

/// Drops markers of outputs that may be an input's and have another input's text, or none, below them.
fn leave_borrowed(marks: &mut [FieldMarker], text: &str, repeats: &Repeats) {
    let mut end = text.len();
    for mark in marks.iter_mut().rev().filter(|mark| mark.counts) {
        let is_output = matches!(mark.meaning, Meaning::Output(_));
        if is_output && repeats.has_bare(&mark.core()) && repeats.is_doubtful(text, &(mark.span().end..end)) {
            mark.counts = false;
            continue;
        }
        end = mark.span().start;
    }
}

/// Removes the `>` of a quotation from a value whose marker is quoted too, if all of its lines have one.
fn unquoted(value: &str) -> Cow<'_, str> {
    let (first, rest) = value.split_once('\n').unwrap_or((value, ""));
    let lines = rest.lines().map(|line| match line.trim_start().strip_prefix('>') {
        Some(quoted) => Some(quoted.strip_prefix(' ').unwrap_or(quoted)),
        None => line.trim().is_empty().then_some(""),
    });
    match lines.collect::<Option<Vec<_>>>() {
        Some(lines) => Cow::Owned(format!("{first}\n{}", lines.join("\n"))),
        None => Cow::Borrowed(value),
    }
}

/// Finds the lines that open or close a block of code: start and end of each.
pub(crate) fn fences(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let at = start;
        start += line.len();
        line.trim_start().starts_with("```").then_some((at, start))
    })
}

/// Removes the end of the code block around the whole reply from a value; true if the block goes on behind it.
fn within_block(value: &str) -> (&str, bool) {
    let (mut before, mut last, mut count) = (None, None, 0);
    for fence in fences(value) {
        (before, last, count) = (last, Some(fence), count + 1);
    }
    let is_blank = |from: usize, to: usize| value.get(from..to).is_some_and(|part| part.trim().is_empty());
    match (before, last) {
        // The block ends here; text behind it is no part of the answer.
        (_, Some((at, _))) if count % 2 == 1 => (value.get(..at).unwrap_or_default(), false),
        // The block ends, and the next field's block begins.
        (Some((at, end)), Some((next, next_end)))
            if is_blank(end, next) && is_blank(next_end, value.len()) =>
        {
            (value.get(..at).unwrap_or_default(), true)
        }
        _ => (value, true),
    }
}

#[cfg(test)]
#[path = "sections_tests.rs"]
mod tests;
