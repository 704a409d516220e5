//! A request as it stands in a file: without what may be a secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Config, Prompt, Request, ResponseFormat, ToolChoice, ToolSpec, secret};

/// A request in a file. Its further parameters stand apart: one of them may be called as a setting is.
#[derive(Serialize, Deserialize)]
pub(crate) struct Written {
    prompt: Prompt,
    config: Config,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolChoice>,
}

impl Written {
    pub(crate) fn new(request: &Request) -> Self {
        let Request { prompt, mut config, response_format, tools, tool_choice, caller: _, meter: _ } =
            secret::redacted(request).unwrap_or_else(|| request.clone());
        let params = std::mem::take(&mut config.params);
        Self { prompt, config, params, response_format, tools, tool_choice }
    }

    /// The request, with marks where the secrets were.
    pub(crate) fn request(self) -> Request {
        let Self { prompt, mut config, params, response_format, tools, tool_choice } = self;
        config.params = params;
        Request { config, response_format, tools, tool_choice, ..Request::new(prompt) }
    }
}
