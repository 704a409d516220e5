//! Which markers of a reply count, and what stands below each.

use std::{borrow::Cow, ops::ControlFlow, ops::Range};

use super::{
    Task,
    foreign::Foreign,
    marker::{self, Marker, Place},
    names::{Names, Own},
    repeats::Repeats,
    shown::Shown,
};
use crate::json::{Repair, Repairs};

/// A part of a reply: what stands below a marker, or before the first.
pub(super) struct Section<'t> {
    /// The output's index, if it is one's.
    pub(super) output: Option<usize>,
    pub(super) value: Cow<'t, str>,
    /// What is not as it was asked for in the markers around it.
    pub(super) repairs: Repairs,
    /// What ends it.
    pub(super) end: End,
}

/// What ends a section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// The marker of another field.
    Field,
    /// The end marker, or one of no field.
    Mark,
    /// The end of the text.
    Text,
}

/// A marker of one of the task's fields. A reply may have one every few bytes, so it is small.
struct Mark {
    own: Own,
    core: Range<u32>,
    span: Range<u32>,
    line: u32,
    place: Place,
    ends_line: bool,
    repairs: Repairs,
    counts: bool,
}

impl Mark {
    /// `None` behind the first 4 GiB, where no reply goes on.
    fn new(own: Own, is_name: bool, marker: &Marker<'_>) -> Option<Self> {
        let small = |range: &Range<usize>| Some(range.start.try_into().ok()?..range.end.try_into().ok()?);
        let mut repairs = Repairs::default();
        if !is_name {
            repairs.add(Repair::Name);
        }
        if !marker.is_plain {
            repairs.add(Repair::Marker);
        }
        Some(Self {
            own,
            core: small(&marker.core)?,
            span: small(&marker.span)?,
            line: marker.line.try_into().ok()?,
            place: marker.place,
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

/// Gives the parts of a reply in order, up to where `take` breaks off.
///
/// # Errors
/// The index of an output whose markers all stand within lines, and there are several.
pub(super) fn each<'t>(
    text: &'t str,
    names: &Names<'_>,
    repeats: &Repeats,
    shown: &Shown<'_>,
    mut take: impl FnMut(Section<'t>) -> ControlFlow<()>,
) -> Result<(), usize> {
    let (mut marks, mut foreign) = (Vec::new(), Foreign::default());
    marker::each(text, |marker| match names.find_as_written(marker.name) {
        Some(_) if repeats.has(&marker.core) => {}
        Some((own, is_name)) => marks.extend(Mark::new(own, is_name, &marker)),
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
    let is_end = |mark: &&Mark| mark.own == Own::Completed && mark.place == Place::Within;
    let mut ends = marks.iter().filter(is_end).peekable();
    while let Some(mark) = counting.next() {
        let next = counting.peek();
        let begin = mark.span().end;
        let end = next.map_or(text.len(), |next| next.span().start);
        let mut repairs = mark.repairs;
        if let Some(next) = next.filter(|next| next.own == Own::Completed) {
            repairs.extend(next.repairs);
        }
        // An end marker on the value's last line.
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
            Some(next) if next.own == Own::Completed => End::Mark,
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
        let output = match mark.own {
            Own::Output(output) => Some(output),
            Own::Input(_) | Own::Completed => None,
        };
        let is_quoted =
            mark.place == Place::Item && part(mark.line as usize..mark.core().start).contains('>');
        let value = if is_quoted { unquoted(value) } else { Cow::Borrowed(value) };
        if take(Section { output, value, repairs, end }).is_break() {
            break;
        }
    }
    Ok(())
}

/// Where the values of outputs would stand if all markers counted that begin lines.
pub(super) fn outline(text: &str, names: &Names<'_>) -> Vec<Range<usize>> {
    let mut values: Vec<Range<usize>> = Vec::new();
    let mut is_open = false;
    marker::each(text, |marker| {
        let Some(own) = names.find(marker.name) else { return };
        if marker.place != Place::Start && own != Own::Completed {
            return;
        }
        if let Some(last) = values.last_mut().filter(|_| std::mem::take(&mut is_open)) {
            last.end = marker.span.start;
        }
        if let Own::Output(_) = own {
            values.push(marker.span.start..text.len());
            is_open = true;
        }
    });
    values
}

/// Decides which markers count: for each field those in the best place.
fn choose(marks: &mut [Mark], task: &Task<'_>) -> Result<(), usize> {
    // Where all that must be there begins lines of its own, the form is plain, and what stands elsewhere is text.
    let begins_line =
        |index| marks.iter().any(|mark| mark.place == Place::Start && mark.own == Own::Output(index));
    let is_plain = task.outputs().enumerate().all(|(index, field)| field.is_optional() || begins_line(index));
    // Lines that begin with a marker, and those that end with the end marker, may have more of them within.
    let mut closed_line = None;
    for mark in marks.iter_mut().rev() {
        if mark.ends_line && mark.own == Own::Completed {
            closed_line = Some(mark.line);
        }
        // For now, whether its line is one of the latter.
        mark.counts = closed_line == Some(mark.line);
    }
    let mut open_line = None;
    let mut best: Vec<(Own, Place, usize)> = Vec::new();
    for mark in marks.iter_mut() {
        if mark.place != Place::Within {
            open_line = Some(mark.line);
        }
        let (is_open, is_closed) = (open_line == Some(mark.line), mark.counts);
        mark.counts = match (mark.own, mark.place) {
            (Own::Input(_), place) => place == Place::Start,
            (Own::Completed, Place::Within) => mark.ends_line,
            (Own::Output(_), Place::Within) => {
                (is_open || mark.ends_line || is_closed) && !is_plain || is_open && is_closed
            }
            (Own::Output(_), Place::Item) => !is_plain,
            _ => true,
        };
        if !mark.counts {
            continue;
        }
        match best.iter_mut().find(|(known, ..)| *known == mark.own) {
            Some((_, place, count)) if mark.place == *place => *count += 1,
            Some((_, place, count)) if mark.place < *place => (*place, *count) = (mark.place, 1),
            Some(_) => {}
            None => best.push((mark.own, mark.place, 1)),
        }
    }
    for (own, place, count) in &best {
        if let (Own::Output(index), Place::Within, 2..) = (own, place, count) {
            return Err(*index);
        }
    }
    for mark in marks {
        mark.counts =
            mark.counts && best.iter().any(|(own, place, _)| (*own, *place) == (mark.own, mark.place));
    }
    Ok(())
}

/// Leaves out the markers of outputs that may be an input's, with what may be another's below them.
fn leave_borrowed(marks: &mut [Mark], text: &str, repeats: &Repeats) {
    let mut end = text.len();
    for mark in marks.iter_mut().rev().filter(|mark| mark.counts) {
        let is_output = matches!(mark.own, Own::Output(_));
        if is_output && repeats.has_bare(&mark.core()) && repeats.is_doubtful(text, &(mark.span().end..end)) {
            mark.counts = false;
            continue;
        }
        end = mark.span().start;
    }
}

/// A value without the `>` of a quotation in which its marker stands too, if all of its lines have one.
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

/// Where each line begins that opens or closes a block of code, with where it ends.
pub(crate) fn fences(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let at = start;
        start += line.len();
        line.trim_start().starts_with("```").then_some((at, start))
    })
}

/// A value in a reply that stands in a block of code as a whole: without the block's end, and whether the block goes on.
fn within_block(value: &str) -> (&str, bool) {
    let (mut before, mut last, mut count) = (None, None, 0);
    for fence in fences(value) {
        (before, last, count) = (last, Some(fence), count + 1);
    }
    let is_blank = |from: usize, to: usize| value.get(from..to).is_some_and(|part| part.trim().is_empty());
    match (before, last) {
        // The block's end; text behind it is no part of the answer.
        (_, Some((at, _))) if count % 2 == 1 => (value.get(..at).unwrap_or_default(), false),
        // Its end, and the beginning of the next field's.
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
