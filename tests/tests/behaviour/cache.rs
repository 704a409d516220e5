//! The cache in memory: which requests are equal, which answers are stored, and how many.

use std::sync::atomic::{AtomicUsize, Ordering};

use karat::{
    BestOfN, Cache, ErrorKind, Lm, Module, Predict, Reply, ScriptedLm,
    lm::{CacheUse, Config, Finish, Message, Request, ResponseFormat, Usage},
};
use serde_json::json;

use crate::support::*;

/// An LM that numbers its answers, with a cache.
fn numbered(cache: &Cache) -> (ScriptedLm, Lm) {
    let count = AtomicUsize::new(0);
    let model =
        ScriptedLm::computed(move |_| Reply::text((count.fetch_add(1, Ordering::SeqCst) + 1).to_string()));
    let lm = model.lm().cache(cache.clone());
    (model, lm)
}

async fn text(lm: &Lm, request: Request) -> String {
    lm.complete(request).await.unwrap().completions.remove(0).text
}

#[tokio::test]
async fn a_cached_answer_is_not_asked_for_again_and_costs_nothing() {
    let model = answers(["Paris"]);
    let cache = Cache::memory();
    let qa = Predict::<Qa>::new().lm(&model.lm().cache(cache.clone()));
    let first = qa.call(ask()).await.unwrap();
    assert!(first.usage().total_tokens() > 0 && first.usage().cached_calls == 0);
    let again = qa.call(ask()).await.unwrap();
    assert_eq!(again.answer, "Paris");
    assert_eq!(again.usage(), Usage::new().calls(1).cached_calls(1));
    assert_eq!((again.usage().sent_calls(), again.usage().is_cached()), (0, true));
    let calls = again.trace().steps()[0].calls();
    assert!(calls.len() == 1 && calls[0].is_cached());
    let history = qa.history();
    assert_eq!(history.iter().map(|entry| entry.is_cached()).collect::<Vec<_>>(), [false, true]);
    assert!(history.to_string().contains("from a cache"), "{history}");
    assert_eq!(model.calls(), 1);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.stored, stats.entries), (1, 1, 1, 1));
}

#[tokio::test]
async fn an_lm_without_a_cache_asks_every_time() {
    let model = answers(["one", "two"]);
    let qa = qa(&model);
    qa.call(ask()).await.unwrap();
    assert_eq!(qa.call(ask()).await.unwrap().answer, "two");
}

fn request(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = Request::new(vec![Message::system("be brief"), Message::user("hi")]);
    change(&mut request);
    request
}

fn config(change: impl FnOnce(&mut Config)) -> Request {
    request(|request| change(&mut request.config))
}

fn param(name: &str, value: serde_json::Value) -> Request {
    config(|config| drop(config.params.insert(name.into(), value)))
}

fn schema(name: &str, schema: serde_json::Value, strict: bool) -> Request {
    let format = serde_json::from_value::<ResponseFormat>(
        json!({"type": "json_schema", "name": name, "schema": schema, "strict": strict}),
    );
    request(|request| request.response_format = Some(format.unwrap()))
}

#[tokio::test]
async fn requests_that_differ_in_any_value_are_different_entries() {
    let of = |messages: Vec<Message>| Request::new(messages);
    let all = [
        request(|_| {}),
        of(vec![Message::system("be brief"), Message::user("hj")]),
        of(vec![Message::user("be brief"), Message::user("hi")]),
        of(vec![Message::system("be briefhi")]),
        of(vec![Message::system("be briefh"), Message::user("i")]),
        of(vec![Message::system("be brief"), Message::user("hi"), Message::assistant("")]),
        of(vec![]),
        config(|config| config.temperature = Some(0.0)),
        config(|config| config.temperature = Some(-0.0)),
        config(|config| config.temperature = Some(0.5)),
        config(|config| config.max_tokens = Some(5)),
        config(|config| config.n = Some(5)),
        config(|config| config.seed = Some(5)),
        config(|config| config.rollout_id = Some(5)),
        config(|config| config.rollout_id = Some(0)),
        config(|config| config.stop = vec!["ab".into()]),
        config(|config| config.stop = vec!["a".into(), "b".into()]),
        param("top_k", json!(5)),
        param("top_k", json!(5.0)),
        param("top_k", json!("5")),
        param("top_k", json!(-5)),
        param("top_k", json!([5])),
        param("top_k", json!({"5": null})),
        param("top_p", json!(5)),
        param("max_tokens", json!(5)),
        param("extra_headers", json!({"authorization": "sk-one"})),
        param("extra_headers", json!({"authorization": "sk-two"})),
        request(|request| request.response_format = Some(ResponseFormat::JsonObject)),
        schema("a", json!({"x": 1, "y": 2}), true),
        schema("a", json!({"y": 2, "x": 1}), true),
        schema("a", json!({"x": 1, "y": 2}), false),
        schema("b", json!({"x": 1, "y": 2}), true),
    ];
    let cache = Cache::memory();
    let (model, lm) = numbered(&cache);
    for (index, request) in all.iter().enumerate() {
        assert_eq!(text(&lm, request.clone()).await, (index + 1).to_string(), "{request:?}");
    }
    for (index, request) in all.iter().enumerate() {
        assert_eq!(text(&lm, request.clone()).await, (index + 1).to_string(), "{request:?}");
    }
    assert_eq!(model.calls(), all.len());
    // The handle's settings are part of the request.
    assert_eq!(text(&lm.clone().temperature(0.5), request(|_| {})).await, text(&lm, all[9].clone()).await);
    assert_eq!(model.calls(), all.len());
}

#[tokio::test]
async fn lms_that_share_a_cache_share_answers_only_if_they_are_the_same_model() {
    let cache = Cache::memory();
    let model = answers(["first"]);
    let other = answers(["of another model"]).named("another");
    let ask_of = async |model: &ScriptedLm| text(&model.lm().cache(cache.clone()), hi("hi")).await;
    let first = ask_of(&model).await;
    assert_eq!(ask_of(&model).await, first, "another handle of the model");
    assert_ne!(ask_of(&other).await, first);
    let server = |url: &str| Lm::new("llamacpp/x").unwrap().base_url(url).cache(cache.clone());
    for url in ["http://127.0.0.1:9/v1", "http://127.0.0.1:9/v2"] {
        assert!(server(url).complete(hi("hi")).await.unwrap_err().is_connect(), "nobody is there");
    }
    assert_eq!(cache.stats().misses, 4);
}

#[tokio::test]
async fn rollouts_of_one_prompt_are_different_entries_and_a_second_run_finds_them_all() {
    let cache = Cache::memory();
    let model = echo_id();
    let qa = Predict::<Qa>::new().lm(&model.lm().cache(cache.clone()));
    let best = BestOfN::new(qa, 5, number);
    let first = best.call(ask()).await.unwrap();
    assert_eq!((model.calls(), first.answer.as_str(), first.usage().sent_calls()), (5, "4", 5));
    let again = best.call(ask()).await.unwrap();
    assert_eq!(rewards(again.rollouts()), rewards(first.rollouts()));
    assert_eq!((model.calls(), again.usage().sent_calls(), again.usage().calls), (5, 0, 5));
}

#[tokio::test]
async fn only_whole_and_good_answers_are_stored() {
    let odd = || {
        vec![
            Reply::text("cut").finish(Finish::Length),
            Reply::text("held back").finish(Finish::ContentFilter),
            Reply::text("").finish(Finish::Other("tool_calls".into())),
            Reply::text("half").finish(Finish::Other("aborted".into())),
            Reply::refusal("no"),
            Reply::text(""),
            Reply::text(" \n"),
            Reply::text("good").and(Reply::text("")),
            server_error(),
            failure(ErrorKind::BadRequest),
        ]
    };
    for index in 0..odd().len() {
        let cache = Cache::memory();
        let model = ScriptedLm::new([odd().swap_remove(index), Reply::text("good")]);
        let lm = model.lm().cache(cache.clone());
        let _ = lm.complete(hi("hi")).await;
        assert_eq!((cache.stats().stored, cache.stats().entries), (0, 0), "{index}");
        assert_eq!(text(&lm, hi("hi")).await, "good", "{index}");
        assert_eq!(text(&lm, hi("hi")).await, "good", "{index}");
        assert_eq!((model.calls(), cache.stats().in_flight), (2, 0), "{index}");
    }
}

#[tokio::test]
async fn a_call_may_bypass_the_cache_or_refresh_it() {
    let model = answers(["1", "2", "3", "4"]);
    let qa = Predict::<Qa>::new().lm(&model.lm().cache(Cache::memory()));
    let call = async |cache: Option<CacheUse>| {
        let config = Config::new().cache(cache);
        qa.call_with(ask(), &config).await.unwrap().into_inner().answer
    };
    assert_eq!(call(Some(CacheUse::Bypass)).await, "1");
    assert_eq!(call(None).await, "2", "nothing was stored");
    assert_eq!(call(Some(CacheUse::Bypass)).await, "3");
    assert_eq!(call(Some(CacheUse::Use)).await, "2", "nothing was replaced");
    assert_eq!(call(Some(CacheUse::Refresh)).await, "4");
    assert_eq!(call(None).await, "4");
    assert_eq!(model.calls(), 4);
}

#[tokio::test]
async fn a_handle_may_set_how_the_cache_is_used_and_a_call_overrides_it() {
    let cache = Cache::memory();
    let (model, lm) = numbered(&cache);
    let fresh = lm.clone().cache_use(CacheUse::Refresh);
    assert_eq!(text(&fresh, hi("hi")).await, "1");
    assert_eq!(text(&fresh, hi("hi")).await, "2");
    assert_eq!(text(&lm, hi("hi")).await, "2");
    assert_eq!(text(&fresh, config_of(hi("hi"), CacheUse::Use)).await, "2");
    assert_eq!(model.calls(), 2);
    let sent = serde_json::to_value(&model.requests()[0]).unwrap();
    assert!(!sent.to_string().contains("refresh") && sent["config"].get("cache").is_none(), "{sent}");
}

fn config_of(mut request: Request, cache: CacheUse) -> Request {
    request.config.cache = Some(cache);
    request
}

#[tokio::test]
async fn memory_is_bounded_by_entries_and_keeps_those_in_use() {
    let cache = Cache::memory().entries(10);
    let (model, lm) = numbered(&cache);
    for index in 0..200 {
        text(&lm, hi("favourite")).await;
        text(&lm, hi(&index.to_string())).await;
        assert!(cache.stats().entries <= 10);
    }
    assert_eq!(model.calls(), 201, "the favourite was sent once");
    let stats = cache.stats();
    assert_eq!((stats.stored, stats.evicted, stats.entries), (201, 191, 10));
}

#[tokio::test]
async fn memory_is_bounded_by_bytes_and_keeps_no_entry_beyond_the_bound() {
    let cache = Cache::memory().bytes(100_000);
    let (model, lm) = numbered(&cache);
    for index in 0..100 {
        text(&lm, hi(&format!("{index}").repeat(5_000))).await;
        assert!(cache.stats().bytes <= 100_000, "{:?}", cache.stats());
    }
    assert!((5..20).contains(&cache.stats().entries), "{:?}", cache.stats());
    let before = cache.stats().entries;
    text(&lm, hi(&"x".repeat(100_000))).await;
    text(&lm, param("large", json!("x".repeat(100_000)))).await;
    assert_eq!(cache.stats().entries, before, "the others were not driven out");
    assert_eq!(model.calls(), 102);
    for none in [Cache::memory().entries(0), Cache::memory().bytes(0)] {
        let (model, lm) = numbered(&none);
        text(&lm, hi("hi")).await;
        text(&lm, hi("hi")).await;
        assert_eq!((model.calls(), none.stats().entries, none.stats().bytes), (2, 0, 0));
    }
}

#[tokio::test]
async fn a_cache_that_is_cleared_is_empty() {
    let cache = Cache::memory();
    let (model, lm) = numbered(&cache);
    text(&lm, hi("hi")).await;
    cache.clear().unwrap();
    assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
    assert_eq!((text(&lm, hi("hi")).await.as_str(), model.calls()), ("2", 2));
}
