//! The headers that a program sets: of an LM, and of a request by `extra_headers`. Their values are always treated as secrets.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::{
    data::{Config, params},
    sha256::Sha256,
};

/// Headers that the HTTP client writes: to some servers, two body lengths mean two bodies.
const OF_THE_CLIENT: [&str; 7] =
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Headers by which a server authenticates the caller.
const CREDENTIALS: [&str; 3] = ["authorization", "api-key", "x-api-key"];

/// Checks a header and marks its value as sensitive.
///
/// # Errors
/// What is wrong with it, without any part of its value, and without an invalid name: it may be the value in the wrong place.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        let letters = name.chars().count();
        format!("the name of {letters} characters is none that HTTP has: expected letters, digits and `-`")
    })?;
    if OF_THE_CLIENT.contains(&name.as_str()) {
        return Err(format!("`{name}` is written by the HTTP client, and cannot be set"));
    }
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        format!("the value of `{name}` has a line break or another character that no header can hold")
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The `extra_headers` of a request.
///
/// # Errors
/// What is wrong with them, without any part of their values.
pub(super) fn of(config: &Config) -> Result<HeaderMap, String> {
    let given = match config.params.get(params::HEADERS) {
        None | Some(Value::Null) => return Ok(HeaderMap::new()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err("it should be an object of names and texts".into()),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => {
                // An invalid name is an error by itself, which does not show the name.
                let (name, _) = header(name, "")?;
                return Err(format!("the value of `{name}` should be a text"));
            }
        };
        let (name, value) = header(name, &text)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Replaces headers of the same name, and adds the others.
pub(super) fn put_over(headers: &mut HeaderMap, over: &HeaderMap) {
    for (name, value) in over {
        headers.insert(name, value.clone());
    }
}

/// True if some header authenticates the caller.
pub(super) fn have_credentials(headers: &HeaderMap) -> bool {
    CREDENTIALS.iter().any(|name| headers.contains_key(*name))
}

/// The names, each with a hash of its value: distinguishes LMs, and may be recorded.
pub(super) fn outline(headers: &HeaderMap) -> String {
    let mut each: Vec<_> =
        headers.iter().map(|(name, value)| format!(" {name}={}", hash(name, value))).collect();
    each.sort_unstable();
    each.concat()
}

fn hash(name: &HeaderName, value: &HeaderValue) -> String {
    let mut context = Sha256::new();
    [b"karat header", name.as_str().as_bytes(), value.as_bytes()].iter().for_each(|part| {
        context.update(part);
        context.update(b"\0");
    });
    context.finish().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The shortest part of a value that is taken out where a server repeats it: shorter ones (`app`, `true`, `Bearer`) occur in texts
/// of all kinds.
const SHORTEST_SECRET: usize = 8;

/// The parts of the values that a server may repeat: each value, and each of its words (`Bearer ..`, `name=..; name=..`).
pub(super) fn secrets(headers: &HeaderMap) -> Vec<String> {
    let mut secrets: Vec<String> = Vec::new();
    for value in headers.values() {
        let value = String::from_utf8_lossy(value.as_bytes());
        let words = value.split(|c: char| c.is_whitespace() || c == ';' || c == ',');
        let behind_names = words.clone().filter_map(|word| Some(word.split_once('=')?.1));
        let all = std::iter::once(&*value).chain(words.clone()).chain(behind_names);
        secrets.extend(all.map(str::trim).filter(|part| part.len() >= SHORTEST_SECRET).map(str::to_owned));
    }
    // The longest first, so that no part of one stays.
    secrets.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    secrets.dedup();
    secrets
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(headers: Value) -> Config {
        Config { params: [("extra_headers".to_owned(), headers)].into(), ..Config::default() }
    }

    #[test]
    fn a_name_or_value_that_http_forbids_is_an_error_without_the_value() {
        for (name, value) in [
            ("sk canary", "x"),
            ("sk-canary\n", "x"),
            ("", "sk-canary"),
            ("x-a:", "sk-canary"),
            ("x-ä", "sk-canary"),
            ("x-a", "sk-canary\r\nx-b: c"),
            ("x-a", "sk-canary\n"),
            ("x-a", "sk-canary\0"),
            ("x-a", "sk-canary\u{7f}"),
            ("Content-Length", "sk-canary"),
            ("transfer-encoding", "sk-canary"),
            ("Keep-Alive", "sk-canary"),
        ] {
            let error = header(name, value).unwrap_err();
            assert!(!error.contains("canary"), "{name:?}: {error}");
            let error = of(&config(json!({ name: value }))).unwrap_err();
            assert!(!error.contains("canary"), "{name:?}: {error}");
        }
        for (name, value) in [("X-Title", "app"), ("x-tab", "a\tb"), ("x-empty", ""), ("x-title", "Kätzchen")]
        {
            let (_, value) = header(name, value).unwrap();
            assert_eq!(format!("{value:?}"), "Sensitive");
        }
    }

    #[test]
    fn extra_headers_are_texts_numbers_and_bools() {
        let headers = of(&config(json!({"X-A": "a", "x-b": 1, "x-c": true}))).unwrap();
        assert_eq!(
            (&headers["x-a"], &headers["x-b"], &headers["x-c"]),
            (&"a".parse().unwrap(), &"1".parse().unwrap(), &"true".parse().unwrap())
        );
        assert!(of(&config(Value::Null)).unwrap().is_empty() && of(&Config::default()).unwrap().is_empty());
        for wrong in
            [json!(["a"]), json!("a: b"), json!(1), json!({"x-a": null}), json!({"x-a": ["sk-canary"]})]
        {
            let error = of(&config(wrong)).unwrap_err();
            assert!(error.contains("should be") && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn every_long_part_of_a_value_is_a_secret() {
        let headers = of(&config(json!({
            "authorization": "Bearer sk-canary/1",
            "cookie": "session=canary-2; theme=dark",
            "x-title": "app",
        })));
        let secrets = secrets(&headers.unwrap());
        let expected = [
            "session=canary-2; theme=dark",
            "Bearer sk-canary/1",
            "session=canary-2",
            "sk-canary/1",
            "theme=dark",
            "canary-2",
        ];
        assert_eq!(secrets, expected);
    }

    #[test]
    fn the_outline_distinguishes_values_and_hides_them() {
        let outline = |name: &str, value: &str| super::outline(&of(&config(json!({ name: value }))).unwrap());
        assert_eq!(outline("X-A", "canary"), outline("x-a", "canary"));
        assert!(
            outline("x-a", "canary").starts_with(" x-a=") && !outline("x-a", "canary").contains("canary")
        );
        assert_ne!(outline("x-a", "canary"), outline("x-a", "other"));
        assert_ne!(outline("x-a", "canary"), outline("x-b", "canary"));
    }
}
