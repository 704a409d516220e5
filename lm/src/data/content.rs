//! The content of a message: usually one text, else parts in order.

use std::{borrow::Cow, fmt, ops::Deref, slice, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::Part;

/// The content of a [`Message`](super::Message): usually text, else [`Part`]s in order. It derefs to its text. Cloning it copies nothing.
///
/// ```
/// use karat::lm::{Content, Media, Message, Part};
///
/// let message = Message::user("Capital of France?");
/// assert!(message.content.contains("France"));
///
/// let image = Media::url("image/png", "https://example.com/cat.png");
/// let message = Message::user(Content::new(["What is this?".into(), image.into()]));
/// assert_eq!(&*message.content, "What is this?");
/// assert!(matches!(message.content.parts(), [Part::Text(_), Part::Media(_)]));
/// ```
///
/// In JSON a single text is a string, and parts are a list.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Content(Form);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    /// One text part.
    Text(Part),
    Parts(Arc<Parts>),
}

/// Parts other than one single text.
#[derive(PartialEq, Eq, Hash)]
struct Parts {
    /// The texts of all parts.
    text: String,
    parts: Vec<Part>,
}

impl Content {
    /// A content of these parts.
    pub fn new(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().collect();
        match &mut parts[..] {
            [] => Self::default(),
            [Part::Text(text)] => Self::from(std::mem::take(text)),
            _ => Self(Form::Parts(Arc::new(Parts { text: parts.iter().map(Part::text).collect(), parts }))),
        }
    }

    /// The parts in order; an empty text is one part too.
    pub fn parts(&self) -> &[Part] {
        match &self.0 {
            Form::Text(text) => slice::from_ref(text),
            Form::Parts(parts) => &parts.parts,
        }
    }

    /// The text, joined from all parts where there are several.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Form::Text(text) => text.text(),
            Form::Parts(parts) => &parts.text,
        }
    }

    /// True if it is one text and nothing else.
    pub fn is_text(&self) -> bool {
        matches!(self.0, Form::Text(_))
    }

    /// A copy with each text shortened by `short`.
    pub(crate) fn shortened(&self, short: &impl Fn(&str) -> String) -> Self {
        Self::new(self.parts().iter().map(|part| part.shortened(short)))
    }

    /// The size of its parts in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.parts().iter().map(Part::bytes).sum()
    }

    /// The most texts that it can hold.
    pub(crate) fn texts(&self) -> usize {
        if self.is_text() { 1 } else { 5 * nested(self.parts()) }
    }

    /// The memory that it allocates, without the counters of one `Arc`.
    pub(crate) fn memory(&self) -> usize {
        match &self.0 {
            Form::Text(text) => text.bytes(),
            Form::Parts(parts) => size_of::<Parts>() + parts.text.capacity() + memory(&parts.parts),
        }
    }
}

/// The memory of parts, without the counters of their container; never too little.
pub(crate) fn memory(parts: &[Part]) -> usize {
    // The most that a part allocates besides its texts, which `bytes` counts.
    let each = 2 * size_of::<Part>() + size_of::<super::ToolResult>() + 2 * size_of::<usize>();
    parts.iter().map(Part::bytes).sum::<usize>() + nested(parts) * each
}

/// The number of parts, those inside of tool results included.
pub(crate) fn nested(parts: &[Part]) -> usize {
    let inside = |part: &Part| match part {
        Part::ToolResult(result) => nested(result.content.parts()),
        _ => 0,
    };
    parts.iter().map(|part| 1 + inside(part)).sum()
}

impl Default for Content {
    fn default() -> Self {
        Self::from("")
    }
}

impl Deref for Content {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Content {
    fn as_ref(&self) -> &str {
        self
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Shows a single text as a string, else the list of parts.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Text(text) => text.text().fmt(f),
            Form::Parts(parts) => parts.parts.fmt(f),
        }
    }
}

impl PartialEq<str> for Content {
    fn eq(&self, other: &str) -> bool {
        self.is_text() && self.as_str() == other
    }
}

impl PartialEq<&str> for Content {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl From<Arc<str>> for Content {
    fn from(text: Arc<str>) -> Self {
        Self(Form::Text(Part::Text(text)))
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::from(Arc::<str>::from(text))
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::from(Arc::<str>::from(text))
    }
}

impl From<&String> for Content {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Box<str>> for Content {
    fn from(text: Box<str>) -> Self {
        Self::from(Arc::<str>::from(text))
    }
}

impl From<Cow<'_, str>> for Content {
    fn from(text: Cow<'_, str>) -> Self {
        Self::from(Arc::<str>::from(text))
    }
}

impl<P: Into<Part>> From<Vec<P>> for Content {
    fn from(parts: Vec<P>) -> Self {
        Self::new(parts.into_iter().map(Into::into))
    }
}

impl From<Part> for Content {
    fn from(part: Part) -> Self {
        Self::new([part])
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Text(text) => serializer.serialize_str(text.text()),
            Form::Parts(parts) => serializer.collect_seq(&parts.parts),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrParts)
    }
}

struct TextOrParts;

impl<'de> Visitor<'de> for TextOrParts {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of parts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
        Ok(text.into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Content, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = items.next_element()? {
            parts.push(part);
        }
        Ok(Content::new(parts))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::{Media, Message, Opaque, ToolCall, ToolResult};

    #[test]
    fn a_single_text_takes_one_allocation_and_a_tag() {
        assert!(size_of::<Content>() <= size_of::<Arc<str>>() + size_of::<usize>());
        let text: Arc<str> = "hi".into();
        let content = Content::from(text.clone());
        assert!(std::ptr::eq(content.as_str(), &*text) && Arc::strong_count(&text) == 2);
    }

    #[test]
    fn one_text_part_is_a_text_and_no_parts_are_the_empty_one() {
        assert_eq!(Content::new(["hi".into()]), Content::from("hi"));
        assert_eq!(Content::new([]), Content::default());
        assert_eq!(Content::from(Part::from("hi")), "hi");
        assert_ne!(Content::new(["h".into(), "i".into()]), Content::from("hi"));
        assert_eq!(&*Content::new(["h".into(), "i".into()]), "hi");
    }

    #[test]
    fn every_part_comes_back_from_its_json() {
        let parts = vec![
            Part::from("see"),
            Media::url("image/png", "https://x/y.png").into(),
            Media::base64("audio/wav", "UklGRg==").name("a.wav").into(),
            Media::id("application/pdf", "file-1").into(),
            ToolCall::new("c1", "weather", r#"{"city": "Paris"}"#).into(),
            ToolResult::new("c1", "sunny").name("weather").is_error(true).into(),
            Opaque::new("anthropic", r#"{"type":"thinking","signature":"x"}"#).into(),
        ];
        let message = Message::user(Content::new(parts));
        let value = serde_json::to_value(&message).unwrap();
        assert_eq!(value["content"][0], json!({ "text": "see" }));
        assert_eq!(value["content"][5]["tool_result"]["content"], "sunny");
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
        assert_eq!(serde_json::from_value::<Message>(value).unwrap(), message);
        assert_eq!(&*message.content, "seesunny");
    }

    #[test]
    fn data_is_not_shown_in_debug_output() {
        let shown = format!("{:?}", Content::from(Part::from(Media::base64("image/png", "QUJD"))));
        assert!(shown.contains("4 bytes") && !shown.contains("QUJD"), "{shown}");
        assert_eq!(format!("{:?}", Message::user("hi").content), r#""hi""#);
    }
}
