//! What a model writes to itself before it answers.

use crate::{
    adapter::{Growing, Trimmed, reasoning::TAGS},
    lm::DeltaPart,
};

/// The reasoning with which a model's text begins, if it does, and the answer behind it. Reasoning that does not end leaves
/// no answer. A tag of which `is_field` is true is the answer's own.
pub(super) fn split(text: &str, is_field: impl Fn(&str) -> bool) -> (Option<&str>, &str) {
    let start = text.trim_start();
    let parts = TAGS.iter().find_map(|(open, close)| {
        let inside = start.strip_prefix(open).filter(|_| !is_field(open.trim_matches(['<', '>'])))?;
        Some(inside.split_once(close).unwrap_or((inside, "")))
    });
    match parts {
        Some((reasoning, answer)) => (Some(reasoning.trim()), answer),
        None => (None, text),
    }
}

/// [`split`] for a text that comes in pieces.
pub(super) struct Splitter {
    tags: Vec<(&'static str, &'static str)>,
    place: Place,
    /// The blanks with which the text begins, as long as it is not certain of what they are a part.
    blanks: Growing,
    /// What cannot be told yet: what may be the beginning of a tag.
    held: String,
    inside: Trimmed,
}

enum Place {
    /// Nothing but blanks and the beginning of a tag so far.
    Start,
    Inside(&'static str),
    Answer,
}

impl Splitter {
    pub(super) fn new(is_field: impl Fn(&str) -> bool) -> Self {
        let tags = TAGS.into_iter().filter(|(open, _)| !is_field(open.trim_matches(['<', '>']))).collect();
        let (blanks, inside) = (Growing::default(), Trimmed::default());
        Self { tags, place: Place::Start, blanks, held: String::new(), inside }
    }

    /// Takes the next piece and tells of what part it is as far as that is certain.
    pub(super) fn push(&mut self, text: &str, tell: &mut dyn FnMut(DeltaPart, &str)) {
        if let Place::Answer = self.place {
            return tell(DeltaPart::Text, text);
        }
        let is_start = matches!(self.place, Place::Start);
        let solid = if is_start && self.held.is_empty() { text.trim_start() } else { text };
        let (blanks, solid) = text.split_at(text.len() - solid.len());
        self.blanks.push(blanks);
        self.held.push_str(solid);
        if is_start {
            let begun = self.tags.iter().find(|(open, _)| self.held.starts_with(open));
            if let Some((open, close)) = begun {
                self.blanks.clear();
                self.held.drain(..open.len());
                self.place = Place::Inside(close);
            } else if !self.tags.iter().any(|(open, _)| open.starts_with(&self.held)) {
                return self.begin_answer(tell);
            }
        }
        if let Place::Inside(close) = self.place {
            let held = std::mem::take(&mut self.held);
            if let Some((inside, answer)) = held.split_once(close) {
                self.inside.push(inside, &mut |text| tell(DeltaPart::Reasoning, text));
                self.place = Place::Answer;
                if !answer.is_empty() {
                    tell(DeltaPart::Text, answer);
                }
                return;
            }
            let is_beginning = |at: &usize| held.get(*at..).is_some_and(|end| close.starts_with(end));
            let from = held.len().saturating_sub(close.len());
            let certain = (from..held.len()).find(is_beginning).unwrap_or(held.len());
            let (inside, rest) = held.split_at(certain);
            self.inside.push(inside, &mut |text| tell(DeltaPart::Reasoning, text));
            self.held = rest.to_owned();
        }
    }

    /// Tells what was only waiting for the text's end.
    pub(super) fn end(&mut self, tell: &mut dyn FnMut(DeltaPart, &str)) {
        match self.place {
            Place::Start => self.begin_answer(tell),
            Place::Inside(_) => self.inside.push(&self.held, &mut |text| tell(DeltaPart::Reasoning, text)),
            Place::Answer => {}
        }
    }

    /// Tells what was held as the beginning of the answer.
    fn begin_answer(&mut self, tell: &mut dyn FnMut(DeltaPart, &str)) {
        self.place = Place::Answer;
        let (blanks, held) = (std::mem::take(&mut self.blanks), std::mem::take(&mut self.held));
        let held = Some(held.as_str()).filter(|held| !held.is_empty());
        blanks.pieces().chain(held).for_each(|text| tell(DeltaPart::Text, text));
    }
}

#[cfg(test)]
mod tests {
    fn split(text: &str) -> (Option<&str>, &str) {
        super::split(text, |_| false)
    }

    #[test]
    fn a_fields_own_tag_begins_no_reasoning() {
        let text = "<reasoning>a</reasoning><answer>b</answer>";
        assert_eq!(super::split(text, |name| name == "reasoning"), (None, text));
    }

    #[test]
    fn reasoning_is_what_the_text_begins_with_between_its_tags() {
        assert_eq!(split("<think>\na {\"x\": 1}\n</think>\n\nParis"), (Some("a {\"x\": 1}"), "\n\nParis"));
        assert_eq!(split("  <thinking>a</thinking>b"), (Some("a"), "b"));
        assert_eq!(split("<think>no end"), (Some("no end"), ""));
        assert_eq!(split("Use <think>a</think>."), (None, "Use <think>a</think>."));
    }

    #[test]
    fn a_text_in_pieces_is_split_as_a_whole() {
        for text in [
            "<think>\na {\"x\": 1}\n</think>\n\nParis",
            "  <thinking> a </thin b</thinking>b</thinking>",
            "<think>no end </thi",
            "<think></think>x",
            "<thin",
            "<thing>x",
            "  \n",
            "Use <think>a</think>.",
            "\u{3000}<reasoning>ä</reasoning>ö",
        ] {
            let chars: Vec<_> = text.chars().collect();
            for size in 1..=chars.len() {
                let mut splitter = super::Splitter::new(|_| false);
                let (mut reasoning, mut answer) = (String::new(), String::new());
                let mut tell = |part, text: &str| match part {
                    super::DeltaPart::Reasoning => reasoning.push_str(text),
                    _ => answer.push_str(text),
                };
                for piece in chars.chunks(size) {
                    splitter.push(&piece.iter().collect::<String>(), &mut tell);
                }
                splitter.end(&mut tell);
                let (expected, rest) = split(text);
                assert_eq!((&*reasoning, &*answer), (expected.unwrap_or(""), rest), "{text:?} by {size}");
            }
        }
    }
}
