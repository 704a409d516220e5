//! Where in a text its values stand.

use serde_json::Value;

use super::{
    Flaw, Repair, Repairs,
    lenient::{self, Cursor},
    scalar,
};

/// A value that was found in a text.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) repairs: Repairs,
    /// Where it begins.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

impl Found {
    pub(crate) fn is_truncated(&self) -> bool {
        self.repairs.contains(Repair::Truncated)
    }
}

/// The values of a text: itself, if it is one; else those in code blocks, if there are any; else all objects and lists in it.
/// At least one.
///
/// # Errors
/// There is none, or one is nested too deeply.
pub(crate) fn find(text: &str) -> Result<Vec<Found>, Flaw> {
    let whole = text.trim();
    let start = text.len() - text.trim_start().len();
    if let Ok(value) = serde_json::from_str(whole) {
        return Ok(vec![Found { value, repairs: Repairs::default(), start, end: start + whole.len() }]);
    }
    let fences = fences(text);
    let mut fenced = Vec::new();
    let mut read = 0;
    for (from, to) in &fences {
        let begin = text.get(*from..*to).and_then(|inside| inside.find(['{', '[']));
        let Some(begin) = begin.map(|offset| from + offset).filter(|begin| *begin >= read) else { continue };
        // A value may go beyond what looks like the block's end, since texts can hold code blocks: no part is read twice.
        match lenient::container(text, begin) {
            Ok(found) => {
                read = found.end;
                fenced.push(found);
            }
            Err(error) if error.fatal => return Err(error),
            Err(error) => read = error.offset,
        }
    }
    if !fenced.is_empty() {
        fenced.iter_mut().for_each(|found| found.repairs.add(Repair::Fence));
        return Ok(fenced);
    }
    let first = text.len() - text.trim_start_matches(lenient::is_blank).len();
    let last = text.trim_end_matches(lenient::is_blank).len();
    let mut all = Vec::new();
    let mut at = 0;
    let mut flaw = None;
    while let Some(offset) = text.get(at..).and_then(|rest| rest.find(['{', '['])) {
        match lenient::container(text, at + offset) {
            Ok(mut found) => {
                at = found.end;
                if found.start > first || found.end < last {
                    found.repairs.add(Repair::Prose);
                }
                all.push(found);
            }
            Err(error) if error.fatal => return Err(error),
            Err(error) => {
                // On from where it went wrong, so that no part of the text is read twice.
                at = error.offset.max(at + offset + 1);
                while !text.is_char_boundary(at) {
                    at += 1;
                }
                flaw.get_or_insert(error);
            }
        }
    }
    if all.is_empty() {
        let inside = match fences.first() {
            Some((from, to)) => (*from, *to),
            None => (0, text.len()),
        };
        if let Some(mut found) = alone(text, inside) {
            if !fences.is_empty() {
                found.repairs.add(Repair::Fence);
            }
            return Ok(vec![found]);
        }
        return Err(flaw.unwrap_or_else(|| Flaw {
            message: "there is no JSON value".into(),
            offset: 0,
            fatal: true,
        }));
    }
    Ok(all)
}

/// The text as one value that is neither an object nor a list.
fn alone(text: &str, (from, to): (usize, usize)) -> Option<Found> {
    let mut cursor = Cursor::new(text, from, to);
    cursor.skip().ok()?;
    let start = cursor.at();
    let value = scalar::alone(&mut cursor)?;
    let end = cursor.at();
    cursor.skip().ok()?;
    cursor.is_at_end().then(|| Found { value, repairs: cursor.repairs(), start, end })
}

/// The insides of the code blocks, without the language; the last one may have no end.
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
