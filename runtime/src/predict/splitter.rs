//! Splits a streamed reply into reasoning and answer while it arrives.

use karat_lm::DeltaPart;

use super::reasoning::BETWEEN;
use crate::adapter::{
    TextBuffer, Trimmer,
    reasoning::{HARMONY, Kind, Next, Tags, may_be_bare},
};

/// Emits the blocks of reasoning with which a reply begins, and the answer behind them up to a further tag. What that tag means
/// depends on the whole text, and so nothing is emitted from there on.
pub(super) struct Splitter {
    tags: Tags,
    phase: Phase,
    /// The blanks before the answer, until it is certain that they belong to it.
    blanks: TextBuffer,
    /// Text that may be the beginning of a tag.
    held: String,
    inside: Trimmer,
    /// Whether any reasoning was emitted, and whether any of this block was.
    has_emitted: [bool; 2],
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Nothing but blanks and the beginning of a tag so far, or since the last block.
    Start,
    /// In the block of this maker.
    Inside(usize),
    Answer,
    Lost,
}

impl Splitter {
    pub(super) fn new(tags: Tags) -> Self {
        let (blanks, inside) = (TextBuffer::default(), Trimmer::default());
        Self { tags, phase: Phase::Start, blanks, held: String::new(), inside, has_emitted: [false; 2] }
    }

    /// True if a tag came whose meaning depends on the whole text.
    pub(super) fn is_lost(&self) -> bool {
        self.phase == Phase::Lost
    }

    /// Takes the next piece and emits its text by part, as far as that is certain.
    pub(super) fn push(&mut self, text: &str, emit: &mut dyn FnMut(DeltaPart, &str)) {
        if self.held.is_empty() && self.phase == Phase::Answer && self.tags.next(text, 0) == Next::Nothing {
            return emit(DeltaPart::Text, text);
        }
        self.held.push_str(text);
        loop {
            let before = self.phase;
            match self.phase {
                Phase::Start => self.start(emit),
                Phase::Inside(maker) => self.think(maker, emit),
                Phase::Answer => self.answer(emit),
                Phase::Lost => self.held.clear(),
            }
            if self.phase == before || self.held.is_empty() {
                return;
            }
        }
    }

    /// Emits the text that was held until the reply's end.
    pub(super) fn end(&mut self, emit: &mut dyn FnMut(DeltaPart, &str)) {
        let held = std::mem::take(&mut self.held);
        match self.phase {
            Phase::Start => {
                self.begin_answer(emit);
                emit_some(DeltaPart::Text, &held, emit);
            }
            Phase::Answer => emit_some(DeltaPart::Text, &held, emit),
            Phase::Inside(_) => self.emit_thoughts(&held, emit),
            Phase::Lost => {}
        }
    }

    fn start(&mut self, emit: &mut dyn FnMut(DeltaPart, &str)) {
        let solid = self.held.trim_start().len();
        let blanks: String = self.held.drain(..self.held.len() - solid).collect();
        self.blanks.push(&blanks);
        match self.tags.next(&self.held, 0) {
            _ if self.held.is_empty() => {}
            Next::Tag(tag) if tag.span.start == 0 => {
                self.phase = match tag.kind {
                    Kind::Open if tag.maker != HARMONY => Phase::Inside(tag.maker),
                    _ => Phase::Lost,
                };
                self.blanks.clear();
                self.held.drain(..tag.span.end);
                (self.inside, self.has_emitted) =
                    (Trimmer::default(), [self.has_emitted.contains(&true), false]);
            }
            Next::Partial(0) => {}
            _ => match may_be_bare(&self.held) {
                Some(true) => self.phase = Phase::Lost,
                Some(false) => {}
                None => self.begin_answer(emit),
            },
        }
    }

    /// Emits the blanks that were held as the beginning of the answer.
    fn begin_answer(&mut self, emit: &mut dyn FnMut(DeltaPart, &str)) {
        self.phase = Phase::Answer;
        let blanks = std::mem::take(&mut self.blanks);
        blanks.pieces().for_each(|text| emit(DeltaPart::Text, text));
    }

    fn answer(&mut self, emit: &mut dyn FnMut(DeltaPart, &str)) {
        let certain = match self.tags.next(&self.held, 0) {
            Next::Tag(tag) => {
                self.phase = Phase::Lost;
                tag.span.start
            }
            Next::Partial(at) => at,
            Next::Nothing => self.held.len(),
        };
        let text: String = self.held.drain(..certain).collect();
        emit_some(DeltaPart::Text, &text, emit);
    }

    fn think(&mut self, maker: usize, emit: &mut dyn FnMut(DeltaPart, &str)) {
        let mut from = 0;
        let certain = loop {
            match self.tags.next(&self.held, from) {
                Next::Tag(tag) if (tag.maker, tag.kind) == (maker, Kind::Close) => {
                    self.phase = Phase::Start;
                    break tag.span;
                }
                Next::Tag(tag) => from = tag.span.end,
                Next::Partial(at) => break at..at,
                Next::Nothing => break self.held.len()..self.held.len(),
            }
        };
        let held = std::mem::take(&mut self.held);
        self.emit_thoughts(held.get(..certain.start).unwrap_or_default(), emit);
        held.get(certain.end..).unwrap_or_default().clone_into(&mut self.held);
    }

    fn emit_thoughts(&mut self, text: &str, emit: &mut dyn FnMut(DeltaPart, &str)) {
        let has_emitted = &mut self.has_emitted;
        self.inside.push(text, &mut |text| {
            if let [true, false] = has_emitted {
                emit(DeltaPart::Reasoning, BETWEEN);
            }
            has_emitted[1] = true;
            emit(DeltaPart::Reasoning, text);
        });
    }
}

fn emit_some(part: DeltaPart, text: &str, emit: &mut dyn FnMut(DeltaPart, &str)) {
    if !text.is_empty() {
        emit(part, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, size: usize) -> (String, String, bool) {
        let chars: Vec<_> = text.chars().collect();
        let mut splitter = Splitter::new(Tags::except(|_| false));
        let (mut reasoning, mut answer) = (String::new(), String::new());
        let mut emit = |part, text: &str| match part {
            DeltaPart::Reasoning => reasoning.push_str(text),
            _ => answer.push_str(text),
        };
        for piece in chars.chunks(size) {
            splitter.push(&piece.iter().collect::<String>(), &mut emit);
        }
        splitter.end(&mut emit);
        (reasoning, answer, splitter.is_lost())
    }

    #[test]
    fn a_text_in_pieces_is_split_as_a_whole() {
        for (text, reasoning, answer, is_lost) in [
            ("<think>\na {\"x\": 1}\n</think>\n\nParis", "a {\"x\": 1}", "\n\nParis", false),
            ("  <THINKING> a </thin b</Thinking >b</x>", "a </thin b", "b</x>", false),
            ("<think>a</think> \n<think>\n</think><think> b\n</think>\nc", "a\n\nb", "\nc", false),
            ("<think>no end </thi", "no end </thi", "", false),
            ("<think></think>x", "", "x", false),
            ("<thin", "", "<thin", false),
            ("  \n", "", "  \n", false),
            ("\u{3000}<reasoning>ä</reasoning>ö", "ä", "ö", false),
            ("◁think▷ä◁/think▷“ö”", "ä", "“ö”", false),
            ("Use <think>a</think>.", "", "Use ", true),
            ("Lyon\n</think>\nParis", "", "Lyon\n", true),
            ("</think>\nParis", "", "", true),
            ("<think>a</think>b</think>c", "a", "b", true),
            ("<|channel|>analysis<|message|>a", "", "", true),
            ("analysisLet me think.assistantfinalParis", "", "", true),
            ("anal", "", "anal", false),
        ] {
            for size in 1..=text.chars().count() {
                let expected = (reasoning.to_owned(), answer.to_owned(), is_lost);
                assert_eq!(split(text, size), expected, "{text:?} by {size}");
            }
        }
    }
}
