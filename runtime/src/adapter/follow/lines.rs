//! Following an answer of labelled lines.

use super::{Follow, Followed, values::Values};
use crate::adapter::{
    TaskField,
    shown::Shown,
    terse::{AROUND, Labels},
};

/// Follows the labelled lines of a task's outputs.
pub(in crate::adapter) struct LineFollow<'a> {
    values: Values<'a>,
    wanted: Labels,
    given: Labels,
    longest: usize,
    /// The beginning of a line that may become a label.
    held: String,
    in_line: bool,
    /// An input's label came: what follows is no answer.
    is_over: bool,
}

impl<'a> LineFollow<'a> {
    pub(in crate::adapter) fn new(
        fields: Vec<TaskField<'a>>,
        wanted: Labels,
        given: Labels,
        shown: Shown<'a>,
    ) -> Self {
        let mut values = Values::new(fields, shown);
        // Text before the first label is the first field's.
        values.open(Some(0));
        Self {
            values,
            longest: wanted.longest().max(given.longest()),
            wanted,
            given,
            held: String::new(),
            in_line: false,
            is_over: false,
        }
    }

    /// Takes the beginning of a line, up to its colon or its end if it has one.
    fn begin_line(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.in_line = true;
        if self.given.field(&held).is_some() {
            self.is_over = true;
            self.values.close(true, tell);
        } else if let Some((index, _)) = self.wanted.field(&held) {
            self.values.close(false, tell);
            self.values.open(Some(index));
        } else {
            self.values.push(&held, tell);
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
                self.values.push(line, tell);
                rest = behind;
                continue;
            }
            let mut chars = rest.chars();
            let Some(char) = chars.next() else { return };
            rest = chars.as_str();
            // Blanks before a label are none of it.
            if self.held.is_empty() && char.is_whitespace() {
                let mut blank = [0; 4];
                self.values.push(char.encode_utf8(&mut blank), tell);
                continue;
            }
            self.held.push(char);
            if char == ':' || char == '\n' || self.held.len() > self.longest + AROUND {
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
            self.values.close(true, tell);
        }
    }
}
