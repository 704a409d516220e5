//! Markers of no field of the task: `[[ ## completion ## ]]`, or a field that was not asked for.

use std::ops::Range;

use super::{
    ends,
    marker::{Marker, Place},
    sections::fences,
    shown::Shown,
};

/// Those of a reply that the prompt does not show, in order.
#[derive(Default)]
pub(super) struct Foreign {
    marks: Vec<Mark>,
    /// How many of them were passed.
    passed: usize,
}

/// A reply may have one every few bytes, so it is small.
struct Mark {
    start: u32,
    end: u32,
    is_alone: bool,
}

/// What a value has of them.
#[derive(Default)]
pub(super) struct Found {
    /// True if one stands in it, outside of its blocks of code.
    pub(super) is_any: bool,
    /// Where the first stands that is alone on its line: the value ends there if no field follows.
    pub(super) end: Option<usize>,
}

impl Foreign {
    /// Adds a marker of the text, unless the prompt shows one of its name.
    pub(super) fn add(&mut self, text: &str, marker: &Marker<'_>, shown: &Shown<'_>) {
        let Range { start, end } = marker.span;
        // Behind the first 4 GiB, no reply goes on.
        if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) {
            if !shown.has_marker(marker.name) {
                let behind = || text.get(marker.span.end..).and_then(|rest| rest.lines().next());
                let ends_line =
                    || marker.ends_line || behind().is_some_and(|rest| ends::are_all(rest, shown));
                let is_alone = marker.place == Place::Start && ends_line();
                self.marks.push(Mark { start, end, is_alone });
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// What stands in a value; one is asked about after the other, in order.
    pub(super) fn within(&mut self, text: &str, value: Range<usize>) -> Found {
        let mut found = Found::default();
        let mut fences = fences(text.get(value.clone()).unwrap_or_default()).peekable();
        let mut in_code = false;
        let mut behind = value.start;
        // Whether something stands before the first that is alone, and between those behind it.
        let (mut has_text, mut has_rest) = (false, false);
        let is_blank = |part: Range<usize>| text.get(part).is_none_or(|part| part.trim().is_empty());
        while let Some(mark) = self.marks.get(self.passed).filter(|mark| (mark.start as usize) < value.end) {
            self.passed += 1;
            let (start, end) = (mark.start as usize, mark.end as usize);
            if start < value.start {
                continue;
            }
            while fences.next_if(|(at, _)| value.start + at < start).is_some() {
                in_code = !in_code;
            }
            let has = !is_blank(behind..start);
            behind = end;
            if found.end.is_some() {
                has_rest |= has;
            } else {
                has_text |= has;
            }
            found.is_any |= !in_code;
            match found.end {
                None if mark.is_alone && !in_code => found.end = Some(start),
                None => has_text = true,
                Some(_) => {}
            }
        }
        has_rest |= !is_blank(behind..value.end);
        // Nothing but what stands below a marker of nobody would be no value, and what is there would be lost.
        found.end = found.end.filter(|_| has_text || !has_rest);
        found
    }
}
