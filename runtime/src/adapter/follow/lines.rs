//! Reads a streamed answer of labelled lines.

use super::{Follow, Followed, output_texts::OutputTexts};
use crate::adapter::{
    TaskField,
    prompt_texts::PromptTexts,
    terse::{AROUND, Labels},
};

/// Reads a streamed answer of labelled lines.
pub(in crate::adapter) struct LineFollow<'a> {
    outputs: OutputTexts<'a>,
    wanted: Labels,
    given: Labels,
    longest: usize,
    /// Beginning of a line that may become a label.
    held: String,
    in_line: bool,
    /// True behind an input's label: the text there is no answer.
    is_over: bool,
}

impl<'a> LineFollow<'a> {
    pub(in crate::adapter) fn new(
        fields: Vec<TaskField<'a>>,
        wanted: Labels,
        given: Labels,
        shown: PromptTexts<'a>,
    ) -> Self {
        let mut outputs = OutputTexts::new(fields, shown);
        // Text before the first label belongs to the first field.
        outputs.open(Some(0));
        Self {
            outputs,
            longest: wanted.longest().max(given.longest()),
            wanted,
            given,
            held: String::new(),
            in_line: false,
            is_over: false,
        }
    }

    /// Handles the beginning of a line, up to its colon or its end.
    fn begin_line(&mut self, emit: &mut dyn FnMut(Followed<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.in_line = true;
        if self.given.field(&held).is_some() {
            self.is_over = true;
            self.outputs.close(true, emit);
        } else if let Some((index, _)) = self.wanted.field(&held) {
            self.outputs.close(false, emit);
            self.outputs.open(Some(index));
        } else {
            self.outputs.push(&held, emit);
        }
    }
}

impl Follow for LineFollow<'_> {
    fn push(&mut self, text: &str, emit: &mut dyn FnMut(Followed<'_>)) {
        let mut rest = text;
        while !rest.is_empty() && !self.is_over {
            if self.in_line {
                let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
                let (line, behind) = rest.split_at(end);
                self.in_line = !line.ends_with('\n');
                self.outputs.push(line, emit);
                rest = behind;
                continue;
            }
            let mut chars = rest.chars();
            let Some(char) = chars.next() else { return };
            rest = chars.as_str();
            // Blanks before a label are no part of it.
            if self.held.is_empty() && char.is_whitespace() {
                let mut blank = [0; 4];
                self.outputs.push(char.encode_utf8(&mut blank), emit);
                continue;
            }
            self.held.push(char);
            if char == ':' || char == '\n' || self.held.len() > self.longest + AROUND {
                self.begin_line(emit);
                self.in_line = char != '\n' || self.is_over;
            }
        }
    }

    fn end(&mut self, emit: &mut dyn FnMut(Followed<'_>)) {
        if !self.is_over {
            if !self.held.is_empty() {
                self.begin_line(emit);
            }
            self.outputs.close(true, emit);
        }
    }
}
