//! A request as it stands in a file: without what may be a secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Config, Prompt, Request, ResponseFormat, secret};

/// A request in a file. Its further parameters stand apart: one of them may be called as a setting is.
#[derive(Serialize, Deserialize)]
pub(super) struct Written {
    prompt: Prompt,
    config: Config,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat>,
}

impl Written {
    pub(super) fn new(request: &Request) -> Self {
        let Request { prompt, mut config, response_format, caller: _, meter: _ } =
            secret::redacted(request).unwrap_or_else(|| request.clone());
        let params = std::mem::take(&mut config.params);
        Self { prompt, config, params, response_format }
    }

    /// The request, with marks where the secrets were.
    pub(super) fn request(self) -> Request {
        let Self { prompt, mut config, params, response_format } = self;
        config.params = params;
        Request { config, response_format, ..Request::new(prompt) }
    }
}
