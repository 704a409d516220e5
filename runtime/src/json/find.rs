//! Finds the JSON values in a text.

use serde_json::Value;

use super::{
    Flaw, Repair, Repairs,
    lenient::{self, Cursor},
    python, scalar, strict, string,
};

/// A JSON value found in a text.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) repairs: Repairs,
    /// Byte of the text at which it begins.
    pub(crate) start: usize,
    /// Byte of the text behind its end.
    pub(crate) end: usize,
    /// True if `value` may lack digits of a number in the text.
    pub(crate) has_large: bool,
}

impl Found {
    pub(crate) fn is_truncated(&self) -> bool {
        self.repairs.contains(Repair::Truncated)
    }

    /// True if the value itself needed no repair.
    fn is_valid(&self) -> bool {
        let is_around = |repair| matches!(repair, Repair::Prose | Repair::Fence | Repair::DoubtfulEscape);
        self.repairs.iter().all(is_around)
    }
}

/// Finds the values of a text: the whole text, if it is one value; else every object and list in it. Returns at least one.
///
/// Values in code blocks have [`Repair::Fence`].
///
/// # Errors
/// There is no value, or one is nested too deeply.
pub(crate) fn find(text: &str) -> Result<Vec<Found>, Flaw> {
    let whole = text.trim();
    let start = text.len() - text.trim_start().len();
    if let Some(strict::Read { value, has_double, has_large }) = strict::read(whole) {
        let mut repairs = Repairs::default();
        if has_double {
            repairs.add(Repair::DoubleKey);
        }
        if string::has_doubtful_escape(whole) {
            repairs.add(Repair::DoubtfulEscape);
        }
        return Ok(vec![Found { value, repairs, start, end: start + whole.len(), has_large }]);
    }
    // Brackets inside of joined texts begin no values.
    if whole.starts_with(string::opens) && whole.contains('+') {
        let is_joined = |found: &Found| {
            found.repairs.contains(Repair::Joined) && !found.repairs.contains(Repair::InnerQuote)
        };
        if let Some(joined) = alone(text, (start, text.len())).filter(is_joined) {
            return Ok(vec![joined]);
        }
    }
    let fences = fences(text);
    // Code blocks first: braces in the prose before one might swallow it.
    let fenced = fenced(text, &fences)?;
    let (mut all, flaw) = around(text, &fenced)?;
    // A text of a valid value may contain the marks of a code block.
    let has = |outer: &Found, inner: &Found| {
        outer.start < inner.start && (inner.end <= outer.end || outer.is_valid() && inner.start < outer.end)
    };
    let stands_alone = |inner: &Found| !all.iter().any(|outer| has(outer, inner));
    let fenced: Vec<_> = fenced.into_iter().filter(stands_alone).collect();
    all.extend(fenced);
    all.sort_by_key(|found| found.start);
    if !all.is_empty() {
        return Ok(all);
    }
    let inside = fences.first().copied().unwrap_or((0, text.len()));
    match alone(text, inside) {
        Some(mut found) => {
            if !fences.is_empty() {
                found.repairs.add(Repair::Fence);
            }
            Ok(vec![found])
        }
        None => Err(flaw.unwrap_or_else(|| Flaw {
            message: "there is no JSON value".into(),
            offset: 0,
            end: 0,
            fatal: true,
        })),
    }
}

/// Picks the one value that a text means, those in code blocks first. `None` if values differ or the value is cut off.
pub(crate) fn unambiguous(mut all: Vec<Found>) -> Option<Found> {
    if all.iter().any(|found| found.repairs.contains(Repair::Fence)) {
        all.retain(|found| found.repairs.contains(Repair::Fence));
    }
    let last = all.pop()?;
    (!last.is_truncated() && all.iter().all(|other| other.value == last.value)).then_some(last)
}

/// True if the text begins a tuple or several quoted texts, and is not one whole text.
pub(crate) fn begins_sequence(text: &str) -> bool {
    let text = text.trim();
    let Some(quote) = text.chars().next().filter(|c| string::opens(*c)) else {
        return Cursor::new(text, 0, text.len()).begins_sure_tuple();
    };
    let behind = text.match_indices(|c| string::closes(quote, c)).skip(1).map(|(at, close)| at + close.len());
    let mut behind = behind.filter_map(|at| text.get(at..)).map(str::trim_start);
    let is_one =
        |found: Found| !found.repairs.contains(Repair::Joined) && !found.repairs.contains(Repair::InnerQuote);
    behind.any(|behind| behind.is_empty() || behind.starts_with([',', '+']))
        && !alone(text, (0, text.len())).is_some_and(is_one)
}

/// True if the value is written as Python's `OrderedDict`.
pub(crate) fn is_ordered_dict(text: &str, found: &Found) -> bool {
    text.get(found.start..).is_some_and(|from| from.starts_with(python::ORDERED))
}

/// True if the text contains the beginning of Python's `OrderedDict`.
pub(crate) fn has_ordered_dict(text: &str) -> bool {
    text.contains(python::ORDERED)
}

/// Reads the tuple with which this part of the text begins. A tuple of words alone, as in prose, must be the whole part.
fn tuple(text: &str, from: usize, to: usize) -> Option<Result<Found, Flaw>> {
    let part = text.get(from..to)?;
    let begin = from + part.len() - part.trim_start_matches(lenient::is_blank).len();
    let cursor = Cursor::new(text, begin, to);
    if cursor.peek() != Some('(') || !cursor.begins_python() {
        return None;
    }
    let read = lenient::container(text, begin);
    let is_whole = read.as_ref().is_ok_and(|found| is_all_until(text, found, to));
    (is_whole || cursor.begins_sure_tuple()).then_some(read)
}

/// True if only blanks, `;` and `.` follow the value.
fn is_all_until(text: &str, found: &Found, end: usize) -> bool {
    let behind = text.get(found.end..end).unwrap_or_default();
    behind.chars().all(|c| lenient::is_blank(c) || ";.".contains(c))
}

/// Finds where the next object, list or ordered dictionary begins.
fn next(text: &str, from: usize, to: usize) -> Option<usize> {
    let begin = from + text.get(from..to)?.find(['{', '['])?;
    let name = text.get(from..begin)?.strip_suffix(python::ORDERED);
    Some(name.map_or(begin, |before| from + before.len()))
}

/// Reads the first object or list of each code block. A value may go beyond what looks like the block's end, since its texts may
/// contain code blocks. No part is read twice.
fn fenced(text: &str, fences: &[(usize, usize)]) -> Result<Vec<Found>, Flaw> {
    let mut all = Vec::new();
    let mut read = 0;
    // Marks within the texts of a valid value are no code block's. Such values are read at the first need.
    let mut outer = None;
    let mut is_in_valid = |at: usize| {
        let outer = outer.get_or_insert_with(|| around(text, &[]).map(|(all, _)| all).unwrap_or_default());
        outer.iter().any(|found| found.is_valid() && (found.start..found.end).contains(&at))
    };
    for (from, to) in fences {
        if let Some(tuple) = (*from >= read).then(|| tuple(text, *from, *to)).flatten() {
            let mut found = match tuple {
                Ok(found) => found,
                Err(_) if is_in_valid(*from) => continue,
                Err(error) => return Err(error),
            };
            read = found.end;
            if is_all_until(text, &found, *to) {
                found.repairs.add(Repair::Fence);
                all.push(found);
            }
            continue;
        }
        let Some(begin) = next(text, *from, *to).filter(|begin| *begin >= read) else { continue };
        match lenient::container(text, begin) {
            Ok(mut found) => {
                read = found.end;
                found.repairs.add(Repair::Fence);
                all.push(found);
            }
            Err(error) if error.fatal && !is_in_valid(*from) => return Err(error),
            Err(error) => read = error.end,
        }
    }
    Ok(all)
}

/// Reads the objects and lists outside of code blocks; also returns the flaw of the first that cannot be read.
fn around(text: &str, fenced: &[Found]) -> Result<(Vec<Found>, Option<Flaw>), Flaw> {
    let first = text.len() - text.trim_start_matches(lenient::is_blank).len();
    let last = text.trim_end_matches(lenient::is_blank).len();
    let has_other_blanks = last.saturating_sub(first) < text.trim().len();
    let mut fenced = fenced.iter().peekable();
    let mut all = Vec::new();
    let mut flaw = None;
    let mut at = 0;
    if let Some(tuple) = tuple(text, 0, text.len()) {
        // The values in half a tuple are parts of it: none is returned by itself.
        let mut found = tuple?;
        at = found.end;
        if is_all_until(text, &found, last) {
            if has_other_blanks {
                found.repairs.add(Repair::Blank);
            }
            if found.end < last {
                found.repairs.add(Repair::Prose);
            }
            all.push(found);
        }
    }
    while let Some(begin) = next(text, at, text.len()) {
        while fenced.peek().is_some_and(|found| found.end <= begin) {
            fenced.next();
        }
        if let Some(found) = fenced.peek().filter(|found| found.start <= begin) {
            at = found.end;
            continue;
        }
        match lenient::container(text, begin) {
            Ok(mut found) => {
                at = found.end;
                if found.start > first || found.end < last {
                    found.repairs.add(Repair::Prose);
                }
                if has_other_blanks {
                    found.repairs.add(Repair::Blank);
                }
                all.push(found);
            }
            Err(error) if error.fatal => return Err(error),
            Err(error) => {
                // Go on where it went wrong, so that no part of the text is read twice.
                at = error.end.max(begin + 1);
                flaw.get_or_insert(error);
            }
        }
    }
    Ok((all, flaw))
}

/// Reads the text as one value that is neither an object nor a list.
fn alone(text: &str, (from, to): (usize, usize)) -> Option<Found> {
    let mut cursor = Cursor::new(text, from, to);
    cursor.skip().ok()?;
    let start = cursor.at();
    let value = scalar::alone(&mut cursor)?;
    let end = cursor.at();
    cursor.skip().ok()?;
    let found = Found { value, repairs: cursor.repairs(), start, end, has_large: false };
    cursor.is_at_end().then(|| found.with_large_noted())
}

/// Finds the insides of the code blocks, without the language; the last block may have no end.
fn fences(text: &str) -> Vec<(usize, usize)> {
    let marks: Vec<usize> = text.match_indices("```").map(|(at, _)| at).collect();
    marks
        .chunks(2)
        .filter_map(|pair| {
            let open = *pair.first()? + 3;
            let close = pair.get(1).copied().unwrap_or(text.len());
            let inside = text.get(open..close)?;
            let language = inside.find(|c: char| !(c.is_alphanumeric() || "+-_.".contains(c)));
            Some((open + language.filter(|_| !inside.starts_with(['{', '['])).unwrap_or(0), close))
        })
        .collect()
}
