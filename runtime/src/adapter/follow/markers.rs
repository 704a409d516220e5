//! Reads a streamed answer of field markers.

use super::{Follow, Followed, output_texts::OutputTexts};
use crate::adapter::{
    TaskField,
    marker::{self, Beginning, LinePosition},
    names::{MarkerNames, Meaning},
    prompt_texts::PromptTexts,
};

/// Most bytes of a marker; a longer one is left to the reading of the whole answer.
const LONGEST: usize = 256;

/// Reads a streamed answer of field markers that begin their lines.
///
/// The meaning of a marker elsewhere depends on the whole text, so nothing is emitted from there on.
pub(in crate::adapter) struct MarkerFollow<'a> {
    outputs: OutputTexts<'a>,
    names: MarkerNames<'a>,
    /// True before the first marker.
    is_before: bool,
    /// Text that is held back: the line's beginning, or a possible marker within it.
    held: String,
    state: LineState,
    /// True if the rest of the answer is left to the reading of the whole.
    is_lost: bool,
}

/// State within a line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum LineState {
    /// Before the first character of a line that is neither blank nor emphasis.
    LineStart,
    /// In a possible marker, which starts at this byte of the held text; true if it begins its line.
    Marker { from: usize, begins_line: bool },
    /// Behind a marker: emphasis and a colon may belong to it.
    BehindMarker,
    /// In the text of a line.
    Text,
}

impl<'a> MarkerFollow<'a> {
    pub(in crate::adapter) fn new(
        fields: Vec<TaskField<'a>>,
        names: MarkerNames<'a>,
        shown: PromptTexts<'a>,
    ) -> Self {
        Self {
            outputs: OutputTexts::new(fields, shown),
            names,
            is_before: true,
            held: String::new(),
            state: LineState::LineStart,
            is_lost: false,
        }
    }

    /// Emits the held text.
    fn release(&mut self, emit: &mut dyn FnMut(Followed<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.outputs.push(&held, emit);
    }

    /// Handles one character.
    fn take(&mut self, char: char, emit: &mut dyn FnMut(Followed<'_>)) {
        let is_end = marker::is_line_end(char);
        self.held.push(char);
        match self.state {
            LineState::LineStart if marker::is_opening(char) => {
                let from = self.held.len() - char.len_utf8();
                self.state = LineState::Marker { from, begins_line: true };
            }
            LineState::LineStart
                if !is_end
                    && self.held.len() < LONGEST
                    && (marker::is_blank(char) || marker::is_emphasis(char)) => {}
            LineState::Text if marker::is_opening(char) => {
                self.state = LineState::Marker { from: 0, begins_line: false }
            }
            LineState::LineStart | LineState::Text => {
                // A block of code may stand around the whole reply; its end is no part of a value.
                let begins_line = self.state == LineState::LineStart;
                let may_be_fence = self.held.len() >= LONGEST || self.held.trim_start().starts_with("```");
                self.is_lost |= self.is_before && begins_line && may_be_fence;
                self.state = if is_end { LineState::LineStart } else { LineState::Text };
                self.release(emit);
            }
            LineState::Marker { from, begins_line } => self.check_marker(from, begins_line, emit),
            LineState::BehindMarker if marker::is_emphasis(char) || matches!(char, ':' | '：') => {
                self.is_lost = self.held.len() > 4 * LONGEST;
            }
            LineState::BehindMarker => self.begin(emit),
        }
    }

    /// Decides whether the held text from this byte on is a marker, as far as that is certain.
    fn check_marker(&mut self, from: usize, begins_line: bool, emit: &mut dyn FnMut(Followed<'_>)) {
        let text = self.held.get(from..).unwrap_or_default();
        match marker::beginning(text) {
            Beginning::Open if text.len() <= LONGEST => {}
            Beginning::Open | Beginning::Escaped => self.is_lost = true,
            Beginning::Marker(_) => {
                let name = marker::find(text).first().map(|marker| marker.name.to_owned());
                match name.filter(|name| self.names.has(name)) {
                    Some(_) if begins_line => self.state = LineState::BehindMarker,
                    Some(_) => self.is_lost = true,
                    // The rest of the answer decides whether the value goes on behind a foreign marker.
                    None if begins_line && self.outputs.is_open() && !self.is_shown() => self.is_lost = true,
                    None => {
                        self.state = LineState::Text;
                        self.release(emit);
                    }
                }
            }
            Beginning::Nothing => {
                // A marker may begin at a later bracket; then it has text before it on its line.
                let held = std::mem::take(&mut self.held);
                let behind =
                    from + held.get(from..).and_then(|text| text.chars().next()).map_or(0, char::len_utf8);
                let (before, rest) = held.split_at(behind.min(held.len()));
                self.outputs.push(before, emit);
                self.state = LineState::Text;
                for char in rest.chars() {
                    self.take(char, emit);
                }
            }
        }
    }

    /// True if the prompt contains a marker of the held name.
    fn is_shown(&self) -> bool {
        let held = marker::find(&self.held);
        held.first().is_some_and(|marker| self.outputs.shown().has_marker(marker.name))
    }

    /// Handles the held marker; the held text goes up to the first character behind it.
    fn begin(&mut self, emit: &mut dyn FnMut(Followed<'_>)) {
        let held = std::mem::take(&mut self.held);
        let found = marker::find(&held).into_iter().next();
        let known = found.and_then(|marker| Some((self.names.find(marker.name)?, marker)));
        let Some((own, marker)) = known.filter(|(_, marker)| marker.position == LinePosition::Start) else {
            self.is_lost = true;
            return;
        };
        self.outputs.close(own == Meaning::Completed, emit);
        self.is_before = false;
        self.outputs.open(match own {
            Meaning::Output(index) => Some(index),
            Meaning::Input(_) | Meaning::Completed => None,
        });
        self.state = LineState::Text;
        for char in held.get(marker.span.end..).unwrap_or_default().chars() {
            self.take(char, emit);
        }
    }
}

impl Follow for MarkerFollow<'_> {
    fn push(&mut self, text: &str, emit: &mut dyn FnMut(Followed<'_>)) {
        let mut rest = text;
        while !rest.is_empty() && !self.is_lost {
            // The rest of a line without brackets is emitted as it is.
            let is_special = |c| marker::is_opening(c) || marker::is_line_end(c);
            let plain = match self.state {
                LineState::Text => rest.find(is_special).unwrap_or(rest.len()),
                _ => 0,
            };
            let (before, from) = rest.split_at(plain);
            if !before.is_empty() {
                self.outputs.push(before, emit);
            }
            let mut chars = from.chars();
            if let Some(char) = chars.next().filter(|_| !self.is_lost) {
                self.take(char, emit);
            }
            rest = chars.as_str();
        }
    }

    fn end(&mut self, emit: &mut dyn FnMut(Followed<'_>)) {
        if self.is_lost {
            return;
        }
        match self.state {
            LineState::BehindMarker => self.begin(emit),
            _ => self.release(emit),
        }
        self.outputs.close(true, emit);
    }
}
