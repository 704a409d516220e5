//! Roles, messages, and prompts, whose constant beginning is shared.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Content, ToolResult};

/// The speaker of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// The program's standing instructions.
    System,
    /// The program, asking.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

impl Role {
    /// The role in JSON: `system`, `user`, `assistant` or `tool`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// Its name as in serialized messages: `system`, `user`, ..
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One message. Cloning it copies no text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// The speaker of a message.
    pub role: Role,
    /// The content: usually a text.
    pub content: Content,
}

impl Message {
    /// A message of this role.
    pub fn new(role: Role, content: impl Into<Content>) -> Self {
        Self { role, content: content.into() }
    }

    /// A system message.
    pub fn system(content: impl Into<Content>) -> Self {
        Self::new(Role::System, content)
    }

    /// A user message.
    pub fn user(content: impl Into<Content>) -> Self {
        Self::new(Role::User, content)
    }

    /// An assistant message.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// A tool message: the result of the tool call with this id.
    pub fn tool(call: impl Into<String>, content: impl Into<Content>) -> Self {
        Self::new(Role::Tool, super::Part::from(ToolResult::new(call, content)))
    }
}

/// The messages of a request: a shared prefix (system text and demos, rendered once per predictor) and the call's own tail.
///
/// It serializes as one flat list, and reads as one through [`iter`](Prompt::iter).
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    prefix: Arc<[Message]>,
    tail: Vec<Message>,
}

impl Prompt {
    /// A prompt of a shared prefix, to which messages can be added.
    pub fn new(prefix: Arc<[Message]>) -> Self {
        // Most calls add one message.
        Self { prefix, tail: Vec::with_capacity(1) }
    }

    pub(crate) fn prefix(&self) -> &Arc<[Message]> {
        &self.prefix
    }

    pub(crate) fn tail(&self) -> &Vec<Message> {
        &self.tail
    }

    /// Adds a message at the end.
    pub fn push(&mut self, message: Message) {
        self.tail.push(message);
    }

    /// All messages in order.
    pub fn iter(&self) -> impl Iterator<Item = &Message> {
        self.prefix.iter().chain(&self.tail)
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.prefix.len() + self.tail.len()
    }

    /// True if there is no message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last message's text; empty if there is none.
    pub fn last(&self) -> &str {
        self.iter().last().map_or("", |message| &message.content)
    }
}

impl PartialEq for Prompt {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl From<Vec<Message>> for Prompt {
    fn from(messages: Vec<Message>) -> Self {
        Self { prefix: Arc::default(), tail: messages }
    }
}

impl Serialize for Prompt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Message>::deserialize(deserializer).map(Prompt::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_serializes_as_one_flat_list_and_comes_back_equal() {
        let mut prompt = Prompt::new([Message::system("be brief")].into());
        prompt.push(Message::user("hi"));
        let text = serde_json::to_string(&prompt).unwrap();
        assert_eq!(text, r#"[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}]"#);
        assert_eq!(serde_json::from_str::<Prompt>(&text).unwrap(), prompt);
    }
}
