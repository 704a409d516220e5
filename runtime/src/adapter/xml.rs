//! The XML adapter: each field as an element.

use std::{fmt::Write as _, ops::Range};

use karat_lm::{Error, Message, Result};
use serde_json::Value;

use super::{
    Adapter, Demo, Inputs, Mode, NOT_GIVEN, Outline, Prepared, Task, TaskField,
    chat::{input_text, list_inputs, list_outputs},
    complete, elements, end_tokens,
    follow::{Follow, TagFollow},
    prompt_texts::PromptTexts,
    repeats::{self, Repeats},
    tag::{self, Kind, Tag},
    tag_names::TagNames,
    text_of,
};
use crate::{
    field::FieldValue,
    json::{Repair, Repairs, Written},
};

/// Each field between tags with its name, `<answer>Paris</answer>`: for models that were trained on such prompts.
///
/// Rules of reading: only elements with the name (or alias) of one of the signature's output fields count, in any case, with
/// any attributes; of two elements of a field, the first wins; all other tags stay in the value as they are, and text around the
/// elements is passed over; tags of a repeated input, as [`ChatAdapter`](crate::ChatAdapter) defines it, are never read. Blanks around a value
/// are left out; `&lt;`, `&gt;`, `&amp;`, `&quot;`, `&apos;`, `&#10;` and `&#x41;` stand for their characters. An element without an
/// end is an error, except the task's last field, which then goes to the end of the text; a second end of a field's element is an
/// error too. `<items />` is null where the type takes null, else an empty list, map or text. Several elements of a list are its
/// items, unless the first is a list by itself.
///
/// [`Prediction::repairs`](crate::Prediction::repairs) lists the flaws of each field: [`Repair::Name`], a
/// tag in another case; [`Repair::Marker`], one with attributes or blanks, or an empty element; [`Repair::DoubleField`], several
/// elements; [`Repair::EndToken`], an end token of a chat template behind the last; [`Repair::Truncated`], no end.
///
/// Lists, maps and objects are JSON or elements: `<items><item>a</item></items>`, `<counts><entry key="a">1</entry></counts>`,
/// `<address><postal_code>94305</postal_code></address>`, where a tag may differ from the property's name in case and in the signs
/// between words.
///
/// ```
/// use karat::{Module, Predict, ScriptedLm, XmlAdapter, signature};
///
/// /// List the towns of the text.
/// #[signature]
/// struct Towns {
///     #[input]
///     text: String,
///     #[output]
///     towns: Vec<String>,
///     #[output]
///     comment: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let reply = "<towns><item>Lima</item><item>Cusco</item></towns>\n<comment>Both in <b>Peru</b></comment>";
/// let lm = ScriptedLm::new([reply]).lm();
/// let towns = Predict::<Towns>::new().adapter(XmlAdapter).lm(&lm);
/// let answer = towns.call(TownsInput { text: "From Lima to Cusco.".into() }).await?;
/// assert_eq!(answer.towns, ["Lima", "Cusco"]);
/// assert_eq!(answer.comment, "Both in <b>Peru</b>");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct XmlAdapter;

impl Adapter for XmlAdapter {
    fn name(&self) -> &'static str {
        "xml"
    }

    fn prepare(&self, task: &Task<'_>) -> Prepared {
        let system = Message::system(system(task));
        let prefix = std::iter::once(system).chain(task.demo_messages(self)).collect();
        Prepared { prefix, modes: vec![Mode::PROMPT], stop: Vec::new() }
    }

    fn turn(&self, task: &Task<'_>, example: &Demo) -> [String; 2] {
        let reserved = TagNames::of(task.outputs().chain(task.inputs()));
        let mut asked = inputs_text(task, &reserved, example.inputs.iter().map(Option::as_ref));
        let mut answered = String::new();
        for (field, value) in task.outputs().zip(&example.outputs) {
            let value = field.given(value.as_ref()).map(text_of);
            write_element(&mut answered, &reserved, field.name(), value.as_deref().unwrap_or(NOT_GIVEN));
        }
        for text in [&mut asked, &mut answered] {
            text.truncate(text.trim_end().len());
        }
        [asked, answered]
    }

    fn ask(&self, task: &Task<'_>, inputs: &Inputs<'_>) -> String {
        let reserved = TagNames::of(task.outputs().chain(task.inputs()));
        let mut text = inputs_text(task, &reserved, inputs.values());
        for (field, value) in inputs.extra {
            if !field.description().is_empty() {
                let _ = writeln!(text, "({})", field.description());
            }
            let reserved = reserved.with(field.name());
            write_element(&mut text, &reserved, field.name(), &input_text(value));
        }
        text.push_str("\nNow write");
        for (index, field) in task.outputs().enumerate() {
            let before = if index == 0 { "" } else { ", then" };
            let _ = write!(text, "{before} <{}>", tag::of_name(field.name()));
        }
        text.push_str(", each with its value and its closing tag.");
        text
    }

    fn read(&self, task: &Task<'_>, inputs: &Inputs<'_>, text: &str) -> Result<Vec<Option<FieldValue>>> {
        let fields: Vec<_> = task.outputs().collect();
        let names = TagNames::of(fields.iter().copied());
        let repeats = Repeats::find(inputs, text, &names);
        let (mut marks, mut repeated) = (Vec::new(), Vec::new());
        for (index, tag) in names.find_all(text) {
            let to = if repeats.has(&tag.span) { &mut repeated } else { &mut marks };
            to.extend(FieldTag::new(index, &tag));
        }
        let ends = tag::ends(marks.iter().map(|mark| (mark.field as usize, mark.kind)));
        let shown = PromptTexts::of(task, inputs);
        let mut found: Vec<Option<FieldValue>> = vec![None; fields.len()];
        // The insides of the elements of fields that are lists.
        let mut parts: Vec<Vec<&str>> = vec![Vec::new(); fields.len()];
        let (mut at, mut behind, mut is_over) = (0, 0, false);
        while let Some(mark) = marks.get(at).filter(|_| !is_over) {
            // Between elements.
            if end_tokens::reply_end(text.get(behind..mark.start as usize).unwrap_or_default(), false, &shown)
                .is_some()
            {
                break;
            }
            let before = std::mem::replace(&mut behind, mark.end as usize);
            let end = ends.of(at);
            at += 1;
            let index = mark.field as usize;
            let (Some(slot), Some(field)) = (found.get_mut(index), fields.get(index)) else { continue };
            let span = mark.span();
            let begin = span.end;
            let tag = || text.get(span.clone()).unwrap_or_default();
            let mut repairs = match (mark.kind, &slot) {
                (Kind::Open | Kind::Empty, None) => names.repairs(index, tag()),
                _ => Repairs::default(),
            };
            let inside = match (mark.kind, end.and_then(|end| marks.get(end)).zip(end)) {
                // Its opening tag looks like an input's: an element that is given twice.
                (Kind::Close, _)
                    if slot.is_some() && repeated.iter().any(|tag| tag.opens_for(mark, before)) =>
                {
                    slot.iter_mut().for_each(|first| first.repairs.add(Repair::DoubleField));
                    continue;
                }
                (Kind::Close, _) if slot.is_some() => {
                    let name = tag::name_of(tag());
                    let message = format!(
                        "`</{name}>` stands again behind its value; within a value it is written `&lt;/{name}>`"
                    );
                    return Err(Error::parse(message).with_field(field.name()).with_completion(text));
                }
                (Kind::Close, _) => continue,
                (Kind::Empty, _) => begin..begin,
                (Kind::Open, Some((closing, end))) => {
                    at = end + 1;
                    behind = closing.end as usize;
                    if slot.is_none() {
                        repairs.extend(names.repairs(index, text.get(closing.span()).unwrap_or_default()));
                    }
                    begin..closing.span().start
                }
                (Kind::Open, None) if slot.is_some() && !field.is_list() => {
                    slot.iter_mut().for_each(|first| first.repairs.add(Repair::DoubleField));
                    continue;
                }
                (Kind::Open, None) if index + 1 == fields.len() && at == marks.len() => {
                    let rest = text.get(begin..).unwrap_or_default();
                    repairs.add(Repair::Truncated);
                    begin..begin + without_cut_end(rest, tag::name_of(tag())).len()
                }
                (Kind::Open, None) => {
                    let message = format!("the element `<{}>` has no end of its own", tag::name_of(tag()));
                    return Err(Error::parse(message).with_field(field.name()).with_completion(text));
                }
            };
            if repeats.has_bare(&span) && repeats.is_doubtful(text, &inside) {
                continue;
            }
            let mut content = text.get(inside).unwrap_or_default();
            if let Some(turn) = end_tokens::reply_end(content, !field.takes_any_text(), &shown) {
                content = content.get(..turn).unwrap_or(content);
                is_over = true;
            }
            content = content.trim();
            if is_over || index + 1 == fields.len() {
                let length = content.len();
                content = end_tokens::without_tokens(content, &shown);
                if content.len() < length {
                    repairs.add(Repair::EndToken);
                }
            }
            if let Some(parts) = parts.get_mut(index).filter(|_| field.is_list()) {
                parts.push(content);
            }
            if let Some(first) = slot {
                first.repairs.extend(repairs);
                first.repairs.add(Repair::DoubleField);
                continue;
            }
            let mut value = value_of(field, content)
                .map_err(|error| error.with_field(field.name()).with_completion(text))?;
            value.repairs.extend(repairs);
            *slot = Some(value);
        }
        for ((slot, field), parts) in found.iter_mut().zip(&fields).zip(parts) {
            if let (Some(first), [_, _, ..]) = (slot, &*parts) {
                if let Some(items) = elements::items(&parts, field.target()) {
                    let items = items.map_err(|why| {
                        let message = format!("the field `{}`: {why}", field.name());
                        Error::parse(message).with_field(field.name()).with_completion(text)
                    })?;
                    first.value = items;
                }
            }
        }
        complete(task, found, text)
    }

    fn cut_output<'a>(&self, task: &Task<'a>, inputs: &Inputs<'_>, text: &str) -> Option<TaskField<'a>> {
        let found = self.read(task, inputs, text).unwrap_or_default();
        let last = found.len().saturating_sub(1);
        let is_cut = |(index, field, value): &(usize, TaskField<'_>, Option<FieldValue>)| {
            // An optional field could have followed the last end, and so could a list's next item.
            value.as_ref().is_none_or(|value| {
                let is_item = !value.value.is_array() || value.repairs.contains(Repair::DoubleField);
                value.repairs.contains(Repair::Truncated) || *index == last && field.is_list() && is_item
            })
        };
        let all = task.outputs().zip(found).enumerate().map(|(index, (field, value))| (index, field, value));
        all.into_iter().find(is_cut).map(|(_, field, _)| field)
    }

    fn outline(&self, task: &Task<'_>, text: &str) -> Option<Outline> {
        let tags: Vec<_> = TagNames::of(task.outputs()).find_all(text).collect();
        let ends = tag::ends(tags.iter().map(|(index, tag)| (*index, tag.kind)));
        let mut values: Vec<Range<usize>> = Vec::new();
        for (at, (_, tag)) in tags.iter().enumerate() {
            if tag.kind == Kind::Close || values.last().is_some_and(|last| tag.span.start < last.end) {
                continue;
            }
            let is_last = at + 1 == tags.len() && tag.kind == Kind::Open;
            let end = ends.of(at).and_then(|end| tags.get(end)).map(|(_, tag)| tag.span.end);
            values.push(tag.span.start..end.unwrap_or(if is_last { text.len() } else { tag.span.end }));
        }
        Some(Outline::new(values))
    }

    fn owns_tag(&self, task: &Task<'_>, name: &str) -> bool {
        TagNames::of(task.outputs()).field(name).is_some()
    }

    fn follow<'a>(&self, task: &Task<'a>, inputs: &Inputs<'a>) -> Option<Box<dyn Follow + 'a>> {
        let names = TagNames::of(task.outputs());
        let is_certain = !repeats::could_mark(inputs, &names);
        is_certain.then(|| {
            Box::new(TagFollow::new(task.outputs().collect(), names, PromptTexts::of(task, inputs))) as _
        })
    }
}

fn system(task: &Task<'_>) -> String {
    let mut text = String::from(
        "You are given fields and write fields. Every field stands between an opening and a closing tag with its name.\n",
    );
    list_inputs(&mut text, task);
    list_outputs(&mut text, "\nTo write:\n", task);
    text.push_str("\nThe form, where {name} stands for a value:\n\n");
    for field in task.inputs().chain(task.outputs()) {
        let tag = tag::of_name(field.name());
        let _ = writeln!(text, "<{tag}>{{{}}}</{tag}>", field.name());
    }
    text.push_str("\nWithin a value, one of these tags is written with &lt; in place of <.\n");
    text.push_str("\nThe task:\n");
    text.push_str(task.instructions());
    text
}

fn inputs_text<'v>(
    task: &Task<'_>,
    reserved: &TagNames,
    values: impl Iterator<Item = Option<&'v Value>>,
) -> String {
    let mut text = String::new();
    for (field, value) in task.inputs().zip(values) {
        if let Some(value) = field.given(value) {
            write_element(&mut text, reserved, field.name(), &input_text(value));
        }
    }
    text
}

/// Writes an element; a value of several lines stands on lines of its own.
fn write_element(text: &mut String, reserved: &TagNames, name: &str, value: &str) {
    let tag = tag::of_name(name);
    let value = tag::escape(value, |name| reserved.field(name).is_some());
    let line_end = if value.contains('\n') { "\n" } else { "" };
    let _ = writeln!(text, "<{tag}>{line_end}{value}{line_end}</{tag}>");
}

/// Reads the value of an element's inside.
pub(super) fn value_of(field: &TaskField<'_>, content: &str) -> Result<FieldValue> {
    if content.is_empty() && field.takes_any_text() && !field.is_text() {
        return Ok(Value::Null.into());
    }
    if field.takes_any_text() {
        return Ok(field.value_of_text(&tag::unescape(content)));
    }
    if content.is_empty() || content.starts_with('<') {
        let value = elements::value(content, field.target());
        return value.map_err(|why| Error::parse(format!("the field `{}`: {why}", field.name())));
    }
    if !tag::has_entity(content) {
        return Ok(field.value_of_text(content));
    }
    // In JSON, entities stand inside of texts: an escaped quote does not end a text.
    match serde_json::from_str(content) {
        Ok(value) => {
            let written = Written::of(content, &value);
            Ok(FieldValue::from(unescaped(value)).with(written))
        }
        Err(_) => Ok(field.value_of_text(&tag::unescape(content))),
    }
}

/// Unescapes every text inside of the value.
fn unescaped(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(tag::unescape(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(unescaped).collect()),
        Value::Object(map) => Value::Object(
            map.into_iter().map(|(key, value)| (tag::unescape(&key), unescaped(value))).collect(),
        ),
        other => other,
    }
}

/// Removes the beginning of a closing tag in which the text was cut.
pub(super) fn without_cut_end<'t>(text: &'t str, name: &str) -> &'t str {
    let is_cut = |end: &str| name.get(..end.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(end));
    match text.trim_end().rsplit_once("</") {
        Some((before, end)) if is_cut(end) => before,
        _ => text,
    }
}

/// A tag of one of the task's fields. A reply may have one every few bytes, so it is small.
struct FieldTag {
    field: u32,
    start: u32,
    end: u32,
    kind: Kind,
}

impl FieldTag {
    /// Copies a tag; `None` behind 4 GiB, which no reply reaches.
    fn new(field: usize, tag: &Tag<'_>) -> Option<Self> {
        let Range { start, end } = tag.span;
        let [field, start, end] = [field, start, end].map(u32::try_from);
        Some(Self { field: field.ok()?, start: start.ok()?, end: end.ok()?, kind: tag.kind })
    }

    fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// True if it opens the element that `close` closes, behind the byte `from`.
    fn opens_for(&self, close: &Self, from: usize) -> bool {
        let is_between = (from..close.start as usize).contains(&(self.start as usize));
        self.kind == Kind::Open && self.field == close.field && is_between
    }
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
