//! Reads a streamed answer of elements.

use super::{Follow, Followed, TextBuffer, Trimmer};
use crate::adapter::{
    TaskField,
    end_tokens::EndTokenFilter,
    prompt_texts::PromptTexts,
    tag::{self, Kind},
    tag_names::TagNames,
    xml::{value_of, without_cut_end},
};

/// Most bytes of a tag; a longer one is left to the reading of the whole answer.
const LONGEST_TAG: usize = 256;

/// Reads a streamed answer of elements.
pub(in crate::adapter) struct TagFollow<'a> {
    fields: Vec<TaskField<'a>>,
    names: TagNames,
    seen: Vec<bool>,
    open: Option<Element>,
    shown: PromptTexts<'a>,
    /// Looks for the reply's end between the elements.
    outside: EndTokenFilter,
    /// Text that may be the beginning of a tag.
    held: String,
    /// True if the rest of the answer is left to the reading of the whole.
    is_lost: bool,
}

/// The element that is being written.
struct Element {
    index: usize,
    name: String,
    /// Its text without the blanks at both ends.
    content: TextBuffer,
    /// True for the first element of its field.
    counts: bool,
    filter: EndTokenFilter,
    trimmer: Trimmer,
    entities: EntityDecoder,
}

impl<'a> TagFollow<'a> {
    pub(in crate::adapter) fn new(
        fields: Vec<TaskField<'a>>,
        names: TagNames,
        shown: PromptTexts<'a>,
    ) -> Self {
        let seen = vec![false; fields.len()];
        let (outside, held) = (EndTokenFilter::default(), String::new());
        Self { fields, names, seen, open: None, shown, outside, held, is_lost: false }
    }

    /// True if the held text may still become a tag of a field.
    fn may_be_tag(&self) -> bool {
        let inside = self.held.get(1..).unwrap_or_default();
        let inside = inside.strip_prefix('/').unwrap_or(inside);
        let (name, behind) = tag::split_name(inside);
        self.held.len() <= LONGEST_TAG
            && match behind.is_empty() {
                true => self.names.has_beginning(name),
                false => self.names.field(name).is_some(),
            }
    }

    fn text(&mut self, text: &str, emit: &mut dyn FnMut(Followed<'_>)) {
        let Some(element) = &mut self.open else { return self.outside.push(text, &self.shown, &mut |_| {}) };
        let is_text = self.fields.get(element.index).is_some_and(TaskField::takes_any_text);
        let (filter, mut inside) = element.parts(is_text);
        filter.push(text, &self.shown, &mut |text| inside.push(text, emit));
    }

    /// Handles the held tag.
    fn tag(&mut self, name: &str, kind: Kind, emit: &mut dyn FnMut(Followed<'_>)) {
        let Some(index) = self.names.field(name) else {
            let held = std::mem::take(&mut self.held);
            return self.text(&held, emit);
        };
        match (&self.open, kind) {
            // A second closing tag is an error, which the reading of the whole reports.
            (None, Kind::Close) => {}
            (None, kind) => {
                self.outside = EndTokenFilter::default();
                let counts = self.seen.get_mut(index).is_some_and(|seen| !std::mem::replace(seen, true));
                if counts {
                    emit(Followed::Started(index));
                }
                let is_json = self.fields.get(index).is_some_and(|field| !field.takes_any_text());
                let (filter, trimmer, entities) =
                    (EndTokenFilter::new(is_json), Trimmer::default(), EntityDecoder::default());
                let (name, content) = (name.to_owned(), TextBuffer::default());
                self.open = Some(Element { index, name, content, counts, filter, trimmer, entities });
                if kind == Kind::Empty {
                    self.close(emit);
                }
            }
            (Some(open), Kind::Close) if open.index == index => self.close(emit),
            (Some(open), Kind::Open) if open.index == index => self.is_lost = true,
            (Some(_), _) => {
                let held = std::mem::take(&mut self.held);
                self.text(&held, emit);
            }
        }
    }

    fn close(&mut self, emit: &mut dyn FnMut(Followed<'_>)) {
        let Some(mut element) = self.open.take() else { return };
        self.is_lost |= element.filter.is_over();
        let (is_text, has_text) = (
            self.fields.get(element.index).is_some_and(TaskField::takes_any_text),
            !element.content.is_empty(),
        );
        let is_last = element.index + 1 == self.fields.len();
        let (filter, mut inside) = element.parts(is_text);
        filter.end(is_last, has_text, &self.shown, &mut |text| inside.push(text, emit));
        if !element.counts {
            return;
        }
        element.entities.end(&mut |text| emit(Followed::Text(text)));
        let value = self.fields.get(element.index).map(|field| value_of(field, &element.content.take()));
        if let Some(Ok(value)) = value {
            emit(Followed::Ended(value));
        }
    }
}

impl Element {
    /// Splits off the filter for end tokens from the parts that take the filtered text.
    fn parts(&mut self, is_text: bool) -> (&mut EndTokenFilter, ContentSink<'_>) {
        let Self { counts, filter, trimmer, content, entities, .. } = self;
        (filter, ContentSink { is_text, counts: *counts, trimmer, content, entities })
    }
}

/// Takes the text of an element behind the filter for end tokens.
struct ContentSink<'e> {
    is_text: bool,
    counts: bool,
    trimmer: &'e mut Trimmer,
    content: &'e mut TextBuffer,
    entities: &'e mut EntityDecoder,
}

impl ContentSink<'_> {
    fn push(&mut self, text: &str, emit: &mut dyn FnMut(Followed<'_>)) {
        if !self.counts {
            return;
        }
        let Self { is_text, trimmer, content, entities, .. } = self;
        trimmer.push(text, &mut |text| {
            content.push(text);
            match is_text {
                true => entities.push(text, &mut |text| emit(Followed::Text(text))),
                false => emit(Followed::Text(text)),
            }
        });
    }
}

impl Follow for TagFollow<'_> {
    fn push(&mut self, text: &str, emit: &mut dyn FnMut(Followed<'_>)) {
        let mut rest = text;
        while !rest.is_empty() && !self.is_lost {
            if self.outside.is_over() {
                self.is_lost = true;
                return;
            }
            if self.held.is_empty() {
                let (before, from) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
                self.text(before, emit);
                if !from.is_empty() {
                    self.held.push('<');
                }
                rest = from.get(1..).unwrap_or_default();
                continue;
            }
            let mut chars = rest.chars();
            let Some(char) = chars.next() else { return };
            if char == '<' {
                // No tag contains a `<`.
                let held = std::mem::take(&mut self.held);
                self.text(&held, emit);
                continue;
            }
            rest = chars.as_str();
            self.held.push(char);
            let whole = (char == '>').then(|| tag::find(&self.held).next()).flatten();
            if let Some((name, kind)) = whole.map(|tag| (tag.name.to_owned(), tag.kind)) {
                self.tag(&name, kind, emit);
                self.held.clear();
            } else if !self.may_be_tag() {
                let held = std::mem::take(&mut self.held);
                self.text(&held, emit);
            }
        }
    }

    fn end(&mut self, emit: &mut dyn FnMut(Followed<'_>)) {
        let held = std::mem::take(&mut self.held);
        let is_last = self.open.as_ref().is_some_and(|open| open.index + 1 == self.fields.len());
        if self.is_lost || !is_last {
            return;
        }
        // The last element may lack its closing tag, or a part of it.
        let name = self.open.as_ref().map(|open| open.name.clone()).unwrap_or_default();
        let end = without_cut_end(&held, &name).len();
        self.text(held.get(..end).unwrap_or_default(), emit);
        self.close(emit);
    }
}

/// Replaces the entities of a streamed text by their characters.
#[derive(Default)]
struct EntityDecoder {
    /// Text that may be the beginning of an entity.
    held: String,
}

impl EntityDecoder {
    fn push(&mut self, text: &str, emit: &mut dyn FnMut(&str)) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.held.is_empty() {
                let (before, from) = rest.split_at(rest.find('&').unwrap_or(rest.len()));
                if !before.is_empty() {
                    emit(before);
                }
                if !from.is_empty() {
                    self.held.push('&');
                }
                rest = from.get(1..).unwrap_or_default();
                continue;
            }
            let mut chars = rest.chars();
            let Some(char) = chars.next() else { return };
            let goes_on = char == '#' || char.is_ascii_alphanumeric();
            if char == ';' || goes_on {
                self.held.push(char);
                rest = chars.as_str();
            }
            if !goes_on || self.held.len() > tag::LONGEST_ENTITY {
                self.end(emit);
            }
        }
    }

    fn end(&mut self, emit: &mut dyn FnMut(&str)) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            emit(&tag::unescape(&held));
        }
    }
}
