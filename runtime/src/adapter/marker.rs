//! Field markers `[[ ## name ## ]]`: how they are written, found, and kept out of values.
//!
//! Whether a text has a marker at some place is decided by that line alone, so a reply can be searched line by line, as it comes.

use std::ops::Range;

/// The name that ends an answer.
pub(crate) const COMPLETED: &str = "completed";

/// Stands at the end of a value that has blanks there, which would be left out otherwise.
const EDGE: &str = "[[ \\ ]]";

/// Adds the marker line of a field.
pub(crate) fn write(out: &mut String, name: &str) {
    out.push_str("[[ ## ");
    out.push_str(name);
    out.push_str(" ## ]]");
}

/// How much a marker's place says that it is meant as one; the first says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// It begins its line, behind nothing but blanks and emphasis.
    Start,
    /// It begins its line as a heading, an item of a list, or a quotation.
    Item,
    /// Other text stands before it.
    Within,
}

/// A marker in a text: the name in it, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Marker<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: Place,
    /// From bracket to bracket.
    pub(crate) core: Range<usize>,
    /// With the emphasis around it, the blanks and list signs before it, and a colon behind it.
    pub(crate) span: Range<usize>,
    /// Where its line begins.
    pub(crate) line: usize,
    /// True if nothing stands behind it on its line.
    pub(crate) ends_line: bool,
    /// True if it is written as [`write`] does, alone on its line.
    pub(crate) is_plain: bool,
}

/// All markers of the text, whatever their names.
pub(crate) fn find(text: &str) -> Vec<Marker<'_>> {
    let mut markers = Vec::new();
    each(text, |marker| markers.push(marker));
    markers
}

/// Gives each marker of the text in order, whatever its name. A text may have a marker every few bytes, so who takes them keeps
/// only what is needed.
pub(crate) fn each<'a>(text: &'a str, mut take: impl FnMut(Marker<'a>)) {
    let mut start = 0;
    for line in text.split_inclusive(is_line_end) {
        find_in_line(start, line, &mut take);
        start += line.len();
    }
}

fn find_in_line<'a>(line_start: usize, line: &'a str, take: &mut impl FnMut(Marker<'a>)) {
    let body = line.trim_end_matches(|c| is_line_end(c) || is_blank(c));
    let mut at = 0;
    // Where what stands before the marker begins.
    let mut behind_last = 0;
    while let Some(found) = body.get(at..).and_then(|rest| rest.find(is_opening)) {
        let start = at + found;
        let from = body.get(start..).unwrap_or_default();
        let Some(Parts { name, slashes: 0, length, .. }) = parts(from) else {
            at = start + from.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        let end = start + length;
        let before = body.get(behind_last..start).unwrap_or_default();
        let behind = body.get(end..).unwrap_or_default();
        let place = if behind_last == 0 { place(before) } else { Place::Within };
        let unemphasised = before.trim_end_matches(is_emphasis);
        let emphasis = before.get(unemphasised.len()..).unwrap_or_default();
        let mut rest = without_prefix(behind, emphasis);
        let mut span_start = start;
        match place {
            Place::Start | Place::Item => {
                span_start = 0;
                if let Some(colon) = rest.strip_prefix([':', '：']) {
                    let colon = without_prefix(colon, emphasis);
                    if colon.is_empty() || colon.starts_with(is_blank) {
                        rest = colon;
                    }
                }
            }
            Place::Within if rest.len() < behind.len() => span_start = start - emphasis.len(),
            Place::Within => {}
        }
        at = body.len() - rest.len();
        behind_last = at;
        let ends_line = rest.trim_start_matches(is_blank).is_empty();
        let is_alone = start == 0 && at == end && ends_line;
        take(Marker {
            name,
            place,
            core: line_start + start..line_start + end,
            span: line_start + span_start..line_start + at,
            line: line_start,
            ends_line,
            is_plain: is_alone && is_plain(from, name, length),
        });
    }
}

/// True if the marker with which the text begins is written as [`write`] does.
fn is_plain(text: &str, name: &str, length: usize) -> bool {
    let inside = text.get(..length).and_then(|core| core.strip_prefix("[[ ## ")?.strip_suffix(" ## ]]"));
    inside == Some(name)
}

/// The text without the closing emphasis with which it begins, if it does.
fn without_prefix<'t>(text: &'t str, emphasis: &str) -> &'t str {
    if emphasis.is_empty() {
        return text;
    }
    let closing: String = emphasis.chars().rev().collect();
    text.strip_prefix(&*closing).unwrap_or(text)
}

/// What a marker's place is, by what stands before it on its line.
fn place(before: &str) -> Place {
    let is_sign = |c| is_blank(c) || is_emphasis(c) || "#>-+•~".contains(c);
    if before.chars().all(|c| is_blank(c) || is_emphasis(c)) {
        return Place::Start;
    }
    let rest = before.trim_start_matches(is_sign);
    let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = match number.strip_prefix(['.', ')']) {
        Some(behind) if (1..4).contains(&(rest.len() - number.len())) => behind,
        _ => rest,
    };
    if rest.chars().all(is_sign) { Place::Item } else { Place::Within }
}

/// The ends of a line, those of Python's `splitlines`.
pub(crate) fn is_line_end(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}' | '\u{1d}' | '\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

pub(crate) fn is_blank(c: char) -> bool {
    (c.is_whitespace() && !is_line_end(c)) || matches!(c, '\u{1f}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

pub(crate) fn is_emphasis(c: char) -> bool {
    matches!(c, '*' | '_' | '`')
}

pub(crate) fn is_opening(c: char) -> bool {
    matches!(c, '[' | '［' | '【')
}

fn is_closing(c: char) -> bool {
    matches!(c, ']' | '］' | '】')
}

fn is_hash(c: char) -> bool {
    matches!(c, '#' | '＃')
}

/// What a marker consists of.
struct Parts<'a> {
    name: &'a str,
    /// How many backslashes stand before its first hash, and where.
    slashes: usize,
    slashes_at: usize,
    length: usize,
}

/// The marker with which the text begins, with or without backslashes before its first hash. No bracket and no hash is in a
/// name, so that no text is looked at more than a few times.
fn parts(text: &str) -> Option<Parts<'_>> {
    let next = |text: &'_ str, is: fn(char) -> bool| -> Option<usize> {
        let rest = text.strip_prefix(is)?;
        Some(text.len() - rest.trim_start_matches(is_blank).len())
    };
    let mut at = 0;
    let rest = |at: usize| text.get(at..).unwrap_or_default();
    for _ in 0..2 {
        at += next(rest(at), is_opening)?;
    }
    let slashes_at = at;
    let slashes = rest(at).len() - rest(at).trim_start_matches('\\').len();
    at += slashes;
    for _ in 0..2 {
        at += next(rest(at), is_hash)?;
    }
    let is_end = |c| is_hash(c) || is_opening(c) || is_closing(c) || is_line_end(c);
    let name = rest(at).get(..rest(at).find(is_end)?)?;
    at += name.len();
    for is in [is_hash, is_hash, is_closing] {
        at += next(rest(at), is)?;
    }
    let behind = rest(at).strip_prefix(is_closing)?;
    let name = name.trim_matches(|c| is_blank(c) || c == '*' || c == '`');
    let length = text.len() - behind.len();
    (!name.is_empty()).then_some(Parts { name, slashes, slashes_at, length })
}

/// What may become of a text that begins with an opening bracket, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Beginning {
    /// It begins with a marker, so many bytes long.
    Marker(usize),
    /// It begins with a marker that has backslashes, or with the sign of a blank end.
    Escaped,
    /// It may go on to be either.
    Open,
    /// It is neither.
    Nothing,
}

/// What the text, which begins with an opening bracket, may become.
pub(crate) fn beginning(text: &str) -> Beginning {
    let is_gap = |c| is_blank(c) || is_opening(c);
    let inside = text.trim_start_matches(is_gap);
    if inside.starts_with('\\') {
        return Beginning::Escaped;
    }
    match parts(text) {
        Some(parts) => Beginning::Marker(parts.length),
        // No bracket is in a marker but those at its ends.
        None if inside.is_empty() => Beginning::Open,
        None if inside.starts_with(is_hash) && !inside.contains(|c| is_opening(c) || is_line_end(c)) => {
            if inside.chars().filter(|c| is_closing(*c)).count() < 2 {
                Beginning::Open
            } else {
                Beginning::Nothing
            }
        }
        None => Beginning::Nothing,
    }
}

/// Where the text has what is a marker or would be one without backslashes.
pub(crate) fn find_like(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(is_opening)).map(|found| at + found) {
        let from = text.get(start..).unwrap_or_default();
        at = start + from.chars().next().map_or(1, char::len_utf8);
        if let Some(parts) = parts(from) {
            at = start + parts.length;
            found.push((parts.name, start..at));
        }
    }
    found
}

/// True if the text may begin within a marker or end within one.
pub(crate) fn is_piece(text: &str) -> bool {
    let is_gap = |c| is_blank(c) || is_opening(c) || c == '\\';
    let is_cut_behind = text.rfind(is_opening).and_then(|at| text.get(at..)).is_some_and(|from| {
        let inside = from.trim_start_matches(is_gap);
        let has_no_end = inside.chars().filter(|c| is_closing(*c)).count() < 2;
        inside.is_empty() || inside.starts_with(is_hash) && has_no_end && !inside.contains(is_line_end)
    });
    let text = text.trim_start_matches(is_blank);
    let before = text.get(..text.find(is_opening).unwrap_or(text.len())).unwrap_or_default();
    let end = before.find(is_closing).and_then(|at| before.get(..at));
    is_cut_behind || end.is_some_and(|end| end.is_empty() || end.contains(is_hash))
}

/// The value with a backslash in everything that would read as a marker of a reserved name: `[[ \## name ## ]]`; and with
/// [`EDGE`] where it begins or ends with blanks. [`unescape`] gives it back exactly.
pub(crate) fn escape(value: &str, reserved: impl Fn(&str) -> bool) -> String {
    change_backslashes(value, reserved, |count| count + 1)
}

/// The inverse of [`escape`].
pub(crate) fn unescape(value: &str, reserved: impl Fn(&str) -> bool) -> String {
    if !value.contains('\\') {
        return value.into();
    }
    change_backslashes(value, reserved, |count: usize| count.saturating_sub(1))
}

/// An escaped value with its ends marked if they are blank, so that they are not left out; or if `always`. [`without_edges`]
/// gives it back exactly.
pub(crate) fn with_edges(escaped: String, always: bool) -> String {
    let before = always || escaped.starts_with(char::is_whitespace) || escaped.starts_with(EDGE);
    let behind = escaped.ends_with(char::is_whitespace) || escaped.ends_with(EDGE);
    match (before, behind) {
        (false, false) => escaped,
        (true, false) => format!("{EDGE}{escaped}"),
        (false, true) => format!("{escaped}{EDGE}"),
        (true, true) => format!("{EDGE}{escaped}{EDGE}"),
    }
}

/// The value without the marks of its ends and the blanks outside of them, and whether it had any.
pub(crate) fn without_edges(value: &str) -> (&str, bool) {
    let value = value.trim();
    let inside = value.strip_prefix(EDGE).unwrap_or(value);
    let inside = inside.strip_suffix(EDGE).unwrap_or(inside);
    (inside, inside.len() < value.len())
}

/// Changes the number of backslashes before the first hash of everything marker-like with a reserved name.
fn change_backslashes(
    value: &str,
    reserved: impl Fn(&str) -> bool,
    change: impl Fn(usize) -> usize,
) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, from)) = rest.find(is_opening).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(before);
        match parts(from) {
            Some(parts) if reserved(parts.name) => {
                let (opening, behind) = from.split_at(parts.slashes_at);
                out.push_str(opening);
                out.extend(std::iter::repeat_n('\\', change(parts.slashes)));
                let (marker, behind) = behind.split_at(parts.length - parts.slashes_at);
                out.push_str(marker.get(parts.slashes..).unwrap_or_default());
                rest = behind;
            }
            _ => {
                // One bracket on: `[[[ ## x ## ]]` has its marker at the second one.
                let (bracket, behind) = from.split_at(from.chars().next().map_or(0, char::len_utf8));
                out.push_str(bracket);
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
#[path = "marker_tests.rs"]
mod tests;
