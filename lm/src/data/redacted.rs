//! A request as files hold it: without values that may be secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Config, Prompt, Request, ResponseFormat, ToolChoice, ToolSpec, secret};

/// A request in a file. Further parameters have a map of their own, since one of them may be named like a setting.
#[derive(Serialize, Deserialize)]
pub(crate) struct RedactedRequest {
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

impl RedactedRequest {
    pub(crate) fn new(request: &Request) -> Self {
        let Request { prompt, mut config, response_format, tools, tool_choice, caller: _, meter: _ } =
            secret::redacted(request).unwrap_or_else(|| request.clone());
        let params = std::mem::take(&mut config.params);
        Self { prompt, config, params, response_format, tools, tool_choice }
    }

    /// The request, with marks in place of the secrets.
    pub(crate) fn request(self) -> Request {
        let Self { prompt, mut config, params, response_format, tools, tool_choice } = self;
        config.params = params;
        Request { config, response_format, tools, tool_choice, ..Request::new(prompt) }
    }
}
