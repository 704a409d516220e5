//! What a model writes to itself before it answers.

use crate::{
    adapter::{Trimmed, reasoning::TAGS},
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
    /// What cannot be told yet: the text's first characters, or what may be the beginning of the closing tag.
    held: String,
    inside: Trimmed,
}

enum Place {
    /// Nothing but blanks and the beginning of a tag so far; how many bytes of blanks.
    Start(usize),
    Inside(&'static str),
    Answer,
}

impl Splitter {
    pub(super) fn new(is_field: impl Fn(&str) -> bool) -> Self {
        let tags = TAGS.into_iter().filter(|(open, _)| !is_field(open.trim_matches(['<', '>']))).collect();
        Self { tags, place: Place::Start(0), held: String::new(), inside: Trimmed::default() }
    }

    /// Takes the next piece and tells of what part it is as far as that is certain.
    pub(super) fn push(&mut self, text: &str, tell: &mut dyn FnMut(DeltaPart, &str)) {
        if let Place::Answer = self.place {
            return tell(DeltaPart::Text, text);
        }
        self.held.push_str(text);
        if let Place::Start(blanks) = &mut self.place {
            let unseen = self.held.get(*blanks..).unwrap_or_default();
            *blanks += unseen.len() - unseen.trim_start().len();
            let start = self.held.get(*blanks..).unwrap_or_default();
            if let Some((open, close)) = self.tags.iter().find(|(open, _)| start.starts_with(open)) {
                let begun = *blanks + open.len();
                self.held.drain(..begun);
                self.place = Place::Inside(close);
            } else if !self.tags.iter().any(|(open, _)| open.starts_with(start)) {
                self.place = Place::Answer;
                return tell(DeltaPart::Text, &std::mem::take(&mut self.held));
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
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Start(_) if !held.is_empty() => tell(DeltaPart::Text, &held),
            Place::Inside(_) => self.inside.push(&held, &mut |text| tell(DeltaPart::Reasoning, text)),
            Place::Start(_) | Place::Answer => {}
        }
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
