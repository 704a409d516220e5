//! The parts of a message: text, media, tool calls and their results, and opaque data of a provider.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Content;
use crate::setters::setters;

/// One part of a [`Content`]. Cloning it copies nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// A text.
    Text(Arc<str>),
    /// An image, a sound or a file.
    Media(Arc<Media>),
    /// A tool that the model calls.
    ToolCall(Arc<ToolCall>),
    /// The result of a tool call.
    ToolResult(Arc<ToolResult>),
    /// Data that only its provider reads, such as signed reasoning.
    Opaque(Arc<Opaque>),
}

impl Part {
    /// Its text: a text part's own, or that of a tool's result; else empty.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::ToolResult(result) => &result.content,
            Self::Media(_) | Self::ToolCall(_) | Self::Opaque(_) => "",
        }
    }

    /// A copy with each text shortened by `short`: arguments, addresses and data too.
    pub(crate) fn shortened(&self, short: &impl Fn(&str) -> String) -> Self {
        match self {
            Self::Text(text) => short(text).into(),
            Self::Media(media) => {
                let Media { media_type, source, name } = &**media;
                let source = match source {
                    MediaSource::Url(url) => MediaSource::Url(short(url)),
                    MediaSource::Base64(data) => MediaSource::Base64(short(data)),
                    MediaSource::Id(id) => MediaSource::Id(short(id)),
                };
                let name = name.as_deref().map(short);
                Media { media_type: short(media_type), source, name }.into()
            }
            Self::ToolCall(call) => {
                let ToolCall { id, name, arguments } = &**call;
                ToolCall::new(short(id), short(name), short(arguments)).into()
            }
            Self::ToolResult(result) => {
                let ToolResult { call, name, content, is_error } = &**result;
                let (name, content) = (name.as_deref().map(short), content.shortened(short));
                ToolResult { call: short(call), name, content, is_error: *is_error }.into()
            }
            Self::Opaque(opaque) => Opaque::new(short(&opaque.maker), short(&opaque.json)).into(),
        }
    }

    /// Its size in bytes: of texts, names, arguments and data.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Media(media) => {
                let Media { media_type, source, name } = &**media;
                media_type.len() + source.as_str().len() + name.as_ref().map_or(0, String::len)
            }
            Self::ToolCall(call) => {
                let ToolCall { id, name, arguments } = &**call;
                id.len() + name.len() + arguments.len()
            }
            Self::ToolResult(result) => {
                let ToolResult { call, name, content, is_error: _ } = &**result;
                call.len() + name.as_ref().map_or(0, String::len) + content.bytes()
            }
            Self::Opaque(opaque) => {
                let Opaque { maker, json } = &**opaque;
                maker.len() + json.len()
            }
        }
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Media> for Part {
    fn from(media: Media) -> Self {
        Self::Media(Arc::new(media))
    }
}

impl From<ToolCall> for Part {
    fn from(call: ToolCall) -> Self {
        Self::ToolCall(Arc::new(call))
    }
}

impl From<ToolResult> for Part {
    fn from(result: ToolResult) -> Self {
        Self::ToolResult(Arc::new(result))
    }
}

impl From<Opaque> for Part {
    fn from(opaque: Opaque) -> Self {
        Self::Opaque(Arc::new(opaque))
    }
}

/// An image, a sound or a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Media {
    /// Its type, e.g. `image/png`; the part before the slash may be all that is known.
    pub media_type: String,
    /// Where its bytes are.
    pub source: MediaSource,
    /// The file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Where the bytes of a [`Media`] are.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaSource {
    /// At an address from which the provider fetches them.
    Url(String),
    /// In the request itself, as base64 (RFC 4648 §4).
    Base64(String),
    /// At the provider, under this id.
    Id(String),
}

impl MediaSource {
    /// The address, the base64 text or the id.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Url(text) | Self::Base64(text) | Self::Id(text) => text,
        }
    }
}

/// Shows only the length of base64 data.
impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.debug_tuple("Url").field(url).finish(),
            Self::Base64(data) => write!(f, "Base64({} bytes)", data.len()),
            Self::Id(id) => f.debug_tuple("Id").field(id).finish(),
        }
    }
}

impl Media {
    fn new(media_type: impl Into<String>, source: MediaSource) -> Self {
        Self { media_type: media_type.into(), source, name: None }
    }

    /// Media at an address, e.g. `Media::url("image", "https://..")`.
    pub fn url(media_type: impl Into<String>, url: impl Into<String>) -> Self {
        Self::new(media_type, MediaSource::Url(url.into()))
    }

    /// Media as base64 text.
    pub fn base64(media_type: impl Into<String>, data: impl Into<String>) -> Self {
        Self::new(media_type, MediaSource::Base64(data.into()))
    }

    /// Media that the provider keeps under an id.
    pub fn id(media_type: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(media_type, MediaSource::Id(id.into()))
    }

    /// The file's name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// A tool that a model calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// The call's id, to which its [`ToolResult`] refers.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as the model wrote them: usually JSON, but unchecked.
    pub arguments: String,
}

impl ToolCall {
    /// A call of this tool.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), arguments: arguments.into() }
    }

    /// The arguments as JSON; an empty object where the model wrote none.
    ///
    /// # Errors
    /// They are no JSON.
    pub fn json(&self) -> serde_json::Result<Value> {
        match self.arguments.trim() {
            "" => Ok(Value::Object(serde_json::Map::new())),
            arguments => serde_json::from_str(arguments),
        }
    }
}

/// The result of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolResult {
    /// The id of the [`ToolCall`].
    pub call: String,
    /// The tool's name, which some providers require again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it returned.
    pub content: Content,
    /// True if the tool failed, and the content says why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
}

impl ToolResult {
    /// The result of the call with this id.
    pub fn new(call: impl Into<String>, content: impl Into<Content>) -> Self {
        Self { call: call.into(), name: None, content: content.into(), is_error: false }
    }

    /// The tool's name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

setters!(ToolResult {
    /// Whether the tool failed.
    is_error: bool,
});

/// Data that only its provider reads, such as signed or encrypted reasoning: kept verbatim, sent back to its maker alone, and part
/// of a cache's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Opaque {
    /// The provider that made it, e.g. `anthropic`.
    pub maker: String,
    /// The part's JSON, verbatim.
    pub json: String,
}

impl Opaque {
    /// A part of this provider, as JSON text.
    pub fn new(maker: impl Into<String>, json: impl Into<String>) -> Self {
        Self { maker: maker.into(), json: json.into() }
    }
}
