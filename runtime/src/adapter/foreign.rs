//! Foreign markers: markers that name no field of the task, such as `[[ ## completion ## ]]`.

use std::ops::Range;

use super::{
    end_tokens,
    marker::{LinePosition, Marker},
    prompt_texts::PromptTexts,
    sections::fences,
};

/// The foreign markers of a reply that the prompt does not contain, in order.
#[derive(Default)]
pub(super) struct ForeignMarkers {
    marks: Vec<ForeignMarker>,
    /// How many of them were passed.
    passed: usize,
}

/// A foreign marker. A reply may have one every few bytes, so it is small.
struct ForeignMarker {
    start: u32,
    end: u32,
    is_alone: bool,
}

/// The foreign markers within one value.
#[derive(Default)]
pub(super) struct ForeignInValue {
    /// True if one stands outside of the value's blocks of code.
    pub(super) is_any: bool,
    /// Start of the first one alone on its line: the value ends there if no field follows.
    pub(super) end: Option<usize>,
}

impl ForeignMarkers {
    /// Adds a marker of the text, unless the prompt contains one of its name.
    pub(super) fn add(&mut self, text: &str, marker: &Marker<'_>, shown: &PromptTexts<'_>) {
        let Range { start, end } = marker.span;
        // No reply is longer than 4 GiB.
        if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) {
            if !shown.has_marker(marker.name) {
                let behind = || text.get(marker.span.end..).and_then(|rest| rest.lines().next());
                let ends_line = || {
                    marker.ends_line || behind().is_some_and(|rest| end_tokens::are_end_tokens(rest, shown))
                };
                let is_alone = marker.position == LinePosition::Start && ends_line();
                self.marks.push(ForeignMarker { start, end, is_alone });
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Finds the foreign markers in a value; call it for the values in order.
    pub(super) fn within(&mut self, text: &str, value: Range<usize>) -> ForeignInValue {
        let mut found = ForeignInValue::default();
        let mut fences = fences(text.get(value.clone()).unwrap_or_default()).peekable();
        let mut in_code = false;
        let mut behind = value.start;
        // True if text stands before the first marker that is alone, and between those behind it.
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
        // If the value's only text stands below a foreign marker, ending it there would lose the text.
        found.end = found.end.filter(|_| has_text || !has_rest);
        found
    }
}
