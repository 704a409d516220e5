//! Finds the parts of a reply that repeat an input, so that no input can answer in the model's place.
//!
//! A reply repeats an input if it contains all of the input's text in order. Blanks, line ends, upper and lower case, full-width
//! characters, backslashes, emphasis, hyphens and the `>` of quotations may differ, and the text may be escaped as in JSON. For an
//! input that contains marks of fields, an excerpt is a repeat too: a mark with the [`BEFORE`] bytes before it (or all of them) and
//! the line below it.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeMap, ops::Range};

use serde_json::Value;

use super::{Inputs, automaton::Automaton, in_json, names::narrow, reasoning};

/// Bytes of plain text before a mark that belong to an excerpt.
const BEFORE: usize = 48;

/// Most bytes of the line below a mark that belong to an excerpt.
const BEHIND: usize = 64;

/// Least letters and digits before the mark of an excerpt.
const LETTERS: usize = 8;

/// Recognises an adapter's marks of fields in a text.
pub(crate) trait Marks {
    /// False if the text certainly contains no mark and no piece of one.
    fn could_be_in(&self, text: &str) -> bool;

    /// Finds the marks of the task's fields in the text, also escaped ones.
    fn find(&self, text: &str) -> Vec<Range<usize>>;

    /// True if the text could be a mark's beginning or end.
    fn is_piece(&self, text: &str) -> bool;

    /// Returns another form in which the text may be repeated.
    fn other_form(&self, text: &str) -> Option<String> {
        let _ = text;
        None
    }
}

/// Kind of a text to search for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A text that contains marks or pieces of marks, and other text.
    Marked,
    /// A text that is one mark.
    Bare,
    /// Any other text.
    Plain,
}

/// Parts of a reply that repeat inputs; empty if no input has marks.
#[derive(Default)]
pub(crate) struct Repeats {
    /// Place in the reply of each byte of its plain text.
    places: Vec<u32>,
    marked: Vec<(usize, usize)>,
    marked_or_bare: Vec<(usize, usize)>,
    others: Vec<(usize, usize)>,
}

impl Repeats {
    pub(crate) fn find(inputs: &Inputs<'_>, reply: &str, marks: &impl Marks) -> Self {
        // Most inputs contain no marks, and the reply need not be searched.
        if !inputs.all().any(|value| could_have_marks(value, marks)) {
            return Self::default();
        }
        let mut texts = texts(inputs);
        let plain = OnceCell::new();
        let of_reply = || plain.get_or_init(|| Plain::of(reply));
        // A closing tag in an input that the model repeated in its reasoning may have ended the reasoning: the reply then begins with
        // the input's rest.
        let rests: Vec<_> = texts
            .iter()
            .flat_map(|text| reasoning::behind_ends(text))
            .filter(|rest| {
                let begins = |form: &Cow<'_, str>| of_reply().bytes.starts_with(&Plain::of(form).bytes);
                forms(rest, marks).iter().any(begins)
            })
            .map(|rest| Cow::Owned(rest.to_owned()))
            .collect();
        texts.extend(rests);
        let mut wanted = BTreeMap::new();
        for text in texts.iter().filter(|text| has_marks(text, marks)) {
            for form in forms(text, marks) {
                add_marked(&mut wanted, &form, marks);
            }
        }
        if wanted.is_empty() {
            return Self::default();
        }
        for text in &texts {
            for form in forms(text, marks) {
                wanted.entry(Plain::of(&form).bytes).or_insert(Kind::Plain);
            }
        }
        let plain = plain.into_inner().unwrap_or_else(|| Plain::of(reply));
        wanted.retain(|text, _| !text.is_empty() && text.len() <= plain.bytes.len());
        let automaton = Automaton::new(wanted.iter().map(|(text, kind)| (*kind as usize, text.as_slice())));
        let [marked, bare, others] = automaton.cover(&plain.bytes);
        let others = merged(marked.iter().chain(&others).copied().collect());
        let marked_or_bare = merged(marked.iter().chain(&bare).copied().collect());
        Self { places: plain.places, marked, marked_or_bare, others }
    }

    /// True if this mark of the reply is repeated with other text of its input: it is not the model's own.
    pub(crate) fn has(&self, part: &Range<usize>) -> bool {
        covers(&self.marked, self.plain(part))
    }

    /// True if the part begins with a repeat of an input with marks.
    pub(super) fn begins_in(&self, part: &Range<usize>) -> bool {
        let (start, end) = self.plain(part);
        covers(&self.marked, (start, end.min(start + 1)))
    }

    /// True if the part consists of repeated inputs of any kind.
    pub(super) fn covers(&self, part: &Range<usize>) -> bool {
        covers(&self.others, self.plain(part))
    }

    /// True if the part overlaps a repeat of an input with marks.
    pub(super) fn meets(&self, part: &Range<usize>) -> bool {
        let (start, end) = self.plain(part);
        let next = self.marked.partition_point(|(_, last)| *last <= start);
        self.marked.get(next).is_some_and(|(first, _)| *first < end)
    }

    /// True if a whole input is this mark. Every answer has the mark too, so the text below it decides.
    pub(crate) fn has_bare(&self, part: &Range<usize>) -> bool {
        covers(&self.marked_or_bare, self.plain(part))
    }

    /// True if a value of the reply is empty or contains an input: below a mark that could be an input's, it may not be the model's.
    pub(super) fn is_doubtful(&self, reply: &str, value: &Range<usize>) -> bool {
        let (start, end) = self.plain(value);
        let next = self.others.partition_point(|(_, last)| *last <= start);
        let is_empty = || is_blank_in_json(reply.get(value.clone()).unwrap_or_default());
        start == end || self.others.get(next).is_some_and(|(first, _)| *first < end) || is_empty()
    }

    fn plain(&self, part: &Range<usize>) -> (usize, usize) {
        let index = |at: usize| self.places.partition_point(|place| (*place as usize) < at);
        (index(part.start), index(part.end))
    }
}

/// True if a reply that repeats the inputs could repeat marks: then nothing is certain before the reply's end.
pub(super) fn could_mark(inputs: &Inputs<'_>, marks: &impl Marks) -> bool {
    inputs.all().any(|value| could_have_marks(value, marks))
        && texts(inputs).iter().any(|text| has_marks(text, marks))
}

/// False if no text or key of the value itself can contain marks; values inside of it are not checked.
fn could_have_marks(value: &Value, marks: &impl Marks) -> bool {
    match value {
        Value::String(text) => marks.could_be_in(text),
        Value::Object(map) => map.keys().any(|key| marks.could_be_in(key)),
        _ => false,
    }
}

/// True if the text contains marks or pieces of marks. Its JSON form has them only if the text does.
fn has_marks(text: &str, marks: &impl Marks) -> bool {
    let is_marked = |text: &str| marks.is_piece(text) || !marks.find(text).is_empty();
    is_marked(text) || marks.other_form(text).is_some_and(|other| is_marked(&other))
}

fn covers(ranges: &[(usize, usize)], (start, end): (usize, usize)) -> bool {
    let next = ranges.partition_point(|(_, last)| *last <= start);
    start < end && ranges.get(next).is_some_and(|(first, last)| *first <= start && end <= *last)
}

fn merged(mut ranges: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    ranges.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match merged.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// Collects every text, key and number inside of the values, which a model could repeat.
fn texts<'a>(inputs: &Inputs<'a>) -> Vec<Cow<'a, str>> {
    let mut texts = Vec::new();
    for value in inputs.all() {
        match value {
            Value::String(text) => texts.push(Cow::Borrowed(text.trim())),
            Value::Number(number) => texts.push(Cow::Owned(number.to_string())),
            Value::Object(map) => texts.extend(map.keys().map(|key| Cow::Borrowed(key.trim()))),
            Value::Array(_) | Value::Null | Value::Bool(_) => {}
        }
    }
    texts
}

/// Lists the forms in which a text may be repeated.
fn forms<'t>(text: &'t str, marks: &impl Marks) -> Vec<Cow<'t, str>> {
    let json = Some(in_json(text)).filter(|json| json != text);
    let other = marks.other_form(text).filter(|other| other != text).map(Cow::Owned);
    [Some(Cow::Borrowed(text)), json, other].into_iter().flatten().collect()
}

/// Adds the text and its excerpts if it has marks.
fn add_marked(wanted: &mut BTreeMap<Vec<u8>, Kind>, text: &str, marks: &impl Marks) {
    let found = marks.find(text);
    if found.is_empty() && !marks.is_piece(text) {
        return;
    }
    let mut between = String::new();
    let mut at = 0;
    for mark in &found {
        between.push_str(text.get(at..mark.start).unwrap_or_default());
        at = mark.end;
    }
    between.push_str(text.get(at..).unwrap_or_default());
    let plain = Plain::of(text);
    // Only a single mark is part of every answer.
    if found.len() == 1 && Plain::of(&between).bytes.is_empty() {
        wanted.insert(plain.bytes, Kind::Bare);
        return;
    }
    // The excerpt of a mark without text below it includes the next mark.
    let is_empty = |part: Range<usize>| text.get(part).is_none_or(|part| part.chars().all(is_left_out));
    let ends = found.windows(2).map(|pair| match pair {
        [mark, next] if !is_empty(mark.end..next.start) => next.start,
        [_, next] => next.end,
        _ => text.len(),
    });
    for (mark, end) in found.iter().zip(ends.chain([text.len()])) {
        wanted.extend(plain.excerpt(text, mark, end).map(|excerpt| (excerpt, Kind::Marked)));
    }
    wanted.insert(plain.bytes, Kind::Marked);
}

/// True for a character that is ignored in repeats.
pub(super) fn is_left_out(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\\>*_`-•\u{200b}\u{2060}\u{feff}".contains(c)
}

/// True if the text is only blanks, plain or escaped as in JSON.
fn is_blank_in_json(text: &str) -> bool {
    let escapes = ["\\n", "\\r", "\\t"];
    let mut rest = text.trim_start_matches(is_left_out_but_backslash);
    while let Some(behind) = escapes.iter().find_map(|escape| rest.strip_prefix(escape)) {
        rest = behind.trim_start_matches(is_left_out_but_backslash);
    }
    rest.is_empty()
}

fn is_left_out_but_backslash(c: char) -> bool {
    c != '\\' && is_left_out(c)
}

/// A text without the characters that are ignored in repeats.
struct Plain {
    bytes: Vec<u8>,
    /// Place in the text of each byte; the same for all behind 4 GiB, which no reply reaches.
    places: Vec<u32>,
}

impl Plain {
    fn of(text: &str) -> Self {
        let mut this = Self { bytes: Vec::with_capacity(text.len()), places: Vec::with_capacity(text.len()) };
        for (at, c) in text.char_indices() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let c = narrow(c);
            if is_left_out(c) {
                continue;
            }
            for c in c.to_lowercase() {
                let mut buffer = [0; 4];
                let bytes = c.encode_utf8(&mut buffer).as_bytes();
                this.bytes.extend_from_slice(bytes);
                this.places.extend(bytes.iter().map(|_| at));
            }
        }
        this
    }

    /// Cuts out a mark with some text around it, up to the next mark; `None` if too few letters stand before it to identify it.
    fn excerpt(&self, text: &str, mark: &Range<usize>, end_of_text: usize) -> Option<Vec<u8>> {
        let index = |at: usize| self.places.partition_point(|place| (*place as usize) < at);
        let (start, end) = (index(mark.start), index(mark.end));
        let before = start.saturating_sub(BEFORE);
        let letters =
            self.bytes.get(before..start)?.iter().filter(|byte| byte.is_ascii_alphanumeric() || **byte > 127);
        if letters.count() < LETTERS {
            return None;
        }
        // The search for the line's end is limited, since many marks may stand on one line.
        let limit =
            self.places.get(end + BEHIND).map_or(end_of_text, |place| end_of_text.min(*place as usize));
        let below = text.get(mark.end..limit).unwrap_or_default();
        let blank = below.len() - below.trim_start_matches(is_left_out).len();
        let line = below.get(blank..).and_then(|below| below.find('\n'));
        let behind = index(line.map_or(limit, |line| mark.end + blank + line));
        self.bytes.get(before..behind).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_touch_a_repeat_do_not_overlap_it() {
        let ranges = || vec![(2, 4)];
        let (marked, marked_or_bare, others) = (ranges(), ranges(), ranges());
        let repeats = Repeats { places: (0..10).collect(), marked, marked_or_bare, others };
        for (part, meets) in [(0..2, false), (0..3, true), (3..9, true), (4..5, false), (5..9, false)] {
            assert_eq!(
                (repeats.meets(&part), repeats.is_doubtful("0123456789", &part)),
                (meets, meets),
                "{part:?}"
            );
        }
        assert!(
            repeats.is_doubtful("0123456789", &(5..5)) && !repeats.covers(&(3..3)) && repeats.covers(&(2..4))
        );
    }

    #[test]
    fn repeats_with_a_gap_between_them_stay_two() {
        assert_eq!(merged(vec![(5, 6), (0, 2)]), [(0, 2), (5, 6)]);
        assert_eq!(merged(vec![(2, 3), (0, 2), (1, 2)]), [(0, 3)]);
    }

    #[test]
    fn an_excerpt_is_a_mark_with_enough_text_before_it_and_its_line_below() {
        let excerpt = |text: &str| {
            let mark = text.find("[[m]]").unwrap();
            let excerpt = Plain::of(text).excerpt(text, &(mark..mark + 5), text.len())?;
            Some(String::from_utf8(excerpt).unwrap())
        };
        assert_eq!(excerpt("abcdefg\n[[m]]\nbelow"), None, "seven letters are too few");
        assert_eq!(excerpt("abcdefgh\n[[m]]\n\n below\nmore").as_deref(), Some("abcdefgh[[m]]below"));
        assert!(excerpt("äöüß\n[[m]]\n").is_some() && excerpt("!!!!!!!!!!!!\n[[m]]\n").is_none());
        let long = format!("{}\n[[m]] {}", "a".repeat(100), "b".repeat(200));
        let expected = format!("{}[[m]]{}", "a".repeat(BEFORE), "b".repeat(BEHIND));
        assert_eq!(excerpt(&long), Some(expected));
    }
}
