//! The tools that a request offers to the model.

use serde::{Deserialize, Serialize};

use super::AnswerSchema;
use crate::setters::setters;

/// A tool that a model may call: its name, what it does, and its arguments.
///
/// ```
/// use karat::lm::{Message, Request, ToolSpec};
/// use serde_json::json;
///
/// let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
/// let weather = ToolSpec::new("weather", "The weather in a city.", schema);
/// let request = Request::new(vec![Message::user("Do I need an umbrella in Paris?")]).tools([weather]);
/// assert_eq!(request.tools[0].name, "weather");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolSpec {
    /// Its name, of letters, digits, `_` and `-`.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The JSON schema of its arguments, an object's.
    pub parameters: AnswerSchema,
    /// Whether the provider has to enforce the schema.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
}

impl ToolSpec {
    /// A tool of this name, purpose and arguments.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: impl Into<AnswerSchema>,
    ) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters: parameters.into(),
            strict: false,
        }
    }

    /// The size of its texts in bytes, without the schema.
    pub(crate) fn bytes(&self) -> usize {
        let Self { name, description, parameters: _, strict: _ } = self;
        name.capacity() + description.capacity()
    }
}

setters!(ToolSpec {
    /// Whether the provider has to enforce the schema.
    strict: bool,
});

/// Whether a model may, must or must not call a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// It may call tools.
    Auto,
    /// It must not call a tool.
    None,
    /// It must call some tool.
    Required,
    /// It must call the tool of this name.
    Tool(String),
}

impl ToolChoice {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Tool(name) => name.capacity(),
            Self::Auto | Self::None | Self::Required => 0,
        }
    }
}
