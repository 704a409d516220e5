//! Writes the request as JSON, straight from its values: no message is copied on the way.

use std::sync::Arc;

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap},
};
use serde_json::Value;

use super::{
    Call,
    messages::{self, Messages},
};
use crate::{
    data::{
        Config, Request, ResponseFormat,
        params::{self, Params},
    },
    providers::structured::Form,
    report::{ErrorKind, Result},
};

/// The body's bytes.
///
/// # Errors
/// [`is_config`](crate::Error::is_config): a temperature that is no number, an `extra_body` that is no object, a schema larger
/// than the provider takes.
/// [`ErrorKind::BadRequest`]: a schema that the provider would refuse.
pub(super) fn encode(call: &Call<'_>, request: &Request, stream: bool) -> Result<Vec<u8>> {
    let provider = call.client.provider;
    let model = call.client.model();
    if request.config.params.get(params::BODY).is_some_and(|body| !body.is_object() && !body.is_null()) {
        let what = "not sent: the parameter `extra_body` should be an object, whose entries go into the body";
        return Err(call.error(ErrorKind::Config, what));
    }
    let structured =
        request.response_format.as_ref().map(|format| provider.structured.written(model, format));
    let schema = structured.transpose().map_err(|refusal| match refusal.is_limit {
        true => call.error(
            ErrorKind::Config,
            format_args!(
                "not sent: {refusal}. Make the type smaller (a `String` in place of a long enum, parts as signatures of \
                 their own), or use an adapter that sends no schema, such as `ChatAdapter`"
            ),
        ),
        false => call.error(
            ErrorKind::BadRequest,
            format_args!("not sent: {refusal}. Ask for `ResponseFormat::JsonObject`, or with `strict: false`"),
        ),
    })?;
    let body = Body { model, max_tokens: provider.max_tokens, request, schema: schema.flatten(), stream };
    // Has room for the usual number of escapes, so that it grows once at most.
    let texts: usize = request.prompt.iter().map(|message| message.content.bytes()).sum();
    let mut bytes = Vec::with_capacity(texts + texts / 8 + 512);
    serde_json::to_writer(&mut bytes, &body).map_err(|error| {
        call.error(ErrorKind::Config, format_args!("the request cannot be sent: {error}"))
    })?;
    Ok(bytes)
}

/// The completions that a request asked for, against which its answer is read.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked {
    /// The number of completions.
    pub(super) completions: usize,
    /// Whether the completions may call tools.
    pub(super) tools: bool,
}

/// Reads from a request what its answer may hold.
pub(super) fn asked(request: &Request) -> Asked {
    let completions = Params::of(&request.config).completions(&request.config);
    Asked {
        completions: usize::try_from(completions).unwrap_or(usize::MAX),
        tools: !request.tools.is_empty(),
    }
}

/// The names of the token limit in the APIs.
const LIMITS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

struct Body<'a> {
    model: &'a str,
    /// The provider's name for the limit of generated tokens.
    max_tokens: &'static str,
    request: &'a Request,
    /// The answer's schema as the provider takes it.
    schema: Option<(Form, Arc<Value>)>,
    /// Whether the answer is streamed, with its usage at the end.
    stream: bool,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let config = &self.request.config;
        let Config { temperature, max_tokens, n, seed, stop, rollout_id: _, cache: _, params: _ } = config;
        let params = Params::of(config);
        if temperature.is_some_and(|temperature| !temperature.is_finite()) {
            return Err(S::Error::custom("its temperature is not a finite number"));
        }
        // The program's parameters win over all else, and no key is written twice. A parameter of null omits its key.
        let mut fields = Fields { map: serializer.serialize_map(None)?, params };
        fields.own("model", Some(self.model))?;
        fields.own("messages", Some(&Messages(&self.request.prompt)))?;
        fields.own("temperature", temperature.as_ref())?;
        // The token limit has two names: if the program sets either, only that one is sent.
        let limit = max_tokens.as_ref().filter(|_| LIMITS.iter().all(|name| params.get(name).is_none()));
        fields.own(self.max_tokens, limit)?;
        fields.own("n", n.as_ref())?;
        fields.own("seed", seed.as_ref())?;
        fields.own("stop", Some(stop).filter(|stop| !stop.is_empty()))?;
        match (&self.request.response_format, &self.schema) {
            (Some(ResponseFormat::JsonSchema { .. }), Some((Form::Vllm, schema))) => {
                // If the program sets a format, only that one is sent.
                let own = params.get("response_format").is_none();
                fields.own("structured_outputs", own.then_some(&Vllm { json: schema }))?;
            }
            (Some(format), schema) => {
                fields.own("response_format", Some(&Wire::new(format, schema.as_ref())))?;
            }
            (None, _) => {}
        }
        let tools: Vec<_> = self.request.tools.iter().map(messages::Tool).collect();
        fields.own("tools", Some(&tools).filter(|tools| !tools.is_empty()))?;
        let choice = self.request.tool_choice.as_ref().map(messages::choice);
        fields.own("tool_choice", choice.as_ref())?;
        if self.stream {
            fields.own("stream", Some(&true))?;
            fields.own("stream_options", Some(&serde_json::json!({"include_usage": true})))?;
        }
        for (name, value) in params.sent() {
            fields.map.serialize_entry(name, value)?;
        }
        fields.map.end()
    }
}

struct Fields<'a, M> {
    map: M,
    params: Params<'a>,
}

impl<M: SerializeMap> Fields<'_, M> {
    fn own<T: Serialize + ?Sized>(&mut self, name: &'static str, value: Option<&T>) -> Result<(), M::Error> {
        match value {
            Some(value) if self.params.get(name).is_none() => self.map.serialize_entry(name, value),
            _ => Ok(()),
        }
    }
}

/// The API's `response_format`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Wire<'a> {
    JsonObject,
    JsonSchema { json_schema: WireSchema<'a> },
}

#[derive(Serialize)]
struct WireSchema<'a> {
    name: &'a str,
    schema: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl<'a> Wire<'a> {
    fn new(format: &'a ResponseFormat, schema: Option<&'a (Form, Arc<Value>)>) -> Self {
        match (format, schema) {
            (ResponseFormat::JsonSchema { name, strict, .. }, Some((form, schema))) => {
                let strict = (*form == Form::OpenAi).then_some(*strict);
                Wire::JsonSchema { json_schema: WireSchema { name, schema, strict } }
            }
            _ => Wire::JsonObject,
        }
    }
}

/// vLLM's `structured_outputs`.
#[derive(Serialize)]
struct Vllm<'a> {
    json: &'a Value,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::Message;
    use crate::providers::chat_completions::with_call;

    fn request(config: Config) -> Request {
        Request { config, ..Request::new(vec![Message::user("hi")]) }
    }

    fn sent(config: Config) -> Value {
        with_call(|call| serde_json::from_slice(&encode(call, &request(config), false).unwrap()).unwrap())
    }

    fn params(params: &[(&str, Value)]) -> Config {
        Config {
            params: params.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
            ..Config::default()
        }
    }

    #[test]
    fn settings_that_are_not_set_are_not_sent() {
        assert_eq!(
            sent(Config::default()),
            json!({"model": "x", "messages": [{"role": "user", "content": "hi"}]})
        );
    }

    #[test]
    fn a_users_param_wins_over_all_and_is_written_once() {
        let mut config =
            params(&[("model", json!("y")), ("temperature", json!(2)), ("max_tokens", json!(9))]);
        config.temperature = Some(0.5);
        let bytes = with_call(|call| encode(call, &request(config), false).unwrap());
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":9,"model":"y","temperature":2}"#
        );
    }

    #[test]
    fn a_parameter_of_null_leaves_out_what_would_be_sent() {
        let config = |name: &str| Config {
            temperature: Some(0.5),
            max_tokens: Some(9),
            n: Some(2),
            seed: Some(1),
            stop: vec!["x".into()],
            ..params(&[(name, Value::Null), ("top_k", json!(5))])
        };
        let body = |config: Config, stream: bool| {
            let bytes = with_call(|call| encode(call, &request(config), stream).unwrap());
            serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes).unwrap()
        };
        let all = body(config("nothing"), true);
        assert_eq!(all.len(), 10, "{all:?}");
        for name in all.keys().filter(|name| *name != "top_k") {
            let left = body(config(name), true);
            let expected = all.keys().filter(|other| *other != name);
            assert!(left.keys().eq(expected), "{name}: {left:?}");
        }
        // By either of its names.
        for name in LIMITS {
            let left = body(config(name), false);
            assert!(LIMITS.iter().all(|limit| !left.contains_key(*limit)), "{name}: {left:?}");
        }
        assert_eq!(asked(&request(config("n"))).completions, 1);
    }

    #[test]
    fn a_null_inside_of_a_parameter_is_sent() {
        let body = sent(params(&[("provider", json!({"order": null})), ("list", json!([null]))]));
        assert_eq!((&body["provider"], &body["list"]), (&json!({"order": null}), &json!([null])));
    }

    #[test]
    fn extra_body_is_a_part_of_the_body_and_wins_over_all_else() {
        let extra =
            json!({"top_k": 5, "temperature": 1, "model": "y", "n": 3, "guide": null, "rollout_id": 1});
        let config = Config {
            temperature: Some(0.5),
            n: Some(2),
            ..params(&[("extra_body", extra), ("top_k", json!(9)), ("seed", json!(1))])
        };
        assert_eq!(asked(&request(config.clone())).completions, 3);
        let bytes = with_call(|call| encode(call, &request(config), false).unwrap());
        let expected = r#"{"messages":[{"role":"user","content":"hi"}],"seed":1,"top_k":5,"temperature":1,"model":"y","n":3,"guide":null}"#;
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        assert_eq!(sent(params(&[("extra_body", Value::Null)])), sent(Config::default()));
        for wrong in [json!([1]), json!("x"), json!(1), json!(false)] {
            let config = params(&[("extra_body", wrong)]);
            let error = with_call(|call| encode(call, &request(config), false).unwrap_err());
            assert!(error.is_config() && error.to_string().contains("`extra_body`"), "{error}");
        }
    }

    #[test]
    fn no_key_is_written_twice_whatever_parameters_a_program_sets_and_where() {
        const NAMES: [&str; 11] = [
            "model",
            "messages",
            "temperature",
            "max_tokens",
            "max_completion_tokens",
            "n",
            "seed",
            "stop",
            "stream",
            "stream_options",
            "top_k",
        ];
        let mut dice = 7_u32;
        let mut roll = |sides: u32| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 16) % sides
        };
        for _ in 0..5_000 {
            let (mut named, mut body) = (Vec::new(), serde_json::Map::new());
            for name in NAMES {
                match roll(8) {
                    0 => named.push((name, json!(1))),
                    1 => named.push((name, Value::Null)),
                    2 => drop(body.insert(name.into(), json!(2))),
                    3 => {
                        named.push((name, if roll(2) == 0 { Value::Null } else { json!(1) }));
                        body.insert(name.into(), json!(2));
                    }
                    _ => {}
                }
            }
            named.push(("extra_body", Value::Object(body.clone())));
            let own = Config {
                temperature: Some(0.5),
                max_tokens: Some(9),
                n: Some(2),
                seed: Some(1),
                stop: vec!["x".into()],
                ..params(&named)
            };
            let bytes = with_call(|call| encode(call, &request(own), roll(2) == 0).unwrap());
            let text = String::from_utf8(bytes).unwrap();
            let sent: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
            for name in NAMES {
                assert!(text.matches(&format!("\"{name}\":")).count() <= 1, "{named:?}: {text}");
                let said = named.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
                match (body.get(name), said) {
                    (Some(value), _) => assert_eq!(sent.get(name), Some(value), "{named:?}: {text}"),
                    (None, Some(Value::Null)) => assert!(!sent.contains_key(name), "{named:?}: {text}"),
                    (None, Some(value)) => assert_eq!(sent.get(name), Some(value), "{named:?}: {text}"),
                    (None, None) => {}
                }
            }
            assert!(!sent.contains_key("extra_body"));
        }
    }

    #[test]
    fn extra_headers_are_no_part_of_the_body() {
        assert_eq!(sent(params(&[("extra_headers", json!({"a": "b"}))])), sent(Config::default()));
    }

    #[test]
    fn the_limit_of_tokens_is_sent_under_one_name() {
        for name in LIMITS {
            let body = sent(Config { max_tokens: Some(9), ..params(&[(name, json!(7))]) });
            assert_eq!(body, json!({"model": "x", "messages": body["messages"], name: 7}));
        }
    }

    #[test]
    fn the_rollout_id_is_never_sent() {
        let mut config = params(&[("rollout_id", json!(7))]);
        config.rollout_id = Some(7);
        assert_eq!(sent(config), sent(Config::default()));
    }

    #[test]
    fn a_temperature_that_is_no_number_is_a_config_error() {
        for temperature in [f64::NAN, f64::INFINITY] {
            let config = Config { temperature: Some(temperature), ..Config::default() };
            let error = with_call(|call| encode(call, &request(config), false).unwrap_err());
            assert!(error.is_config() && error.to_string().contains("temperature"), "{error}");
        }
    }

    #[test]
    fn the_number_of_completions_may_be_a_param() {
        assert_eq!(asked(&request(Config::default())).completions, 1);
        assert_eq!(asked(&request(Config { n: Some(3), ..Config::default() })).completions, 3);
        assert_eq!(asked(&request(params(&[("n", json!(4))]))).completions, 4);
        assert_eq!(asked(&request(params(&[("n", json!(0))]))).completions, 1);
    }

    #[test]
    fn tools_are_sent_where_there_are_some() {
        let weather = crate::ToolSpec::new("weather", "The weather.", json!({"type": "object"}));
        let asks = |request: Request| {
            with_call(|call| {
                serde_json::from_slice::<Value>(&encode(call, &request, false).unwrap()).unwrap()
            })
        };
        let request = request(Config::default()).tools([weather]);
        let function =
            json!({"name": "weather", "description": "The weather.", "parameters": {"type": "object"}});
        let body = asks(request.clone().tool_choice(crate::ToolChoice::Required));
        assert_eq!(body["tools"], json!([{"type": "function", "function": function}]));
        assert_eq!(body["tool_choice"], "required");
        let body = asks(request.tool_choice(crate::ToolChoice::Tool("weather".into())));
        assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "weather"}}));
    }
}
