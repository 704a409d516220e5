//! Following an answer of field markers.

use super::{Follow, Followed, values::Values};
use crate::adapter::{
    TaskField,
    marker::{self, Beginning, Place},
    names::{Names, Own},
    shown::Shown,
};

/// The longest marker that is looked for; a longer one is left to the reading of the whole.
const LONGEST: usize = 256;

/// Follows the markers of a task that begin their lines. What one elsewhere means only the whole text tells, and so whatever
/// comes from there on.
pub(in crate::adapter) struct MarkerFollow<'a> {
    values: Values<'a>,
    names: Names<'a>,
    /// No marker came yet.
    is_before: bool,
    /// What cannot be told yet: the line's beginning, or what may be a marker within it.
    held: String,
    place: At,
    is_lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Before the first character of a line that is neither blank nor emphasis.
    LineStart,
    /// In what may be a marker, from this byte of what is held on; whether it would begin its line.
    Marker {
        from: usize,
        begins_line: bool,
    },
    /// Behind a marker: emphasis and a colon may belong to it.
    Behind,
    Line,
}

impl<'a> MarkerFollow<'a> {
    pub(in crate::adapter) fn new(fields: Vec<TaskField<'a>>, names: Names<'a>, shown: Shown<'a>) -> Self {
        Self {
            values: Values::new(fields, shown),
            names,
            is_before: true,
            held: String::new(),
            place: At::LineStart,
            is_lost: false,
        }
    }

    /// Tells what is held as text.
    fn release(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.values.push(&held, tell);
    }

    /// Takes a character. Which of them are held depends on the text alone.
    fn take(&mut self, char: char, tell: &mut dyn FnMut(Followed<'_>)) {
        let is_end = marker::is_line_end(char);
        self.held.push(char);
        match self.place {
            At::LineStart if marker::is_opening(char) => {
                let from = self.held.len() - char.len_utf8();
                self.place = At::Marker { from, begins_line: true };
            }
            At::LineStart
                if !is_end
                    && self.held.len() < LONGEST
                    && (marker::is_blank(char) || marker::is_emphasis(char)) => {}
            At::Line if marker::is_opening(char) => self.place = At::Marker { from: 0, begins_line: false },
            At::LineStart | At::Line => {
                // A block of code may stand around the whole reply, and its end is none of a value.
                let begins_line = self.place == At::LineStart;
                let may_be_fence = self.held.len() >= LONGEST || self.held.trim_start().starts_with("```");
                self.is_lost |= self.is_before && begins_line && may_be_fence;
                self.place = if is_end { At::LineStart } else { At::Line };
                self.release(tell);
            }
            At::Marker { from, begins_line } => self.judge(from, begins_line, tell),
            At::Behind if marker::is_emphasis(char) || matches!(char, ':' | '：') => {
                self.is_lost = self.held.len() > 4 * LONGEST;
            }
            At::Behind => self.begin(tell),
        }
    }

    /// Decides whether what is held from this byte on is a marker, as far as that is certain.
    fn judge(&mut self, from: usize, begins_line: bool, tell: &mut dyn FnMut(Followed<'_>)) {
        let text = self.held.get(from..).unwrap_or_default();
        match marker::beginning(text) {
            Beginning::Open if text.len() <= LONGEST => {}
            Beginning::Open | Beginning::Escaped => self.is_lost = true,
            Beginning::Marker(_) => {
                let name = marker::find(text).first().map(|marker| marker.name.to_owned());
                match name.filter(|name| self.names.has(name)) {
                    Some(_) if begins_line => self.place = At::Behind,
                    Some(_) => self.is_lost = true,
                    // Whether the value goes on behind a marker of nobody, only the rest of the answer tells.
                    None if begins_line && self.values.is_open() && !self.is_shown() => self.is_lost = true,
                    None => {
                        self.place = At::Line;
                        self.release(tell);
                    }
                }
            }
            Beginning::Nothing => {
                // A marker may begin at a later bracket; on this line it then has text before it.
                let held = std::mem::take(&mut self.held);
                let behind =
                    from + held.get(from..).and_then(|text| text.chars().next()).map_or(0, char::len_utf8);
                let (before, rest) = held.split_at(behind.min(held.len()));
                self.values.push(before, tell);
                self.place = At::Line;
                for char in rest.chars() {
                    self.take(char, tell);
                }
            }
        }
    }

    /// True if the prompt has a marker of the name that is held.
    fn is_shown(&self) -> bool {
        let held = marker::find(&self.held);
        held.first().is_some_and(|marker| self.values.shown().has_marker(marker.name))
    }

    /// Takes the marker that is held, up to the first character that is none of it.
    fn begin(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        let held = std::mem::take(&mut self.held);
        let found = marker::find(&held).into_iter().next();
        let known = found.and_then(|marker| Some((self.names.find(marker.name)?, marker)));
        let Some((own, marker)) = known.filter(|(_, marker)| marker.place == Place::Start) else {
            self.is_lost = true;
            return;
        };
        self.values.close(own == Own::Completed, tell);
        self.is_before = false;
        self.values.open(match own {
            Own::Output(index) => Some(index),
            Own::Input(_) | Own::Completed => None,
        });
        self.place = At::Line;
        for char in held.get(marker.span.end..).unwrap_or_default().chars() {
            self.take(char, tell);
        }
    }
}

impl Follow for MarkerFollow<'_> {
    fn push(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let mut rest = text;
        while !rest.is_empty() && !self.is_lost {
            // The rest of a line without brackets is told as it is.
            let is_special = |c| marker::is_opening(c) || marker::is_line_end(c);
            let plain = match self.place {
                At::Line => rest.find(is_special).unwrap_or(rest.len()),
                _ => 0,
            };
            let (before, from) = rest.split_at(plain);
            if !before.is_empty() {
                self.values.push(before, tell);
            }
            let mut chars = from.chars();
            if let Some(char) = chars.next().filter(|_| !self.is_lost) {
                self.take(char, tell);
            }
            rest = chars.as_str();
        }
    }

    fn end(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        if self.is_lost {
            return;
        }
        match self.place {
            At::Behind => self.begin(tell),
            _ => self.release(tell),
        }
        self.values.close(true, tell);
    }
}
