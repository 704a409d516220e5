//! Every field that an answer depends on is in the key: a new field does not compile here until it is covered.

use std::collections::HashMap;

use serde_json::json;

use super::key::{Prefixes, is_same, key};
use crate::data::{
    CacheUse, Caller, CallerId, Config, Content, Media, MediaSource, Message, Opaque, Part, Request,
    ResponseFormat, Role, ToolCall, ToolChoice, ToolResult, ToolSpec,
};

fn media() -> Media {
    Media::url("image/png", "x").name("n")
}

fn result() -> ToolResult {
    ToolResult::new("c", "sunny").name("weather")
}

fn of_part(part: impl Into<Part>) -> Request {
    Request::new(vec![Message::user(part.into())])
}

/// A request of the format, or another one.
fn base() -> Request {
    Request::new(vec![Message::user("hi")])
        .config(Config::new().temperature(0.5).stop(["x"]).param("top_k", 5))
        .response_format(ResponseFormat::json_schema("Qa", json!({"type": "object"}), true))
        .tools([ToolSpec::new("weather", "The weather.", json!({"type": "object"}))])
        .tool_choice(ToolChoice::Auto)
}

/// Requests that all differ from each other, each with its name.
fn all() -> Vec<(&'static str, Request)> {
    // Without `..`, so that a new field has to be changed below.
    let Request { prompt: _, config, response_format, tools, tool_choice: _, caller: _, meter: _ } = base();
    let Config { temperature: _, max_tokens: _, n: _, seed: _, stop: _, rollout_id: _, cache: _, params: _ } =
        config;
    let Some(ResponseFormat::JsonSchema { name: _, schema: _, strict: _ }) = response_format else {
        panic!()
    };
    let ToolSpec { name: _, description: _, parameters: _, strict: _ } = &tools[0];
    let Message { role: _, content: _ } = Message::user("hi");
    let Media { media_type: _, source: _, name: _ } = media();
    let ToolCall { id: _, name: _, arguments: _ } = ToolCall::new("", "", "");
    let ToolResult { call: _, name: _, content: _, is_error: _ } = result();
    let Opaque { maker: _, json: _ } = Opaque::new("", "");

    let config = |set: fn(Config) -> Config| {
        let request = base();
        let config = set(request.config.clone());
        request.config(config)
    };
    let format = |format: ResponseFormat| base().response_format(format);
    let schema = || json!({"type": "object"});
    let tool = |name: &str, about: &str| ToolSpec::new(name, about, schema());
    let role = |role: Role| Request::new(vec![Message::new(role, "hi")]);
    vec![
        ("base", base()),
        ("system", role(Role::System)),
        ("user", role(Role::User)),
        ("assistant", role(Role::Assistant)),
        ("tool", role(Role::Tool)),
        ("another text", Request::new(vec![Message::user("ho")])),
        ("two messages", Request::new(vec![Message::user("hi"), Message::user("hi")])),
        ("temperature", config(|config| config.temperature(0.6))),
        ("no temperature", config(|config| config.temperature(None))),
        ("max_tokens", config(|config| config.max_tokens(1))),
        ("n", config(|config| config.n(1))),
        ("seed", config(|config| config.seed(1))),
        ("stop", config(|config| config.stop(["x", ""]))),
        ("rollout_id", config(|config| config.rollout_id(1))),
        ("param", config(|config| config.param("top_k", 6))),
        ("another param", config(|config| config.param("top_p", 5))),
        ("no format", base().response_format(None)),
        ("json", format(ResponseFormat::JsonObject)),
        ("format name", format(ResponseFormat::json_schema("Qb", schema(), true))),
        ("format schema", format(ResponseFormat::json_schema("Qa", json!({}), true))),
        ("format strict", format(ResponseFormat::json_schema("Qa", schema(), false))),
        ("no tools", base().tools([])),
        ("tool name", base().tools([tool("other", "The weather.")])),
        ("tool description", base().tools([tool("weather", "")])),
        ("tool parameters", base().tools([ToolSpec::new("weather", "The weather.", json!({}))])),
        ("tool strict", base().tools([tool("weather", "The weather.").strict(true)])),
        ("two tools", base().tools([tool("weather", "The weather."), tool("other", "")])),
        ("no choice", base().tool_choice(None)),
        ("none", base().tool_choice(ToolChoice::None)),
        ("required", base().tool_choice(ToolChoice::Required)),
        ("one tool", base().tool_choice(ToolChoice::Tool("weather".into()))),
        ("another tool", base().tool_choice(ToolChoice::Tool("other".into()))),
        ("texts", Request::new(vec![Message::user(Content::new(["h".into(), "i".into()]))])),
        ("texts in reverse", Request::new(vec![Message::user(Content::new(["i".into(), "h".into()]))])),
        ("media", of_part(media())),
        ("media type", of_part(Media::url("image/gif", "x").name("n"))),
        ("media source", of_part(Media { source: MediaSource::Url("y".into()), ..media() })),
        ("media by id", of_part(Media { source: MediaSource::Id("x".into()), ..media() })),
        ("media here", of_part(Media { source: MediaSource::Base64("x".into()), ..media() })),
        ("media name", of_part(media().name("m"))),
        ("media without a name", of_part(Media { name: None, ..media() })),
        ("call", of_part(ToolCall::new("a", "b", "c"))),
        ("call id", of_part(ToolCall::new("x", "b", "c"))),
        ("call name", of_part(ToolCall::new("a", "x", "c"))),
        ("call arguments", of_part(ToolCall::new("a", "b", "x"))),
        ("result", of_part(result())),
        ("result call", of_part(ToolResult { call: "d".into(), ..result() })),
        ("result name", of_part(result().name("x"))),
        ("result content", of_part(ToolResult { content: "rain".into(), ..result() })),
        ("result media", of_part(ToolResult { content: Part::from(media()).into(), ..result() })),
        ("result error", of_part(result().is_error(true))),
        ("opaque", of_part(Opaque::new("a", "{}"))),
        ("opaque maker", of_part(Opaque::new("b", "{}"))),
        ("opaque json", of_part(Opaque::new("a", "[]"))),
    ]
}

#[test]
fn a_change_of_each_field_changes_the_key() {
    let prefixes = Prefixes::default();
    let mut seen = HashMap::new();
    for (name, request) in &all() {
        if let Some(other) = seen.insert(key(&prefixes, "m", request), *name) {
            panic!("`{name}` has the key of `{other}`");
        }
        for (other, of_other) in &all() {
            assert_eq!(is_same(request, of_other), name == other, "{name}, {other}");
            assert_eq!(request == of_other, name == other, "{name}, {other}");
        }
    }
    assert_ne!(key(&prefixes, "m", &base()), key(&prefixes, "n", &base()));
}

#[test]
fn the_caller_and_the_cache_setting_are_no_part_of_the_key() {
    let prefixes = Prefixes::default();
    let of = |request: &Request| key(&prefixes, "m", request);
    assert_eq!(of(&base()), of(&base().caller(Caller::new("me", CallerId::unique()))));
    let config = base().config.cache(CacheUse::Refresh);
    assert_eq!(of(&base()), of(&base().config(config)));
}
