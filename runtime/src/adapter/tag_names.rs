//! The names of the fields' tags, and finding them in a text.

use std::ops::Range;

use memchr::memchr3;

use super::{
    TaskField,
    repeats::Marks,
    tag::{self, Tag},
};
use crate::{
    field::name,
    json::{Repair, Repairs},
};

/// Tag names of the fields, each with its field's index.
pub(super) struct TagNames(Vec<(usize, String)>);

impl TagNames {
    pub(super) fn of<'a>(fields: impl Iterator<Item = TaskField<'a>>) -> Self {
        let names = |(index, field): (usize, TaskField<'a>)| {
            field.names().map(move |name| (index, tag::of_name(name)))
        };
        Self(fields.enumerate().flat_map(names).collect())
    }

    pub(super) fn with(&self, name: &str) -> Self {
        let more = (usize::MAX, tag::of_name(name));
        Self(self.0.iter().cloned().chain([more]).collect())
    }

    /// Finds the field of a tag: exactly as written, else in another case or with other signs between words, if one field fits.
    pub(super) fn field(&self, tag: &str) -> Option<usize> {
        let exact = self.0.iter().find(|(_, name)| name == tag).map(|(index, _)| *index);
        let names = || self.0.iter().map(|(index, name)| (name.as_str(), *index));
        exact.or_else(|| name::find_by(names(), |name| name::is_same(name, tag)))
    }

    /// Lists the flaws of a field's tag.
    pub(super) fn repairs(&self, field: usize, tag: &str) -> Repairs {
        let mut repairs = Repairs::default();
        let name = tag::name_of(tag);
        if !self.0.iter().any(|(index, known)| *index == field && known == name) {
            repairs.add(Repair::Name);
        }
        let inside = tag.strip_prefix("</").or(tag.strip_prefix('<')).and_then(|tag| tag.strip_suffix('>'));
        if inside != Some(name) {
            repairs.add(Repair::Marker);
        }
        repairs
    }

    /// True if the text may become a field's tag.
    pub(super) fn has_beginning(&self, text: &str) -> bool {
        self.0.iter().any(|(_, name)| name::begins(name, text))
    }

    /// Finds the fields' tags in a text.
    pub(super) fn find_all<'t>(&self, text: &'t str) -> impl Iterator<Item = (usize, Tag<'t>)> {
        tag::find(text).filter_map(|tag| Some((self.field(tag.name)?, tag)))
    }
}

/// The marks of the XML form are tags with the fields' names.
impl Marks for TagNames {
    fn could_be_in(&self, text: &str) -> bool {
        // An entity may stand for any character.
        memchr3(b'<', b'>', b'&', text.as_bytes()).is_some()
    }

    fn find(&self, text: &str) -> Vec<Range<usize>> {
        self.find_all(text).map(|(_, tag)| tag.span).collect()
    }

    fn is_piece(&self, text: &str) -> bool {
        let is_cut_behind = match (text.rfind('<'), text.rfind('>')) {
            (Some(open), Some(close)) => open > close,
            (open, _) => open.is_some(),
        };
        is_cut_behind || text.find('>').is_some_and(|close| text.find('<').is_none_or(|open| close < open))
    }

    fn other_form(&self, text: &str) -> Option<String> {
        tag::has_entity(text).then(|| tag::unescape(text))
    }
}
