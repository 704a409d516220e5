//! Which markers of a reply count, and what stands below each.

use std::{borrow::Cow, ops::Range};

use super::{
    marker::{self, Marker, Place},
    names::{Names, Own},
    repeats::Repeats,
};

/// The parts of a reply that stand below the markers of outputs, each with the output's index, in order. `required` tells of each
/// output whether it must be there.
///
/// # Errors
/// The index of an output whose markers all stand within lines, and there are several.
pub(super) fn find<'t>(
    text: &'t str,
    names: &Names,
    repeats: &Repeats,
    required: &[bool],
) -> Result<Vec<(usize, Cow<'t, str>)>, usize> {
    let own = marker::find(text).into_iter().filter_map(|marker| Some((names.find(marker.name)?, marker)));
    let own: Vec<_> = own.filter(|(_, marker)| !repeats.has(&marker.core)).collect();
    let counting = without_borrowed(counting(&own, required)?, text.len(), repeats);
    let first = counting.first().map_or(text.len(), |(_, marker)| marker.span.start);
    let mut in_block = text.get(..first).is_some_and(|before| fences(before).count() % 2 == 1);
    let mut sections = Vec::new();
    let mut ends =
        own.iter().filter(|(own, marker)| *own == Own::Completed && marker.place == Place::Within).peekable();
    for (at, (own, marker)) in counting.iter().enumerate() {
        let end = counting.get(at + 1).map_or(text.len(), |(_, next)| next.span.start);
        let part = |range: Range<usize>| text.get(range).unwrap_or_default();
        // An end marker on the value's last line.
        let mut value_end = end;
        while let Some((_, completed)) = ends.next_if(|(_, completed)| completed.span.start < end) {
            if completed.span.start >= marker.span.end && part(completed.span.end..end).trim().is_empty() {
                value_end = value_end.min(completed.span.start);
            }
        }
        let mut value = part(marker.span.end..value_end);
        if in_block {
            (value, in_block) = within_block(value);
        }
        if let Own::Output(index) = own {
            let is_quoted = marker.place == Place::Item && part(marker.line..marker.core.start).contains('>');
            let value = if is_quoted { unquoted(value) } else { Cow::Borrowed(value) };
            sections.push((*index, value));
        }
    }
    Ok(sections)
}

/// The markers that count: for each field those in the best place.
fn counting<'m, 't>(
    own: &'m [(Own, Marker<'t>)],
    required: &[bool],
) -> Result<Vec<&'m (Own, Marker<'t>)>, usize> {
    // Where all that must be there begins lines of its own, the form is plain, and what stands elsewhere is text.
    let mut lacks = required.to_vec();
    for (own, _) in own.iter().filter(|(_, marker)| marker.place == Place::Start) {
        if let Own::Output(index) = own {
            lacks.get_mut(*index).into_iter().for_each(|lacks| *lacks = false);
        }
    }
    let is_plain = !lacks.contains(&true);
    // Lines that begin with a marker, and those that end with the end marker, may have more of them within.
    let mut open_line = None;
    let mut closed_line = None;
    let closing = own.iter().rev().map(|(own, marker)| {
        if marker.ends_line && *own == Own::Completed {
            closed_line = Some(marker.line);
        }
        closed_line == Some(marker.line)
    });
    let mut is_closed: Vec<_> = closing.collect();
    is_closed.reverse();
    let candidates: Vec<_> = own
        .iter()
        .zip(is_closed)
        .filter(|((own, marker), is_closed)| {
            if marker.place != Place::Within {
                open_line = Some(marker.line);
            }
            let is_in_line = open_line == Some(marker.line) || marker.ends_line || *is_closed;
            match (own, marker.place) {
                (Own::Input(_), place) => place == Place::Start,
                (Own::Completed, Place::Within) => marker.ends_line,
                (Own::Output(_), Place::Within) => {
                    is_in_line && !is_plain || open_line == Some(marker.line) && *is_closed
                }
                (Own::Output(_), Place::Item) => !is_plain,
                _ => true,
            }
        })
        .map(|(one, _)| one)
        .collect();
    let mut best: Vec<(Own, Place, usize)> = Vec::new();
    for (own, marker) in &candidates {
        match best.iter_mut().find(|(known, ..)| known == own) {
            Some((_, place, count)) if marker.place == *place => *count += 1,
            Some((_, place, count)) if marker.place < *place => (*place, *count) = (marker.place, 1),
            Some(_) => {}
            None => best.push((*own, marker.place, 1)),
        }
    }
    for (own, place, count) in &best {
        if let (Own::Output(index), Place::Within, 2..) = (own, place, count) {
            return Err(*index);
        }
    }
    let is_best = |(own, marker): &&(Own, Marker<'_>)| best.contains_place(*own, marker.place);
    Ok(candidates.into_iter().filter(is_best).collect())
}

trait Best {
    fn contains_place(&self, own: Own, place: Place) -> bool;
}

impl Best for Vec<(Own, Place, usize)> {
    fn contains_place(&self, own: Own, place: Place) -> bool {
        self.iter().any(|(known, best, _)| *known == own && *best == place)
    }
}

/// The markers but those of outputs that may be an input's, with what may be another's below them.
fn without_borrowed<'m, 't>(
    mut markers: Vec<&'m (Own, Marker<'t>)>,
    length: usize,
    repeats: &Repeats,
) -> Vec<&'m (Own, Marker<'t>)> {
    let mut end = length;
    let mut kept = Vec::with_capacity(markers.len());
    while let Some(one) = markers.pop() {
        let (own, marker) = one;
        let is_output = matches!(own, Own::Output(_));
        if is_output && repeats.has_bare(&marker.core) && repeats.is_doubtful(&(marker.span.end..end)) {
            continue;
        }
        end = marker.span.start;
        kept.push(one);
    }
    kept.reverse();
    kept
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
fn fences(text: &str) -> impl Iterator<Item = (usize, usize)> {
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
