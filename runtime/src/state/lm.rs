//! An LM's part of a predictor's entry: model and generation settings in DSPy's layout, and never an API key.

use serde_json::{Map, Value, json};

use super::{StateOptions, error, json::kind};
use crate::{
    error::Result,
    lm::{Config, Lm},
};

/// Keys that say where requests go.
const UNSAFE: [&str; 3] = ["api_base", "base_url", "model_list"];

/// The class of DSPy's own LM, whose layout this is.
const CLASS: (&str, &str) = ("_dspy_lm_class", "dspy.clients.lm.LM");

/// What DSPy's LM has beside the model and its generation settings, with DSPy's defaults. karat has no use for it and keeps it
/// for the next file.
fn beside() -> [(&'static str, Value); 7] {
    [
        (CLASS.0, CLASS.1.into()),
        ("model_type", "chat".into()),
        ("cache", true.into()),
        ("num_retries", 3.into()),
        ("finetuning_model", Value::Null),
        ("launch_kwargs", json!({})),
        ("train_kwargs", json!({})),
    ]
}

/// The LM's entry; null for a model of the program's own, which only the program can make.
pub(super) fn dump(lm: &Lm) -> Value {
    let Some(model) = lm.litellm_name() else { return Value::Null };
    let mut entry: Map<String, Value> =
        beside().map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
    entry.insert("model".into(), model.into());
    let Config { temperature, max_tokens, n, seed, stop, rollout_id, params } = lm.config();
    entry.insert("temperature".into(), json!(temperature));
    entry.insert("max_tokens".into(), json!(max_tokens));
    let settings = [
        ("n", n.map(Value::from)),
        ("seed", seed.map(Value::from)),
        ("stop", Some(json!(stop)).filter(|_| !stop.is_empty())),
        ("rollout_id", rollout_id.map(Value::from)),
        ("api_base", lm.own_base_url().map(Value::from)),
    ];
    let settings = settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    entry.extend(settings.chain(params.clone()).chain(lm.foreign_state().clone()));
    drop_secrets(&mut entry);
    Value::Object(entry)
}

/// The LM of an entry.
///
/// # Errors
/// [`is_state`](crate::Error::is_state): a value of the wrong type, an unknown provider, or an LM class of the user's own.
pub(super) fn load(state: &Value, options: &StateOptions) -> Result<Lm> {
    let way_out =
        "to keep the LM that the module has: `module.load_state(&State::read(path)?.keep_lm(true))`";
    let mut entry = match state {
        Value::Object(entry) => entry.clone(),
        other => return Err(error(format!("expected an object or null at `lm`, found {}", kind(other)))),
    };
    if let Some(class) = entry.get(CLASS.0).filter(|class| *class != CLASS.1) {
        return Err(error(format!("the LM is of the class {class}, which only Python has; {way_out}")));
    }
    if !options.allows_unsafe_lm_state() {
        let dropped =
            UNSAFE.iter().filter(|key| entry.remove(**key).is_some()).copied().collect::<Vec<_>>().join(", ");
        if !dropped.is_empty() {
            tracing::warn!(
                keys = dropped,
                "the state says where the LM's requests go, which is not trusted; if you trust the file, load it with \
                 `State::read(path)?.allow_unsafe_lm_state(true)`"
            );
        }
    }
    drop_secrets(&mut entry);
    let model = match entry.remove("model") {
        Some(Value::String(model)) => model,
        other => return Err(unexpected("model", "a text", other.as_ref())),
    };
    let mut lm = Lm::new(&model)
        .map_err(|cause| error(format!("the LM cannot be made: {cause}; {way_out}")).with_source(cause))?;
    let mut foreign = Map::new();
    if lm.litellm_name().as_deref() != Some(&model) {
        foreign.insert("model".into(), model.into());
    }
    for (key, default) in beside() {
        if let Some(value) = entry.remove(key).filter(|value| *value != default) {
            foreign.insert(key.into(), value);
        }
    }
    for key in ["api_base", "base_url"] {
        match entry.remove(key) {
            Some(Value::String(url)) => lm = lm.base_url(url),
            None | Some(Value::Null) => {}
            other => return Err(unexpected(key, "a text", other.as_ref())),
        }
    }
    // What is null is not sent, as LiteLLM does not send it either.
    let (nulls, settings) = entry.into_iter().partition::<Map<_, _>, _>(|(_, value)| value.is_null());
    foreign
        .extend(nulls.into_iter().filter(|(key, _)| !["temperature", "max_tokens"].contains(&key.as_str())));
    Ok(lm.with_state(config(settings)?, foreign))
}

fn config(settings: Map<String, Value>) -> Result<Config> {
    let mut config = Config::default();
    for (key, value) in settings {
        let wrong = |expected: &str| unexpected(&key, expected, Some(&value));
        let whole = || value.as_u64().ok_or_else(|| wrong("a whole number from 0 up"));
        let small = || u32::try_from(whole()?).map_err(|_| wrong("a whole number below 4294967296"));
        match key.as_str() {
            "temperature" => config.temperature = Some(value.as_f64().ok_or_else(|| wrong("a number"))?),
            "max_tokens" => config.max_tokens = Some(small()?),
            "n" => config.n = Some(small()?),
            "seed" => config.seed = Some(whole()?),
            "rollout_id" => config.rollout_id = Some(whole()?),
            "stop" => {
                config.stop = match &value {
                    Value::String(text) => vec![text.clone()],
                    other => serde_json::from_value(other.clone())
                        .map_err(|_| wrong("a text or a list of texts"))?,
                };
            }
            _ => drop(config.params.insert(key, value)),
        }
    }
    Ok(config)
}

/// Takes the addresses out of an LM's entry.
pub(super) fn drop_unsafe(entry: &mut Value) {
    if let Value::Object(entry) = entry {
        UNSAFE.iter().for_each(|key| drop(entry.remove(*key)));
    }
}

/// Takes out what may be a secret, at any depth: keys, tokens, headers.
fn drop_secrets(entry: &mut Map<String, Value>) {
    entry.retain(|key, _| !is_secret(key));
    for value in entry.values_mut() {
        drop_secrets_in(value);
    }
}

fn drop_secrets_in(value: &mut Value) {
    match value {
        Value::Object(object) => drop_secrets(object),
        Value::Array(items) => items.iter_mut().for_each(drop_secrets_in),
        _ => {}
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    ["key", "token", "secret", "password", "authorization", "credentials", "headers", "cookie"]
        .iter()
        .any(|word| key == *word || key.strip_suffix(word).is_some_and(|rest| rest.ends_with('_')))
}

fn unexpected(key: &str, expected: &str, found: Option<&Value>) -> crate::Error {
    // Only the kind: an LM's values may be secrets.
    error(format!("expected {expected} at `lm.{key}`, found {}", found.map_or("nothing", kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for key in [
            "api_key",
            "API-Key",
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
