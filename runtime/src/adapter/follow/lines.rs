//! Following an answer of labelled lines.

use super::{Follow, Followed, Trimmed};
use crate::adapter::{TaskField, terse::Labels};

/// Follows the labelled lines of a task's outputs.
pub(in crate::adapter) struct LineFollow<'a> {
    fields: Vec<TaskField<'a>>,
    wanted: Labels,
    given: Labels,
    longest: usize,
    /// The beginning of a line that may become a label.
    held: String,
    in_line: bool,
    /// The field to which the text belongs.
    open: Option<usize>,
    texts: Vec<Text>,
    /// An input's label came: what follows is no answer.
    is_over: bool,
}

#[derive(Clone, Default)]
struct Text {
    text: String,
    trimmed: Trimmed,
    is_told: bool,
}

impl<'a> LineFollow<'a> {
    pub(in crate::adapter) fn new(fields: Vec<TaskField<'a>>, wanted: Labels, given: Labels) -> Self {
        Self {
            longest: wanted.longest().max(given.longest()),
            texts: vec![Text::default(); fields.len()],
            fields,
            wanted,
            given,
            held: String::new(),
            in_line: false,
            open: Some(0),
            is_over: false,
        }
    }

    fn text(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let Some(index) = self.open else { return };
        let Some(Text { text: all, trimmed, is_told }) = self.texts.get_mut(index) else { return };
        all.push_str(text);
        trimmed.push(text, &mut |text| {
            if !std::mem::replace(is_told, true) {
                tell(Followed::Started(index));
            }
            tell(Followed::Text(text));
        });
    }

    /// Ends the open value, if there is more of it than blanks.
    fn close(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        let Some(index) = self.open.take() else { return };
        if let (Some(field), Some(text)) = (self.fields.get(index), self.texts.get(index)) {
            if text.is_told {
                tell(Followed::Ended(field.value_of_text(text.text.trim())));
            }
        }
    }

    /// Takes the beginning of a line, up to its colon or its end if it has one.
    fn begin_line(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.in_line = true;
        if self.given.find(&held).is_some() {
            self.is_over = true;
            self.close(tell);
        } else if let Some((index, _)) = self.wanted.find(&held) {
            self.close(tell);
            // The first of two wins.
            self.open = self.texts.get(index).is_some_and(|text| !text.is_told).then_some(index);
        } else {
            self.text(&held, tell);
        }
    }
}

impl Follow for LineFollow<'_> {
    fn push(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let mut rest = text;
        while !rest.is_empty() && !self.is_over {
            if self.in_line {
                let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
                let (line, behind) = rest.split_at(end);
                self.in_line = !line.ends_with('\n');
                self.text(line, tell);
                rest = behind;
                continue;
            }
            let mut chars = rest.chars();
            let Some(char) = chars.next() else { return };
            rest = chars.as_str();
            // Blanks before a label are none of it.
            if self.held.is_empty() && char.is_whitespace() {
                let mut blank = [0; 4];
                self.text(char.encode_utf8(&mut blank), tell);
                continue;
            }
            self.held.push(char);
            if char == ':' || char == '\n' || self.held.len() > self.longest + LONGEST_GAP {
                self.begin_line(tell);
                self.in_line = char != '\n' || self.is_over;
            }
        }
    }

    fn end(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        if !self.is_over {
            if !self.held.is_empty() {
                self.begin_line(tell);
            }
            self.close(tell);
        }
    }
}

/// The most blanks between a label and its colon; more of them are left to the reading of the whole.
const LONGEST_GAP: usize = 16;
