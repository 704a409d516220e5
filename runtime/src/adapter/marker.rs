//! Writes, finds and escapes field markers: `[[ ## name ## ]]`.
//!
//! The line of a marker alone decides whether it is one, so a reply can be searched line by line, as it comes.

use std::{borrow::Cow, ops::Range};

use memchr::memchr3;

/// Name of the marker that ends an answer.
pub(crate) const COMPLETED: &str = "completed";

/// Sign at the end of a value that ends with blanks, so that they are kept.
const EDGE: &str = "[[ \\ ]]";

/// Writes the marker of a field.
pub(crate) fn write(out: &mut String, name: &str) {
    out.push_str("[[ ## ");
    out.push_str(name);
    out.push_str(" ## ]]");
}

/// Position of a marker in its line; the first is the most certain to be meant as a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LinePosition {
    /// Behind nothing but blanks and emphasis.
    Start,
    /// Behind the sign of a heading, a list item, or a quotation.
    Item,
    /// Behind other text.
    Within,
}

/// A marker in a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Marker<'a> {
    pub(crate) name: &'a str,
    pub(crate) position: LinePosition,
    /// Bytes from bracket to bracket.
    pub(crate) core: Range<usize>,
    /// Bytes with the emphasis around it, the blanks and list signs before it, and a colon behind it.
    pub(crate) span: Range<usize>,
    /// Start of its line.
    pub(crate) line: usize,
    /// True if it ends its line.
    pub(crate) ends_line: bool,
    /// True if it is written as [`write`] writes it, alone on its line.
    pub(crate) is_plain: bool,
}

/// Finds all markers of the text, whatever their names.
pub(crate) fn find(text: &str) -> Vec<Marker<'_>> {
    let mut markers = Vec::new();
    each(text, |marker| markers.push(marker));
    markers
}

/// Calls `take` with each marker of the text in order, whatever its name. A text may have a marker every few bytes, so callers keep
/// only what they need.
pub(crate) fn each<'a>(text: &'a str, mut take: impl FnMut(Marker<'a>)) {
    let mut line = Line::default();
    let mut at = 0;
    while let Some(bracket) = opening(text, at) {
        at = bracket.end;
        let from = text.get(bracket.start..).unwrap_or_default();
        if let Some(parts) = parts(from).filter(|parts| parts.slashes == 0) {
            if bracket.start >= line.end {
                line = line.next(text, bracket.start..bracket.start + parts.length);
            }
            let marker = line.marker(text, bracket.start, &parts);
            at = marker.span.end;
            take(marker);
        }
    }
}

/// A line that has markers.
#[derive(Default)]
struct Line {
    start: usize,
    /// Start of the blanks at its end.
    body_end: usize,
    end: usize,
    /// End of its last marker so far.
    behind_last: usize,
}

impl Line {
    /// Finds the line of a marker behind this line.
    fn next(&self, text: &str, marker: Range<usize>) -> Self {
        let before = text.get(self.end..marker.start).unwrap_or_default();
        let start = self.end + before.trim_end_matches(|c| !is_line_end(c)).len();
        let behind = text.get(marker.end..).unwrap_or_default();
        let end = marker.end + behind.find(is_line_end).unwrap_or(behind.len());
        let body = text.get(start..end).unwrap_or_default().trim_end_matches(is_blank);
        Self { start, body_end: start + body.len(), end, behind_last: start }
    }

    /// Builds the marker that begins at `start`.
    fn marker<'a>(&mut self, text: &'a str, start: usize, parts: &Parts<'a>) -> Marker<'a> {
        let end = start + parts.length;
        let before = text.get(self.behind_last..start).unwrap_or_default();
        let behind = text.get(end..self.body_end).unwrap_or_default();
        let position = if self.behind_last == self.start { position(before) } else { LinePosition::Within };
        let unemphasised = before.trim_end_matches(is_emphasis);
        let emphasis = before.get(unemphasised.len()..).unwrap_or_default();
        let mut rest = without_prefix(behind, emphasis);
        let mut span_start = start;
        match position {
            LinePosition::Start | LinePosition::Item => {
                span_start = self.start;
                if let Some(colon) = rest.strip_prefix([':', '：']) {
                    let colon = without_prefix(colon, emphasis);
                    if colon.is_empty() || colon.starts_with(is_blank) {
                        rest = colon;
                    }
                }
            }
            LinePosition::Within if rest.len() < behind.len() => span_start = start - emphasis.len(),
            LinePosition::Within => {}
        }
        self.behind_last = self.body_end - rest.len();
        let is_alone = start == self.start && end == self.body_end;
        Marker {
            name: parts.name,
            position,
            core: start..end,
            span: span_start..self.behind_last,
            line: self.start,
            ends_line: rest.is_empty(),
            is_plain: is_alone && is_plain(text.get(start..end).unwrap_or_default(), parts.name),
        }
    }
}

/// True if the marker is written as [`write`] writes it.
fn is_plain(marker: &str, name: &str) -> bool {
    marker.strip_prefix("[[ ## ").and_then(|marker| marker.strip_suffix(" ## ]]")) == Some(name)
}

/// Removes the closing emphasis with which the text may begin.
fn without_prefix<'t>(text: &'t str, emphasis: &str) -> &'t str {
    if emphasis.is_empty() {
        return text;
    }
    let closing: String = emphasis.chars().rev().collect();
    text.strip_prefix(&*closing).unwrap_or(text)
}

/// Judges a marker's position by the text before it on its line.
fn position(before: &str) -> LinePosition {
    let is_sign = |c| is_blank(c) || is_emphasis(c) || "#>-+•~".contains(c);
    if before.chars().all(|c| is_blank(c) || is_emphasis(c)) {
        return LinePosition::Start;
    }
    let rest = before.trim_start_matches(is_sign);
    let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = match number.strip_prefix(['.', ')']) {
        Some(behind) if (1..4).contains(&(rest.len() - number.len())) => behind,
        _ => rest,
    };
    if rest.chars().all(is_sign) { LinePosition::Item } else { LinePosition::Within }
}

/// True for the line ends of Python's `splitlines`.
pub(crate) fn is_line_end(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}' | '\u{1d}' | '\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

pub(crate) fn is_blank(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' ' | '\t' | '\u{1f}');
    }
    (c.is_whitespace() && !is_line_end(c)) || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
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

/// Finds the first opening bracket from this byte on.
fn opening(text: &str, from: usize) -> Option<Range<usize>> {
    sign(text, from, ['[', '［', '【'])
}

/// Finds the first of these signs from this byte on. It searches for their last bytes, many at a time: in texts of any script, few
/// other characters have them.
fn sign(text: &str, from: usize, signs: [char; 3]) -> Option<Range<usize>> {
    let [one, two, three] = signs;
    let mut end = from;
    loop {
        let rest = text.as_bytes().get(end..)?;
        end += memchr3(last_byte(one), last_byte(two), last_byte(three), rest)? + 1;
        let last = text.get(..end).and_then(|before| before.chars().next_back());
        if let Some(c) = last.filter(|c| signs.contains(c)) {
            return Some(end - c.len_utf8()..end);
        }
    }
}

/// Returns the last byte of a character in UTF-8: its lowest bits.
const fn last_byte(c: char) -> u8 {
    if c.is_ascii() { c as u8 } else { 0x80 | (c as u32 & 0x3f) as u8 }
}

/// True if the text has a bracket; without one, it has no marker and no piece of one.
pub(crate) fn has_bracket(text: &str) -> bool {
    opening(text, 0).is_some() || sign(text, 0, [']', '］', '】']).is_some()
}

/// Parts of a marker.
struct Parts<'a> {
    name: &'a str,
    /// Number of backslashes before the first hash, and their place.
    slashes: usize,
    slashes_at: usize,
    length: usize,
}

/// Parses the marker with which the text begins, with or without backslashes before its first hash. A name contains no bracket and
/// no hash, so that no text is read more than a few times.
fn parts(text: &str) -> Option<Parts<'_>> {
    let slashed = behind(behind(text, is_opening)?, is_opening)?;
    let rest = slashed.trim_start_matches('\\');
    let (slashes, slashes_at) = (slashed.len() - rest.len(), text.len() - slashed.len());
    let rest = behind(behind(rest, is_hash)?, is_hash)?;
    let is_end = |c| is_hash(c) || is_opening(c) || is_closing(c) || is_line_end(c);
    let (name, rest) = rest.split_at_checked(rest.find(is_end)?)?;
    let rest = behind(behind(behind(rest, is_hash)?, is_hash)?, is_closing)?.strip_prefix(is_closing)?;
    let name = name.trim_matches(|c| is_blank(c) || c == '*' || c == '`');
    (!name.is_empty()).then_some(Parts { name, slashes, slashes_at, length: text.len() - rest.len() })
}

/// Returns the text behind the sign with which it begins, and behind the blanks after that.
fn behind(text: &str, is_sign: impl Fn(char) -> bool) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().filter(|c| is_sign(*c))?;
    let mut behind = chars.as_str();
    while chars.next().is_some_and(is_blank) {
        behind = chars.as_str();
    }
    Some(behind)
}

/// What a text that begins with an opening bracket may become, judged by its beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Beginning {
    /// It begins with a marker of this many bytes.
    Marker(usize),
    /// It begins with a marker that has backslashes, or with the sign of a blank end.
    Escaped,
    /// It may go on to be either.
    Open,
    /// It is neither.
    Nothing,
}

/// Judges what a text that begins with an opening bracket may become.
pub(crate) fn beginning(text: &str) -> Beginning {
    let is_gap = |c| is_blank(c) || is_opening(c);
    let inside = text.trim_start_matches(is_gap);
    if inside.starts_with('\\') {
        return Beginning::Escaped;
    }
    match parts(text) {
        Some(parts) => Beginning::Marker(parts.length),
        // A marker has brackets only at its ends.
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

/// Finds markers in the text, also those with backslashes.
pub(crate) fn find_like(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(Range { start, end }) = opening(text, at) {
        at = end;
        if let Some(parts) = text.get(start..).and_then(parts) {
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

/// Escapes everything in a value that would read as a marker of a reserved name: `[[ \## name ## ]]`. [`unescape`] gives it back
/// exactly.
pub(crate) fn escape(value: &str, reserved: impl Fn(&str) -> bool) -> Cow<'_, str> {
    change_backslashes(value, &reserved, |count| count + 1)
}

/// Inverts [`escape`].
pub(crate) fn unescape(value: &str, reserved: impl Fn(&str) -> bool) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    change_backslashes(value, &reserved, |count: usize| count.saturating_sub(1))
}

/// Marks the ends of an escaped value with [`EDGE`] if they are blank, and its beginning also if `always`. [`without_edges`] gives
/// it back exactly.
pub(crate) fn with_edges(escaped: Cow<'_, str>, always: bool) -> Cow<'_, str> {
    let before = always || escaped.starts_with(char::is_whitespace) || escaped.starts_with(EDGE);
    let behind = escaped.ends_with(char::is_whitespace) || escaped.ends_with(EDGE);
    match (before, behind) {
        (false, false) => escaped,
        (true, false) => format!("{EDGE}{escaped}").into(),
        (false, true) => format!("{escaped}{EDGE}").into(),
        (true, true) => format!("{EDGE}{escaped}{EDGE}").into(),
    }
}

/// Removes the marks of a value's ends and the blanks outside of them; true if it had marks.
pub(crate) fn without_edges(value: &str) -> (&str, bool) {
    let value = value.trim();
    let inside = value.strip_prefix(EDGE).unwrap_or(value);
    let inside = inside.strip_suffix(EDGE).unwrap_or(inside);
    (inside, inside.len() < value.len())
}

/// Changes the number of backslashes before the first hash of each marker with a reserved name.
fn change_backslashes<'v>(
    value: &'v str,
    reserved: &dyn Fn(&str) -> bool,
    change: fn(usize) -> usize,
) -> Cow<'v, str> {
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(Range { start, end }) = opening(value, at) {
        // One bracket on: `[[[ ## x ## ]]` has its marker at the second one.
        at = end;
        let from = value.get(start..).unwrap_or_default();
        if let Some(parts) = parts(from).filter(|parts| reserved(parts.name)) {
            let slashes = start + parts.slashes_at;
            out.push_str(value.get(copied..slashes).unwrap_or_default());
            out.extend(std::iter::repeat_n('\\', change(parts.slashes)));
            (copied, at) = (slashes + parts.slashes, start + parts.length);
        }
    }
    if copied == 0 {
        return Cow::Borrowed(value);
    }
    out.push_str(value.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
#[path = "marker_tests.rs"]
mod tests;
