//! Writes and reads the LM of a predictor's entry: model and generation settings in DSPy's layout, and never an API key.

use std::time::Duration;

use karat_lm::{
    BoxFuture, Config, Error, ErrorKind, LanguageModel, Lm, Request, Response, Result, Sink, Timeouts,
    internal::{is_secret, shortened},
};
use serde_json::{Map, Value, json};

use super::{StateOptions, error, json::kind};

/// Keys that say where requests go.
const UNSAFE: [&str; 3] = ["api_base", "base_url", "model_list"];

/// Headers of every request, by DSPy's name and by LiteLLM's other one.
const HEADERS: [&str; 2] = ["extra_headers", "headers"];

/// The class of DSPy's own LM, whose layout this is.
const CLASS: (&str, &str) = ("_dspy_lm_class", "dspy.clients.lm.LM");

/// How often a failed call is made again: one less than karat's attempts.
const RETRIES: &str = "num_retries";

/// The keys of DSPy's LM beside the model and its generation settings, with DSPy's defaults. karat uses the retries alone, and
/// keeps the others for the next file.
fn beside() -> [(&'static str, Value); 7] {
    [
        (CLASS.0, CLASS.1.into()),
        (MODEL_TYPE.0, MODEL_TYPE.1.into()),
        ("cache", true.into()),
        (RETRIES, 3.into()),
        ("finetuning_model", Value::Null),
        ("launch_kwargs", json!({})),
        ("train_kwargs", json!({})),
    ]
}

/// The API that the model is asked by, where it is not the Chat Completions API.
const MODEL_TYPE: (&str, &str) = ("model_type", "chat");

/// How many seconds a server may be silent.
const TIMEOUT: &str = "timeout";

/// Optional keys of DSPy's LM, and keys that its clients and LiteLLM take for themselves: no part of a request, and kept likewise.
const KEPT: [&str; 36] = [
    "use_developer_role",
    // DSPy's: its engines, and `CLIENT_KEYS` of its `backend_selection`.
    "engine",
    "async_engine",
    "prompt_cache",
    "num_generations",
    TIMEOUT,
    "api_version",
    "azure_ad_token_provider",
    "organization",
    "project",
    "extra_query",
    "custom_llm_provider",
    // LiteLLM's.
    "additional_drop_params",
    "allowed_openai_params",
    "api_type",
    "base_model",
    "caching",
    "context_window_fallback_dict",
    "cooldown_time",
    "drop_params",
    "fallbacks",
    "force_timeout",
    "input_cost_per_token",
    "litellm_params",
    "max_parallel_requests",
    "max_retries",
    "mock_response",
    "output_cost_per_token",
    "provider_specific_header",
    "region_name",
    "request_timeout",
    "retry_strategy",
    "rpm",
    "stream_timeout",
    "tpm",
    "ttl",
];

/// The LM's entry; null for a model of the program's own, which only the program can make.
pub(super) fn dump(lm: &Lm) -> Value {
    let Some(model) = lm.litellm_name() else {
        let kept = lm.foreign_state();
        return if kept.is_empty() { Value::Null } else { Value::Object(kept.clone()) };
    };
    let mut entry: Map<String, Value> =
        beside().map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
    entry.insert("model".into(), model.into());
    entry.insert(RETRIES.into(), lm.attempts().saturating_sub(1).into());
    let Config { temperature, max_tokens, n, seed, stop, rollout_id, params, .. } = lm.config();
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

/// The LM of an entry. One that karat cannot make (an unknown provider, an LM class of Python's) is kept for the next file, and
/// each call of it is an error.
///
/// # Errors
/// [`is_state`](crate::Error::is_state): a value of the wrong type.
pub(super) fn load(state: &Value, options: &StateOptions) -> Result<Lm> {
    let mut entry = match state {
        Value::Object(entry) => entry.clone(),
        other => return Err(error(format!("expected an object or null at `lm`, found {}", kind(other)))),
    };
    let mut headers = take_headers(&mut entry);
    if !options.allows_unsafe_lm_state() {
        let mut dropped: Vec<_> =
            UNSAFE.into_iter().filter(|key| entry.shift_remove(*key).is_some()).collect();
        dropped.extend(headers.keys().map(String::as_str));
        if !dropped.is_empty() {
            tracing::warn!(
                keys = dropped.join(", "),
                "the state says where the LM's requests go, or with which headers, which is not trusted; if you trust the file, \
                 load it with `State::read(path)?.allow_unsafe_lm_state(true)`"
            );
        }
        headers.clear();
    }
    drop_secrets(&mut entry);
    let model = match entry.get("model") {
        Some(Value::String(model)) => model.clone(),
        other => return Err(unexpected("model", "a text", other)),
    };
    let made = match entry.get(CLASS.0).filter(|class| *class != CLASS.1) {
        Some(class) => {
            let class = shortened(&class.to_string(), 100);
            Err(error(format!("its class {class} is one that only Python has")))
        }
        None => match entry.get(MODEL_TYPE.0).filter(|kind| !kind.is_null() && **kind != MODEL_TYPE.1) {
            Some(kind) => {
                let kind = shortened(&kind.to_string(), 100);
                Err(error(format!(
                    "its `model_type` is {kind}, and karat speaks the Chat Completions API alone"
                )))
            }
            None => Lm::new(&model),
        },
    };
    let lm = match made {
        Ok(lm) => lm,
        Err(cause) => {
            tracing::warn!(model = shortened(&model, 100), %cause, "the state's LM cannot be asked; set another one with `set_lm`");
            return Ok(Lm::custom(Unavailable { model, cause }).with_state(Config::default(), entry));
        }
    };
    configured(lm, model, entry, headers)
}

/// Takes the headers out of an LM's entry.
pub(super) fn take_headers(entry: &mut Map<String, Value>) -> Map<String, Value> {
    HEADERS
        .iter()
        .filter_map(|key| entry.shift_remove_entry(*key))
        .filter(|(_, value)| !value.is_null())
        .collect()
}

/// The LM with what its entry says: settings that are sent, and what is only kept.
fn configured(
    mut lm: Lm,
    model: String,
    mut entry: Map<String, Value>,
    headers: Map<String, Value>,
) -> Result<Lm> {
    entry.shift_remove("model");
    let mut foreign = Map::new();
    if lm.litellm_name().as_deref() != Some(&model) {
        foreign.insert("model".into(), model.into());
    }
    if let Some(retries) = entry.get(RETRIES).and_then(whole) {
        entry.shift_remove(RETRIES);
        lm = lm.with_attempts(u32::try_from(retries).unwrap_or(u32::MAX).saturating_add(1));
    }
    for (key, default) in beside() {
        if let Some(value) = entry.shift_remove(key).filter(|value| *value != default) {
            foreign.insert(key.into(), value);
        }
    }
    foreign.extend(KEPT.iter().filter_map(|key| Some(((*key).to_owned(), entry.shift_remove(*key)?))));
    if let Some(limit) = foreign.get(TIMEOUT).filter(|limit| !limit.is_null()) {
        lm = with_timeout(lm, limit)?;
    }
    for key in ["api_base", "base_url"] {
        match entry.shift_remove(key) {
            Some(Value::String(url)) => lm = lm.state_url(url),
            None | Some(Value::Null) => {}
            other => return Err(unexpected(key, "a text", other.as_ref())),
        }
    }
    // What is null is not sent, as LiteLLM does not send it either.
    let (nulls, settings): (Map<_, _>, _) = entry.into_iter().partition(|(_, value)| value.is_null());
    foreign
        .extend(nulls.into_iter().filter(|(key, _)| !["temperature", "max_tokens"].contains(&key.as_str())));
    let mut config = config(settings)?;
    if let Some(headers) = merged(&headers)? {
        config.params.insert(HEADERS[0].into(), Value::Object(headers));
    }
    Ok(lm.with_state(config, foreign))
}

/// The headers under one name; `extra_headers` goes before `headers`.
fn merged(headers: &Map<String, Value>) -> Result<Option<Map<String, Value>>> {
    let mut all = Map::new();
    for (key, value) in headers.iter().rev() {
        match value {
            Value::Object(headers) => all.extend(headers.clone()),
            other => return Err(unexpected(key, "an object", Some(other))),
        }
    }
    Ok(Some(all).filter(|all| !all.is_empty()))
}

/// Sets the entry's timeout, which in Python limits each wait for the next byte, and not the call.
fn with_timeout(lm: Lm, limit: &Value) -> Result<Lm> {
    /// What an attempt and a call may take by default.
    const USUAL: Duration = Duration::from_secs(600);
    let limit = limit.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let Some(limit) = limit.filter(|limit| !limit.is_zero()) else {
        return Err(error(format!("expected a number of seconds above 0 at `lm.{TIMEOUT}`")));
    };
    let lm = lm.timeouts(Timeouts::new().first_byte(limit).idle(limit).attempt(limit.max(USUAL)));
    Ok(if limit > USUAL { lm.deadline(limit) } else { lm })
}

/// A model that karat cannot call, known from the state alone.
struct Unavailable {
    model: String,
    cause: Error,
}

impl LanguageModel for Unavailable {
    fn name(&self) -> &str {
        &self.model
    }

    fn call<'a>(&'a self, _: &'a Request, _: Option<&'a mut Sink<'a>>) -> BoxFuture<'a, Result<Response>> {
        let Self { model, cause } = self;
        let model = shortened(model, 100);
        let message = format!(
            "the LM `{model}` comes from a state file and cannot be asked: {cause}; set one with `set_lm(&lm)`"
        );
        Box::pin(async { Err(Error::new(ErrorKind::Config, message).with_source(cause.clone())) })
    }
}

fn config(settings: Map<String, Value>) -> Result<Config> {
    let mut config = Config::default();
    for (key, value) in settings {
        let wrong = |expected: &str| unexpected(&key, expected, Some(&value));
        let whole = || whole(&value).ok_or_else(|| wrong("a whole number from 0 up"));
        let small = || u32::try_from(whole()?).map_err(|_| wrong("a whole number below 4294967296"));
        match key.as_str() {
            "temperature" => config.temperature = Some(value.as_f64().ok_or_else(|| wrong("a number"))?),
            // What DSPy called it for reasoning models until 3.2.
            "max_tokens" | "max_completion_tokens" => config.max_tokens = Some(small()?),
            "n" => config.n = Some(small()?),
            // A seed below 0, which only some providers know, is sent to them as it is.
            "seed" if !value.is_i64() || value.is_u64() => config.seed = Some(whole()?),
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

/// A count, which in Python may be written as `1e4`.
fn whole(value: &Value) -> Option<u64> {
    let of_float =
        |float: f64| (float.fract() == 0.0 && (0.0..1e15).contains(&float)).then_some(float as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(of_float))
}

/// Takes the addresses out of an LM's entry.
pub(super) fn drop_unsafe(entry: &mut Map<String, Value>) {
    UNSAFE.iter().for_each(|key| drop(entry.shift_remove(*key)));
}

/// Takes out what may be a secret, at any depth: keys, tokens, headers.
pub(super) fn drop_secrets(entry: &mut Map<String, Value>) {
    let mut dropped = Vec::new();
    drop_secrets_in(entry, &mut dropped);
    if !dropped.is_empty() {
        let keys = shortened(&dropped.join(", "), 500);
        tracing::warn!(keys, "parts of an LM's state may be secrets and are left out");
    }
}

fn drop_secrets_in(object: &mut Map<String, Value>, dropped: &mut Vec<String>) {
    object.retain(|key, _| {
        let secret = is_secret(key);
        if secret {
            dropped.push(key.clone());
        }
        !secret
    });
    let mut open: Vec<&mut Value> = object.values_mut().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => drop_secrets_in(object, dropped),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}

fn unexpected(key: &str, expected: &str, found: Option<&Value>) -> crate::Error {
    // Only the kind: an LM's values may be secrets.
    error(format!(
        "expected {expected} at `lm.{}`, found {}",
        shortened(key, 100),
        found.map_or("nothing", kind)
    ))
}
