//! A reply in pieces, split into reasoning and answer while it comes.

use super::reasoning::BETWEEN;
use crate::{
    adapter::{
        TextBuffer, Trimmer,
        reasoning::{HARMONY, Kind, Next, Tags, may_be_bare},
    },
    lm::DeltaPart,
};

/// Tells the blocks of reasoning with which a reply begins, and the answer behind them up to a further tag. What that one means only
/// the whole text tells, and so whatever comes from there on.
pub(super) struct Splitter {
    tags: Tags,
    place: Place,
    /// The blanks before the answer, as long as it is not certain of what they are a part.
    blanks: TextBuffer,
    /// What cannot be told yet: what may be the beginning of a tag.
    held: String,
    inside: Trimmer,
    /// True if some reasoning was told, and if some of this block was.
    has_told: [bool; 2],
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
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
        Self { tags, place: Place::Start, blanks, held: String::new(), inside, has_told: [false; 2] }
    }

    /// True if a tag came whose meaning the whole text tells.
    pub(super) fn is_lost(&self) -> bool {
        self.place == Place::Lost
    }

    /// Takes the next piece and tells of what part it is as far as that is certain.
    pub(super) fn push(&mut self, text: &str, tell: &mut dyn FnMut(DeltaPart, &str)) {
        if self.held.is_empty() && self.place == Place::Answer && self.tags.next(text, 0) == Next::Nothing {
            return tell(DeltaPart::Text, text);
        }
        self.held.push_str(text);
        loop {
            let before = self.place;
            match self.place {
                Place::Start => self.start(tell),
                Place::Inside(maker) => self.think(maker, tell),
                Place::Answer => self.answer(tell),
                Place::Lost => self.held.clear(),
            }
            if self.place == before || self.held.is_empty() {
                return;
            }
        }
    }

    /// Tells what was only waiting for the text's end.
    pub(super) fn end(&mut self, tell: &mut dyn FnMut(DeltaPart, &str)) {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Start => {
                self.begin_answer(tell);
                tell_some(DeltaPart::Text, &held, tell);
            }
            Place::Answer => tell_some(DeltaPart::Text, &held, tell),
            Place::Inside(_) => self.tell_thoughts(&held, tell),
            Place::Lost => {}
        }
    }

    fn start(&mut self, tell: &mut dyn FnMut(DeltaPart, &str)) {
        let solid = self.held.trim_start().len();
        let blanks: String = self.held.drain(..self.held.len() - solid).collect();
        self.blanks.push(&blanks);
        match self.tags.next(&self.held, 0) {
            _ if self.held.is_empty() => {}
            Next::Tag(tag) if tag.span.start == 0 => {
                self.place = match tag.kind {
                    Kind::Open if tag.maker != HARMONY => Place::Inside(tag.maker),
                    _ => Place::Lost,
                };
                self.blanks.clear();
                self.held.drain(..tag.span.end);
                (self.inside, self.has_told) = (Trimmer::default(), [self.has_told.contains(&true), false]);
            }
            Next::Partial(0) => {}
            _ => match may_be_bare(&self.held) {
                Some(true) => self.place = Place::Lost,
                Some(false) => {}
                None => self.begin_answer(tell),
            },
        }
    }

    /// Tells the blanks that were held as the beginning of the answer.
    fn begin_answer(&mut self, tell: &mut dyn FnMut(DeltaPart, &str)) {
        self.place = Place::Answer;
        let blanks = std::mem::take(&mut self.blanks);
        blanks.pieces().for_each(|text| tell(DeltaPart::Text, text));
    }

    fn answer(&mut self, tell: &mut dyn FnMut(DeltaPart, &str)) {
        let certain = match self.tags.next(&self.held, 0) {
            Next::Tag(tag) => {
                self.place = Place::Lost;
                tag.span.start
            }
            Next::Partial(at) => at,
            Next::Nothing => self.held.len(),
        };
        let text: String = self.held.drain(..certain).collect();
        tell_some(DeltaPart::Text, &text, tell);
    }

    fn think(&mut self, maker: usize, tell: &mut dyn FnMut(DeltaPart, &str)) {
        let mut from = 0;
        let certain = loop {
            match self.tags.next(&self.held, from) {
                Next::Tag(tag) if (tag.maker, tag.kind) == (maker, Kind::Close) => {
                    self.place = Place::Start;
                    break tag.span;
                }
                Next::Tag(tag) => from = tag.span.end,
                Next::Partial(at) => break at..at,
                Next::Nothing => break self.held.len()..self.held.len(),
            }
        };
        let held = std::mem::take(&mut self.held);
        self.tell_thoughts(held.get(..certain.start).unwrap_or_default(), tell);
        held.get(certain.end..).unwrap_or_default().clone_into(&mut self.held);
    }

    fn tell_thoughts(&mut self, text: &str, tell: &mut dyn FnMut(DeltaPart, &str)) {
        let has_told = &mut self.has_told;
        self.inside.push(text, &mut |text| {
            if let [true, false] = has_told {
                tell(DeltaPart::Reasoning, BETWEEN);
            }
            has_told[1] = true;
            tell(DeltaPart::Reasoning, text);
        });
    }
}

fn tell_some(part: DeltaPart, text: &str, tell: &mut dyn FnMut(DeltaPart, &str)) {
    if !text.is_empty() {
        tell(part, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, size: usize) -> (String, String, bool) {
        let chars: Vec<_> = text.chars().collect();
        let mut splitter = Splitter::new(Tags::except(|_| false));
        let (mut reasoning, mut answer) = (String::new(), String::new());
        let mut tell = |part, text: &str| match part {
            DeltaPart::Reasoning => reasoning.push_str(text),
            _ => answer.push_str(text),
        };
        for piece in chars.chunks(size) {
            splitter.push(&piece.iter().collect::<String>(), &mut tell);
        }
        splitter.end(&mut tell);
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
                assert_eq!(told(text, size), expected, "{text:?} by {size}");
            }
        }
    }
}
