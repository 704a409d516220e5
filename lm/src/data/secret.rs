//! Finds parameters that may be secrets. Their values are written nowhere: not to states, caches or recordings.

use serde_json::{Map, Value};

use super::{Config, Request};

/// The last words of keys whose values may be secrets.
const SECRET: [&str; 13] = [
    "key",
    "apikey",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "bearer",
    "auth",
    "authorization",
    "credentials",
    "headers",
    "cookie",
];

/// True if the value of this key may be a secret: a key, a token, headers.
pub fn is_secret(key: &str) -> bool {
    let mut name = String::new();
    let mut before = None;
    for letter in key.chars() {
        // `apiKey` is `api_key`.
        if letter.is_ascii_uppercase() && before.is_some_and(|before: char| before.is_ascii_lowercase()) {
            name.push('_');
        }
        name.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
        before = Some(letter);
    }
    SECRET.iter().any(|word| name == *word || name.strip_suffix(word).is_some_and(|rest| rest.ends_with('_')))
}

/// Replaces a value that may be a secret.
const REMOVED: &str = "(removed: it may be a secret)";

/// The request without values that may be secrets, at any depth, and without its cache setting; `None` if there is nothing to
/// take out.
pub(crate) fn redacted(request: &Request) -> Option<Request> {
    // Messages, tools and formats are content: they stand in files as they are.
    let Request { prompt: _, config, response_format: _, tools: _, tool_choice: _, caller: _, meter: _ } =
        request;
    let params = &config.params;
    let has_secrets = params.iter().any(|(name, value)| is_secret(name) || holds_secret(value));
    (has_secrets || request.config.cache.is_some()).then(|| {
        let mut params = params.clone();
        for (name, value) in &mut params {
            if is_secret(name) {
                *value = REMOVED.into();
            } else {
                redact(value);
            }
        }
        Request { config: Config { params, cache: None, ..request.config.clone() }, ..request.clone() }
    })
}

fn holds_secret(value: &Value) -> bool {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) if object.keys().any(|key| is_secret(key)) => return true,
            Value::Object(object) => open.extend(object.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    false
}

fn redact(value: &mut Value) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => open.extend(redact_keys(object)),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}

/// Replaces an object's secrets; returns its other values, to look into.
fn redact_keys(object: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    object.iter_mut().filter_map(|(key, value)| {
        if is_secret(key) {
            *value = REMOVED.into();
            return None;
        }
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for key in [
            "api_key",
            "API-Key",
            "apiKey",
            "x.apikey",
            "accessToken",
            "basic_auth",
            "aws_secret_access_key",
            "extra_headers",
            "azure_ad_token",
            "Authorization",
        ] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["max_tokens", "top_k", "keyword", "tokenizer", "logit_bias", "monkey"] {
            assert!(!is_secret(key), "{key}");
        }
    }
}
