//! Following an answer of elements.

use super::{Follow, Followed, Growing, Trimmed};
use crate::adapter::{
    TaskField,
    ends::Tail,
    shown::Shown,
    tag::{self, Kind},
    xml::{Names, value_of, without_cut_end},
};

/// The longest tag that is looked for; a longer one is left to the reading of the whole.
const LONGEST_TAG: usize = 256;

/// Follows the elements of a task's outputs.
pub(in crate::adapter) struct TagFollow<'a> {
    fields: Vec<TaskField<'a>>,
    names: Names,
    seen: Vec<bool>,
    open: Option<Element>,
    shown: Shown<'a>,
    /// The end of the text outside of the elements.
    outside: Tail,
    /// What may be the beginning of a tag.
    held: String,
    /// The elements are nested in a way that only the whole text resolves.
    is_lost: bool,
}

/// The element that is being written.
struct Element {
    index: usize,
    name: String,
    /// What is in it but the blanks at both ends.
    content: Growing,
    /// The first of two counts.
    counts: bool,
    tail: Tail,
    trimmed: Trimmed,
    entities: Entities,
}

impl<'a> TagFollow<'a> {
    pub(in crate::adapter) fn new(fields: Vec<TaskField<'a>>, names: Names, shown: Shown<'a>) -> Self {
        let seen = vec![false; fields.len()];
        let (outside, held) = (Tail::default(), String::new());
        Self { fields, names, seen, open: None, shown, outside, held, is_lost: false }
    }

    /// True if what is held may still become a tag of a field.
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

    fn text(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let Some(element) = &mut self.open else { return self.outside.push(text, &self.shown, &mut |_| {}) };
        let is_text = self.fields.get(element.index).is_some_and(TaskField::takes_any_text);
        let (tail, mut inside) = element.parts(is_text);
        tail.push(text, &self.shown, &mut |text| inside.push(text, tell));
    }

    /// Takes the tag that is held.
    fn tag(&mut self, name: &str, kind: Kind, tell: &mut dyn FnMut(Followed<'_>)) {
        let Some(index) = self.names.field(name) else {
            let held = std::mem::take(&mut self.held);
            return self.text(&held, tell);
        };
        match (&self.open, kind) {
            // Where it ends a value again, that is an error.
            (None, Kind::Close) => {}
            (None, kind) => {
                self.outside = Tail::default();
                let counts = self.seen.get_mut(index).is_some_and(|seen| !std::mem::replace(seen, true));
                if counts {
                    tell(Followed::Started(index));
                }
                let is_json = self.fields.get(index).is_some_and(|field| !field.takes_any_text());
                let (tail, trimmed, entities) = (Tail::new(is_json), Trimmed::default(), Entities::default());
                let (name, content) = (name.to_owned(), Growing::default());
                self.open = Some(Element { index, name, content, counts, tail, trimmed, entities });
                if kind == Kind::Empty {
                    self.close(tell);
                }
            }
            (Some(open), Kind::Close) if open.index == index => self.close(tell),
            (Some(open), Kind::Open) if open.index == index => self.is_lost = true,
            (Some(_), _) => {
                let held = std::mem::take(&mut self.held);
                self.text(&held, tell);
            }
        }
    }

    fn close(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        let Some(mut element) = self.open.take() else { return };
        self.is_lost |= element.tail.is_over();
        let (is_text, has_text) = (
            self.fields.get(element.index).is_some_and(TaskField::takes_any_text),
            !element.content.is_empty(),
        );
        let is_last = element.index + 1 == self.fields.len();
        let (tail, mut inside) = element.parts(is_text);
        tail.end(is_last, has_text, &self.shown, &mut |text| inside.push(text, tell));
        if !element.counts {
            return;
        }
        element.entities.end(&mut |text| tell(Followed::Text(text)));
        let value = self.fields.get(element.index).map(|field| value_of(field, &element.content.take()));
        if let Some(Ok(value)) = value {
            tell(Followed::Ended(value));
        }
    }
}

impl Element {
    /// The end of its text, and what takes the text before that.
    fn parts(&mut self, is_text: bool) -> (&mut Tail, Inside<'_>) {
        let Self { counts, tail, trimmed, content, entities, .. } = self;
        (tail, Inside { is_text, counts: *counts, trimmed, content, entities })
    }
}

/// Takes the text of an element.
struct Inside<'e> {
    is_text: bool,
    counts: bool,
    trimmed: &'e mut Trimmed,
    content: &'e mut Growing,
    entities: &'e mut Entities,
}

impl Inside<'_> {
    fn push(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        if !self.counts {
            return;
        }
        let Self { is_text, trimmed, content, entities, .. } = self;
        trimmed.push(text, &mut |text| {
            content.push(text);
            match is_text {
                true => entities.push(text, &mut |text| tell(Followed::Text(text))),
                false => tell(Followed::Text(text)),
            }
        });
    }
}

impl Follow for TagFollow<'_> {
    fn push(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let mut rest = text;
        while !rest.is_empty() && !self.is_lost {
            if self.outside.is_over() {
                self.is_lost = true;
                return;
            }
            if self.held.is_empty() {
                let (before, from) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
                self.text(before, tell);
                if !from.is_empty() {
                    self.held.push('<');
                }
                rest = from.get(1..).unwrap_or_default();
                continue;
            }
            let mut chars = rest.chars();
            let Some(char) = chars.next() else { return };
            if char == '<' {
                // No tag has one in it.
                let held = std::mem::take(&mut self.held);
                self.text(&held, tell);
                continue;
            }
            rest = chars.as_str();
            self.held.push(char);
            let whole = (char == '>').then(|| tag::find(&self.held).next()).flatten();
            if let Some((name, kind)) = whole.map(|tag| (tag.name.to_owned(), tag.kind)) {
                self.tag(&name, kind, tell);
                self.held.clear();
            } else if !self.may_be_tag() {
                let held = std::mem::take(&mut self.held);
                self.text(&held, tell);
            }
        }
    }

    fn end(&mut self, tell: &mut dyn FnMut(Followed<'_>)) {
        let held = std::mem::take(&mut self.held);
        let is_last = self.open.as_ref().is_some_and(|open| open.index + 1 == self.fields.len());
        if self.is_lost || !is_last {
            return;
        }
        // The last one may lack its end, or have a part of it.
        let name = self.open.as_ref().map(|open| open.name.clone()).unwrap_or_default();
        let end = without_cut_end(&held, &name).len();
        self.text(held.get(..end).unwrap_or_default(), tell);
        self.close(tell);
    }
}

/// Puts characters in the place of entities, in a text that comes in pieces.
#[derive(Default)]
struct Entities {
    /// What may be the beginning of one.
    held: String,
}

impl Entities {
    fn push(&mut self, text: &str, tell: &mut dyn FnMut(&str)) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.held.is_empty() {
                let (before, from) = rest.split_at(rest.find('&').unwrap_or(rest.len()));
                if !before.is_empty() {
                    tell(before);
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
                self.end(tell);
            }
        }
    }

    fn end(&mut self, tell: &mut dyn FnMut(&str)) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            tell(&tag::unescape(&held));
        }
    }
}
