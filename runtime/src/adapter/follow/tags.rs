//! Following an answer of elements.

use super::{Follow, Followed, Growing, Trimmed};
use crate::adapter::{
    TaskField,
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
    trimmed: Trimmed,
    entities: Entities,
}

impl<'a> TagFollow<'a> {
    pub(in crate::adapter) fn new(fields: Vec<TaskField<'a>>, names: Names) -> Self {
        let seen = vec![false; fields.len()];
        Self { fields, names, seen, open: None, held: String::new(), is_lost: false }
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
        let Some(element) = self.open.as_mut().filter(|element| element.counts) else { return };
        let is_text = self.fields.get(element.index).is_some_and(TaskField::takes_any_text);
        let (content, entities) = (&mut element.content, &mut element.entities);
        element.trimmed.push(text, &mut |text| {
            content.push(text);
            match is_text {
                true => entities.push(text, &mut |text| tell(Followed::Text(text))),
                false => tell(Followed::Text(text)),
            }
        });
    }

    /// Takes the tag that is held.
    fn tag(&mut self, name: &str, kind: Kind, tell: &mut dyn FnMut(Followed<'_>)) {
        let Some(index) = self.names.field(name) else { return };
        match (&self.open, kind) {
            (None, Kind::Close) => {}
            (None, kind) => {
                let counts = self.seen.get_mut(index).is_some_and(|seen| !std::mem::replace(seen, true));
                if counts {
                    tell(Followed::Started(index));
                }
                let (trimmed, entities) = (Trimmed::default(), Entities::default());
                let (name, content) = (name.to_owned(), Growing::default());
                self.open = Some(Element { index, name, content, counts, trimmed, entities });
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
        let Some(mut element) = self.open.take().filter(|element| element.counts) else { return };
        element.entities.end(&mut |text| tell(Followed::Text(text)));
        let value = self.fields.get(element.index).map(|field| value_of(field, &element.content.take()));
        if let Some(Ok(value)) = value {
            tell(Followed::Ended(value));
        }
    }
}

impl Follow for TagFollow<'_> {
    fn push(&mut self, text: &str, tell: &mut dyn FnMut(Followed<'_>)) {
        let mut rest = text;
        while !rest.is_empty() && !self.is_lost {
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
