//! Converts nested elements to a JSON value: `<items><item>a</item></items>`, `<address><city>Rome</city></address>`,
//! `<counts><entry key="a">1</entry></counts>`.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    ops::Range,
};

use serde_json::{Map, Value};

use super::tag::{self, Ends, Kind, Tag};
use crate::{
    field::{FieldValue, lines_of, name},
    json::{self, Found, Repair},
};

/// Deepest nesting that is read, as in JSON.
const DEPTH: usize = 128;

const TOO_DEEP: &str = "its elements are nested too deeply";

/// Deepest nesting of references and unions that is followed in a schema.
const UNIONS: usize = 8;

/// Converts elements to a value by a schema that contains its own definitions.
///
/// Single values stay texts; the field converts them to their types. The result is a text if there are no elements, or the schema
/// wants none.
///
/// # Errors
/// Why the elements are no list, object or map.
pub(super) fn value(text: &str, schema: &Value) -> Result<FieldValue, String> {
    let reader = Reader::new(text, schema);
    let mut value = FieldValue::from(reader.value(reader.whole(), Some(schema), 0)?);
    if reader.has_other_names.get() {
        value.repairs.add(Repair::Name);
    }
    if reader.has_repeats.get() {
        value.repairs.add(Repair::DoubleField);
    }
    Ok(value)
}

/// Converts the insides of repeated elements to the items of a list; `None` if the first is a list by itself.
///
/// # Errors
/// Another one is a list by itself, or one is no item.
pub(super) fn items(texts: &[&str], schema: &Value) -> Option<Result<Value, String>> {
    let wanted = Wanted::new(schema, Some(schema));
    let mut items = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let reader = Reader::new(text, schema);
        if reader.is_no_item(&reader.whole(), &wanted) {
            continue;
        }
        match reader.item(reader.whole(), &wanted, index, 1) {
            None if index == 0 => return None,
            None => return Some(Err("some of its elements are lists and others are items".into())),
            Some(Err(why)) => return Some(Err(why)),
            Some(Ok(item)) => items.push(item),
        }
    }
    Some(Ok(Value::Array(items)))
}

/// True if the schema, which contains its own definitions, takes values of this type.
pub(super) fn wants(schema: &Value, kind: &str) -> bool {
    Wanted::new(schema, Some(schema)).has(kind)
}

struct Reader<'a> {
    text: &'a str,
    tags: Vec<Tag<'a>>,
    /// The closing tag of each element.
    ends: Ends,
    root: &'a Value,
    /// True if a tag had a property's name in another form.
    has_other_names: Cell<bool>,
    /// True if repeated elements became the items of a list.
    has_repeats: Cell<bool>,
}

/// Inside of an element: its bytes, and its tags by index.
struct Contents {
    bytes: Range<usize>,
    tags: Range<usize>,
}

/// A child element.
struct Child<'r, 'a> {
    tag: &'r Tag<'a>,
    inside: Contents,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, root: &'a Value) -> Self {
        let tags: Vec<_> = tag::find(text).collect();
        let mut names = HashMap::new();
        let ends = tag::ends(tags.iter().map(|tag| {
            let next = names.len();
            (*names.entry(tag.name.to_lowercase()).or_insert(next), tag.kind)
        }));
        let (has_other_names, has_repeats) = Default::default();
        Reader { text, tags, ends, root, has_other_names, has_repeats }
    }

    fn whole(&self) -> Contents {
        Contents { bytes: 0..self.text.len(), tags: 0..self.tags.len() }
    }

    /// True for an empty element that is no item: the list's items cannot be null.
    fn is_no_item(&self, part: &Contents, list: &Wanted<'a>) -> bool {
        let text = self.text.get(part.bytes.clone()).unwrap_or_default();
        text.trim().is_empty() && !Wanted::new(self.root, list.item(0)).has("null")
    }

    /// Converts one of several elements with a list's name to an item; `None` if it is a list by itself.
    fn item(
        &self,
        part: Contents,
        list: &Wanted<'a>,
        index: usize,
        depth: usize,
    ) -> Option<Result<Value, String>> {
        let text = self.text.get(part.bytes.clone()).unwrap_or_default().trim();
        let is_array =
            |found: &[Found]| matches!(found, [one] if one.value.is_array() && one.end == text.len());
        let is_list = || match text.starts_with(['[', '(']) {
            true => json::find(text).is_ok_and(|found| is_array(&found)),
            false if lines_of(text).is_some() => true,
            false => {
                let children = self.children(Contents { bytes: part.bytes.clone(), tags: part.tags.clone() });
                children.is_ok_and(|children| {
                    !children.is_empty() && !list.item_has_property(self.root, &children)
                })
            }
        };
        if !Wanted::new(self.root, list.item(index)).has("array") && is_list() {
            return None;
        }
        Some(self.value(part, list.item(index), depth))
    }

    fn value(&self, part: Contents, schema: Option<&'a Value>, depth: usize) -> Result<Value, String> {
        if depth > DEPTH {
            return Err(TOO_DEEP.into());
        }
        let text = self.text.get(part.bytes.clone()).unwrap_or_default().trim();
        let wanted = Wanted::new(self.root, schema);
        if text.is_empty() {
            return Ok(wanted.empty());
        }
        let as_text = || Value::String(tag::unescape(text));
        let first = self.tags.get(part.tags.clone()).and_then(<[_]>::first);
        let begins_with_element = first.is_some_and(|tag| {
            let before = self.text.get(part.bytes.start..tag.span.start);
            before.is_some_and(|before| before.trim().is_empty())
        });
        if !begins_with_element || !wanted.has_parts() {
            return Ok(as_text());
        }
        match self.children(part).and_then(|children| self.gather(children, &wanted, depth + 1)) {
            Err(why) if wanted.takes_text() && why != TOO_DEEP => Ok(as_text()),
            outcome => outcome,
        }
    }

    /// Splits a part into its child elements; only blanks may stand between them.
    fn children(&self, part: Contents) -> Result<Vec<Child<'_, 'a>>, String> {
        let mut children = Vec::new();
        let mut byte = part.bytes.start;
        let mut at = part.tags.start;
        let is_blank = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default().trim().is_empty();
        while let Some(tag) = self.tags.get(at).filter(|_| at < part.tags.end) {
            if !is_blank(byte, tag.span.start) {
                return Err(format!("text stands before `<{}>`, between its elements", tag.name));
            }
            let end = match tag.kind {
                Kind::Close => return Err(format!("`</{}>` ends nothing", tag.name)),
                Kind::Empty => at,
                Kind::Open => {
                    let end = self.ends.of(at).filter(|end| *end < part.tags.end);
                    end.ok_or_else(|| format!("`<{}>` has no end", tag.name))?
                }
            };
            let closing = self.tags.get(end).unwrap_or(tag);
            let inside = match tag.kind {
                Kind::Open => Contents { bytes: tag.span.end..closing.span.start, tags: at + 1..end },
                _ => Contents { bytes: 0..0, tags: 0..0 },
            };
            children.push(Child { tag, inside });
            byte = closing.span.end;
            at = end + 1;
        }
        match is_blank(byte, part.bytes.end) {
            true => Ok(children),
            false => Err("text stands behind its elements".into()),
        }
    }

    fn gather(
        &self,
        children: Vec<Child<'_, 'a>>,
        wanted: &Wanted<'a>,
        depth: usize,
    ) -> Result<Value, String> {
        let all = |is: &dyn Fn(&Tag<'_>) -> bool| children.iter().all(|child| is(child.tag));
        let is_list = match wanted.has("array") {
            // The elements may be the properties of one object, for a list of one.
            true => !(wanted.item_has_property(self.root, &children)),
            false => wanted.is_open() && all(&|tag| tag.name.eq_ignore_ascii_case("item")),
        };
        if is_list {
            let first = children.first().map(|child| child.tag.name.to_lowercase()).unwrap_or_default();
            if !all(&|tag| tag.name.to_lowercase() == first) {
                return Err("the elements of a list have different names".into());
            }
            let values = children.into_iter().enumerate();
            let values = values.map(|(index, child)| self.value(child.inside, wanted.item(index), depth));
            return values.collect::<Result<_, _>>().map(Value::Array);
        }
        let objects = match wanted.has("array") {
            true => Wanted::new(self.root, wanted.item(0)),
            false => Wanted { schemas: wanted.schemas.clone() },
        };
        let mut parts = Vec::with_capacity(children.len());
        let (mut names, mut repeated) = (HashSet::new(), HashSet::new());
        for Child { tag, inside } in children {
            let key = tag.key.filter(|_| tag.name.eq_ignore_ascii_case("entry")).map(tag::unescape);
            let (name, schema) = match (key, objects.property(tag.name)) {
                (Some(key), _) => (key, objects.further()),
                (None, Some((name, schema))) => {
                    if name != tag.name && tag::of_name(name) != tag.name {
                        self.has_other_names.set(true);
                    }
                    (name.to_owned(), Some(schema))
                }
                (None, None) => (tag.name.to_owned(), objects.further()),
            };
            if !names.insert(name.clone()) {
                repeated.insert(name.clone());
            }
            parts.push((name, schema, inside));
        }
        let mut object = Map::new();
        for (name, schema, inside) in parts {
            if !repeated.contains(&name) {
                object.insert(name, self.value(inside, schema, depth)?);
                continue;
            }
            // Repeated elements are the items of a list.
            let list = Wanted::new(self.root, schema);
            let twice = || format!("`{name}` stands in it twice");
            if !list.has("array") {
                return Err(twice());
            }
            self.has_repeats.set(true);
            let is_nothing = self.is_no_item(&inside, &list);
            let Value::Array(items) = object.entry(&*name).or_insert(Value::Array(Vec::new())) else {
                continue;
            };
            if is_nothing {
                continue;
            }
            items.push(self.item(inside, &list, items.len(), depth).ok_or_else(twice)??);
        }
        Ok(Value::Object(object))
    }
}

/// The schemas that a value may have, behind references and unions; without any, it may be anything.
struct Wanted<'a> {
    schemas: Vec<&'a Value>,
}

impl<'a> Wanted<'a> {
    fn new(root: &'a Value, schema: Option<&'a Value>) -> Self {
        let mut schemas = Vec::new();
        let mut open: Vec<_> = schema.into_iter().map(|schema| (schema, 0)).collect();
        while let Some((schema, depth)) = open.pop().filter(|(_, depth)| *depth <= UNIONS) {
            let definition = schema.get("$ref").and_then(Value::as_str);
            let definition = definition.and_then(|path| root.pointer(path.strip_prefix('#')?));
            let unions = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|keyword| schema.get(keyword));
            let variants = unions.filter_map(Value::as_array).flatten();
            let before = open.len();
            open.extend(definition.into_iter().chain(variants).map(|schema| (schema, depth + 1)));
            if open.len() == before || schema.get("properties").is_some() {
                schemas.push(schema);
            }
        }
        Self { schemas }
    }

    /// True if the value may be of this type.
    fn has(&self, kind: &str) -> bool {
        self.schemas.iter().any(|schema| match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
            Some(one) => one == kind,
            None => kind == "object" && schema.get("properties").is_some(),
        })
    }

    /// True if the value may be anything.
    fn is_open(&self) -> bool {
        let says_nothing = |schema: &&Value| {
            ["type", "enum", "const", "properties"].iter().all(|keyword| schema.get(keyword).is_none())
        };
        self.schemas.is_empty() || self.schemas.iter().any(says_nothing)
    }

    fn has_parts(&self) -> bool {
        self.has("array") || self.has("object") || self.is_open()
    }

    fn takes_text(&self) -> bool {
        self.has("string") || self.is_open()
    }

    /// Returns the value of an empty element.
    fn empty(&self) -> Value {
        match () {
            () if self.has("null") => Value::Null,
            () if self.has("array") => Value::Array(Vec::new()),
            () if self.has("object") => Value::Object(Map::new()),
            () => Value::String(String::new()),
        }
    }

    /// Finds the property that a tag names; case and the signs between words may differ.
    fn property(&self, tag: &str) -> Option<(&'a str, &'a Value)> {
        let all = || {
            let maps = self.schemas.iter().filter_map(|schema| schema.get("properties")?.as_object());
            maps.flatten().map(|(name, schema)| (name.as_str(), schema))
        };
        let named = || name::find_by(all().map(|(name, _)| (name, name)), |name| name::is_same(name, tag));
        let exact = all().find(|(name, _)| *name == tag);
        exact.or_else(|| named().and_then(|wanted| all().find(|(name, _)| *name == wanted)))
    }

    /// Finds the schema of a map's values.
    fn further(&self) -> Option<&'a Value> {
        let by_pattern = |schema: &&'a Value| schema.get("patternProperties")?.as_object()?.values().next();
        let by_pattern = self.schemas.iter().find_map(by_pattern);
        by_pattern.or_else(|| self.schemas.iter().find_map(|schema| schema.get("additionalProperties")))
    }

    /// Finds the schema of a list's item.
    fn item(&self, index: usize) -> Option<&'a Value> {
        self.schemas.iter().find_map(|schema| {
            let fixed = schema.get("prefixItems").and_then(|items| items.get(index));
            fixed.or(schema.get("items"))
        })
    }

    /// True if the elements are the properties of one item rather than items.
    fn item_has_property(&self, root: &'a Value, children: &[Child<'_, '_>]) -> bool {
        let item = Wanted::new(root, self.item(0));
        children.iter().all(|child| item.property(child.tag.name).is_some())
    }
}

#[cfg(test)]
#[path = "elements_tests.rs"]
mod tests;
