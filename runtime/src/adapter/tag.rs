//! Finds and escapes tags: `<name>`.

use std::{num::NonZeroU32, ops::Range};

/// Kind of a tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// `<name>`
    Open,
    /// `</name>`
    Close,
    /// `<name/>`
    Empty,
}

/// A tag in a text.
#[derive(Clone, Debug)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    /// The attribute `key`, not unescaped.
    pub(super) key: Option<&'a str>,
    pub(super) span: Range<usize>,
}

/// Finds all tags of the text. An incomplete tag is text.
pub(super) fn find(text: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let start = at + rest.find('<')?;
            at = start + 1;
            if let Some((tag, length)) = at_start(text.get(start..)?) {
                at = start + length;
                return Some(Tag { span: start..at, ..tag });
            }
        }
    })
}

/// Pairs opening tags with the closing tags of the same name.
///
/// Tags with the same number have the same name. Tags behind the first 2^32 get no end.
pub(super) fn ends(tags: impl Iterator<Item = (usize, Kind)>) -> Ends {
    // Until its end is found, an open tag's slot has the open tag of its name before it; both count from 1.
    let mut ends: Vec<Option<NonZeroU32>> = Vec::with_capacity(tags.size_hint().0);
    let mut open: Vec<Option<NonZeroU32>> = Vec::new();
    let index = |number: NonZeroU32| number.get() as usize - 1;
    for (name, kind) in tags {
        let number = u32::try_from(ends.len() + 1).ok().and_then(NonZeroU32::new);
        ends.push(None);
        if open.len() <= name {
            open.resize(name + 1, None);
        }
        let Some(last) = open.get_mut(name) else { continue };
        match kind {
            Kind::Open => {
                if let (Some(slot), Some(number)) = (ends.last_mut(), number) {
                    *slot = last.replace(number);
                }
            }
            Kind::Close => {
                if let Some(slot) = last.and_then(|begin| ends.get_mut(index(begin))) {
                    *last = std::mem::replace(slot, number);
                }
            }
            Kind::Empty => {}
        }
    }
    for mut last in open {
        while let Some(slot) = last.and_then(|begin| ends.get_mut(index(begin))) {
            last = slot.take();
        }
    }
    Ends(ends)
}

/// The closing tag of each opening tag.
pub(super) struct Ends(Vec<Option<NonZeroU32>>);

impl Ends {
    /// Returns the index of the tag that closes the tag of this index.
    pub(super) fn of(&self, at: usize) -> Option<usize> {
        self.0.get(at).copied().flatten().map(|number| number.get() as usize - 1)
    }
}

/// Parses the tag with which the text begins, with its length. A tag contains no `<`, so that no text is read twice.
fn at_start(text: &str) -> Option<(Tag<'_>, usize)> {
    let inside = text.strip_prefix('<')?;
    let (kind, inside) = match inside.strip_prefix('/') {
        Some(inside) => (Kind::Close, inside),
        None => (Kind::Open, inside),
    };
    let (name, mut rest) = split_name(inside);
    if name.is_empty() {
        return None;
    }
    let mut key = None;
    loop {
        let body = rest.trim_start();
        let ended = match (body.strip_prefix('>'), kind) {
            (Some(behind), _) => Some((kind, behind)),
            (None, Kind::Open) => body.strip_prefix("/>").map(|behind| (Kind::Empty, behind)),
            (None, _) => return None,
        };
        if let Some((kind, behind)) = ended {
            return Some((Tag { name, kind, key, span: 0..0 }, text.len() - behind.len()));
        }
        if body.len() == rest.len() {
            return None;
        }
        let (attribute, value, behind) = attribute(body)?;
        if attribute.eq_ignore_ascii_case("key") {
            key = key.or(Some(value));
        }
        rest = behind;
    }
}

/// Parses the attribute with which the text begins: name, value, and the text behind it.
fn attribute(text: &str) -> Option<(&str, &str, &str)> {
    let is_end = |c: char| c.is_whitespace() || "=<>\"'".contains(c);
    let (name, rest) = text.split_at(text.find(is_end)?);
    let value = rest.trim_start().strip_prefix('=')?.trim_start();
    if name.is_empty() {
        return None;
    }
    let quote = value.chars().next().filter(|c| ['"', '\''].contains(c));
    let inside = value.get(quote.map_or(0, char::len_utf8)..)?;
    let is_end = |c: char| c == '<' || quote.map_or(c == '>' || c.is_whitespace(), |quote| c == quote);
    let (value, rest) = inside.split_at(inside.find(is_end)?);
    let behind = match quote {
        Some(quote) => rest.strip_prefix(quote)?,
        None => (!value.is_empty()).then_some(rest)?,
    };
    Some((name, value, behind))
}

/// Returns the name of a whole tag.
pub(super) fn name_of(tag: &str) -> &str {
    split_name(tag.trim_start_matches(['<', '/'])).0
}

/// Splits the text behind the name with which it begins, which may be empty.
pub(super) fn split_name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_of_name(c)).unwrap_or(text.len()))
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || "_-.:".contains(c)
}

/// Writes a field's name as a tag's name: characters that a tag cannot have become `_`.
pub(super) fn of_name(name: &str) -> String {
    name.chars().map(|c| if is_of_name(c) { c } else { '_' }).collect()
}

/// Escapes everything in a value that would read as a tag of a reserved name or as an entity, and nothing else, so that it stays
/// readable. [`unescape`] gives it back exactly.
pub(super) fn escape(value: &str, reserved: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (first, behind) = from.split_at(1);
        out.push_str(match first {
            "&" if entity(from).is_some() => "&amp;",
            "<" if reserved(split_name(behind.strip_prefix('/').unwrap_or(behind)).0) => "&lt;",
            other => other,
        });
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Replaces each entity by its character.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (character, length) = entity(from).unwrap_or(('&', 1));
        out.push(character);
        rest = from.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// True if [`unescape`] would change the text.
pub(super) fn has_entity(text: &str) -> bool {
    text.match_indices('&').any(|(at, _)| text.get(at..).and_then(entity).is_some())
}

/// Most bytes of an entity.
pub(super) const LONGEST_ENTITY: usize = 13;

/// Parses the entity with which the text begins: its character and its length.
fn entity(text: &str) -> Option<(char, usize)> {
    let inside = text.strip_prefix('&')?;
    let end = inside.bytes().take(LONGEST_ENTITY - 1).position(|byte| byte == b';')?;
    let name = inside.get(..end)?;
    let number = |digits: &str, radix| {
        // The parser takes a sign, which no entity has.
        let is_number = digits.chars().all(|c| c.is_digit(radix));
        is_number.then(|| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)).flatten()
    };
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => match name.strip_prefix('#')? {
            hex if hex.starts_with(['x', 'X']) => number(hex.get(1..)?, 16)?,
            digits => number(digits, 10)?,
        },
    };
    Some((character, end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Vec<(&str, Kind, Option<&str>)> {
        find(text).map(|tag| (tag.name, tag.kind, tag.key)).collect()
    }

    #[test]
    fn tags_are_found_with_their_attributes() {
        assert_eq!(
            tags("a <b>c</b > <d/> <e f='>' key = \"g h\" i=j ><k key=l /> </m n='o'>"),
            [
                ("b", Kind::Open, None),
                ("b", Kind::Close, None),
                ("d", Kind::Empty, None),
                ("e", Kind::Open, Some("g h")),
                ("k", Kind::Empty, Some("l"))
            ]
        );
    }

    #[test]
    fn an_incomplete_tag_is_text() {
        for text in ["<", "<>", "</>", "< a>", "<a", "<a b>", "<a b=>c", "<a b='c>", "<a b='<c'", "<a,>"] {
            let found = tags(text);
            assert!(found.is_empty(), "{text}: {found:?}");
        }
        assert_eq!(tags("<a <b>"), [("b", Kind::Open, None)]);
    }

    #[test]
    fn escaping_leaves_ordinary_text_as_it_is() {
        let reserved = |name: &str| name == "answer";
        for text in ["a < b && c > d", "<b>x</b>", "&nbsp; AT&T; &#xZ; &#+5; &#1114112;", "<answers>"] {
            assert_eq!(escape(text, reserved), text);
            assert_eq!(unescape(text), text);
        }
        assert_eq!(escape("<answer>&lt;</answer>", reserved), "&lt;answer>&amp;lt;&lt;/answer>");
        assert_eq!(unescape("&amp;lt; &lt;&gt;&quot;&apos;&#10;&#x41;&#X41;"), "&lt; <>\"'\nAA");
    }

    #[test]
    fn an_entity_has_a_limited_length_and_not_every_ampersand_begins_one() {
        assert_eq!(unescape("&#0000000065;"), "A");
        assert_eq!(unescape("&#00000000065;"), "&#00000000065;");
        assert!(has_entity("a &amp; b") && !has_entity("a & b; c"));
    }
}
