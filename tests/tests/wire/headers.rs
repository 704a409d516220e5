//! A program's additions to a request: headers, parameters that omit a field, and further parts of the body.

use karat::{
    Cache, Lm, Module, Predict, Retry, ScriptedLm,
    lm::{Caller, CallerId, Config},
    signature,
};
use serde_json::{Value, json};
use wiremock::{MockServer, Request, ResponseTemplate};

use super::{KEY, assert_no_key, good_body, hi, lm, server};

async fn good() -> MockServer {
    server(ResponseTemplate::new(200).set_body_json(good_body())).await
}

/// The one request that a call of this LM sends.
async fn sent(set: impl FnOnce(Lm) -> Lm) -> Request {
    let server = good().await;
    set(lm(&server.uri())).complete(hi()).await.unwrap();
    let mut requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

fn body(request: &Request) -> Value {
    request.body_json().unwrap()
}

#[tokio::test]
async fn a_header_goes_with_every_request_and_is_no_part_of_the_body() {
    let plain = sent(|lm| lm).await;
    let request = sent(|lm| lm.header("X-Title", "app").header("cf-access-client-secret", "s-1")).await;
    assert_eq!(
        (&request.headers["x-title"], &request.headers["cf-access-client-secret"]),
        (&"app".parse().unwrap(), &"s-1".parse().unwrap())
    );
    assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(body(&request), body(&plain));
}

#[tokio::test]
async fn the_parameter_extra_headers_is_headers_as_in_dspy() {
    let plain = sent(|lm| lm).await;
    let headers = json!({"api-key": "k-1", "X-Title": "app", "x-retries": 3});
    let request = sent(|lm| lm.param("extra_headers", headers)).await;
    let shown =
        ["api-key", "x-title", "x-retries"].map(|name| request.headers[name].to_str().unwrap().to_owned());
    assert_eq!(shown, ["k-1", "app", "3"]);
    assert_eq!(body(&request), body(&plain));
    let none = sent(|lm| lm.param("extra_headers", Value::Null)).await;
    assert_eq!(body(&none), body(&plain));
}

#[tokio::test]
async fn the_nearer_header_wins_over_karats_own() {
    let extra = |name: &str| json!({ name: "of the request" });
    for (name, own) in
        [("Authorization", "authorization"), ("CONTENT-TYPE", "content-type"), ("User-Agent", "user-agent")]
    {
        let request = sent(|lm| lm.header(name, "of the LM")).await;
        assert_eq!(request.headers.get_all(own).iter().collect::<Vec<_>>(), ["of the LM"]);
        let request = sent(|lm| lm.header(own, "of the LM").param("extra_headers", extra(name))).await;
        assert_eq!(request.headers.get_all(own).iter().collect::<Vec<_>>(), ["of the request"]);
    }
}

#[tokio::test]
async fn a_header_with_credentials_needs_no_key() {
    for name in ["authorization", "api-key", "X-API-Key"] {
        let server = good().await;
        let lm = Lm::new("groq/x").unwrap().base_url(server.uri()).retry(Retry::none());
        lm.clone().header(name, "mine").complete(hi()).await.unwrap();
        lm.clone().param("extra_headers", json!({ name: "mine" })).complete(hi()).await.unwrap();
        for request in server.received_requests().await.unwrap() {
            assert_eq!(request.headers[name], "mine");
            assert_eq!(request.headers.contains_key("authorization"), name == "authorization");
        }
        if std::env::var_os("GROQ_API_KEY").is_none() {
            assert!(lm.complete(hi()).await.unwrap_err().is_auth(), "without one there has to be a key");
        }
    }
}

#[tokio::test]
async fn a_header_that_http_forbids_is_a_config_error_before_anything_is_sent() {
    let server = good().await;
    let retried = || Lm::new("openai/gpt-x").unwrap().base_url(server.uri()).api_key(KEY);
    for (name, value) in [
        ("", KEY),
        ("a b", KEY),
        (KEY, "authorization"),
        ("x-ü", KEY),
        ("x:", KEY),
        ("x-a", "sk-canary/7f3a\r\nx-b: 1"),
        ("x-a", "sk-canary/7f3a\n"),
        ("x-a", "sk-canary/7f3a\0"),
        ("content-length", "7"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "close"),
    ] {
        for lm in [retried().header(name, value), retried().param("extra_headers", json!({ name: value }))] {
            let error = lm.complete(hi()).await.unwrap_err();
            assert!(error.is_config() && error.to_string().contains("not sent"), "{name:?}: {error}");
            assert_no_key(&error);
            assert!(!format!("{lm:?} {lm:#?}").contains("canary"));
        }
    }
    for wrong in [
        json!("x-a: b"),
        json!([["x-a", "b"]]),
        json!({"x-a": null}),
        json!({"x-a": ["b"]}),
        json!({"x-a": {"b": 1}}),
    ] {
        let error = retried().param("extra_headers", wrong).complete(hi()).await.unwrap_err();
        assert!(error.is_config() && error.to_string().contains("`extra_headers`"), "{error}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
    let custom = ScriptedLm::new(["x"]).lm().header("x-a", "b").complete(hi()).await.unwrap_err();
    assert!(custom.is_config() && custom.to_string().contains("`header`"), "{custom}");
}

#[tokio::test]
async fn lms_with_different_headers_share_no_cache_entries() {
    let server = good().await;
    let cache = Cache::memory();
    let of = |lm: Lm| lm.cache(cache.clone());
    let all = [
        of(lm(&server.uri())),
        of(lm(&server.uri()).header("x-tenant", "one")),
        of(lm(&server.uri()).header("x-tenant", "two")),
        of(lm(&server.uri()).header("x-other", "one")),
        of(lm(&server.uri()).param("extra_headers", json!({"x-tenant": "one"}))),
        of(lm(&server.uri()).param("extra_headers", json!({"x-tenant": "two"}))),
    ];
    for _ in 0..2 {
        for lm in &all {
            lm.complete(hi()).await.unwrap();
        }
    }
    assert_eq!(server.received_requests().await.unwrap().len(), all.len());
    of(lm(&server.uri()).header("X-Tenant", "one")).complete(hi()).await.unwrap();
    assert_eq!(server.received_requests().await.unwrap().len(), all.len(), "the same header is the same LM");
    // A key in a header does not make two addresses equal.
    let one = self::good().await;
    let keyless = |uri: String| {
        let credentials = json!({"authorization": "x"});
        of(Lm::new("groq/x").unwrap().base_url(uri).param("extra_headers", credentials))
    };
    keyless(one.uri()).complete(hi()).await.unwrap();
    keyless(server.uri()).complete(hi()).await.unwrap();
    assert_eq!(one.received_requests().await.unwrap().len(), 1);
    assert_eq!(server.received_requests().await.unwrap().len(), all.len() + 1);
    let lm = || lm("http://127.0.0.1:1/v1");
    assert!(
        lm().header("x-a", "1") == lm().header("X-A", "1")
            && lm().header("x-a", "1") != lm().header("x-a", "2")
    );
    assert!(lm() != lm().header("x-a", "1") && lm() != lm().allow_key_over_http(true));
}

#[tokio::test]
async fn a_header_that_a_server_repeats_is_in_no_error() {
    for (name, value) in [
        ("x-gateway", "sk-canary/7f3a"),
        ("authorization", "Basic sk-canary/7f3a"),
        ("cookie", "a=b; session=sk-canary/7f3a"),
    ] {
        for echo in ["sk-canary/7f3a", value] {
            let server = server(
                ResponseTemplate::new(401)
                    .set_body_json(json!({"error": {"message": format!("bad {echo}!"), "code": echo}})),
            )
            .await;
            let lm =
                Lm::new("openai/gpt-x").unwrap().base_url(server.uri()).api_key("k").retry(Retry::none());
            for lm in [lm.clone().header(name, value), lm.param("extra_headers", json!({ name: value }))] {
                let error = lm.complete(hi()).await.unwrap_err();
                assert!(error.is_auth() && error.to_string().contains("[key]"), "{error}");
                assert_no_key(&error);
            }
        }
    }
}

#[tokio::test]
async fn a_parameter_of_null_omits_karats_own_field_in_a_stream_too() {
    let server = good().await;
    let lm = lm(&server.uri()).max_tokens(9).temperature(0.5);
    let stream = async |lm: &Lm| {
        let me = Caller::new("me", CallerId::unique());
        lm.stream_for(me, hi(), &mut |_| ()).await.unwrap();
        body(server.received_requests().await.unwrap().last().unwrap())
    };
    let all = stream(&lm).await;
    assert_eq!(all["stream_options"], json!({"include_usage": true}));
    for (name, key) in [
        ("stream_options", "stream_options"),
        ("max_tokens", "max_completion_tokens"),
        ("max_completion_tokens", "max_completion_tokens"),
        ("temperature", "temperature"),
        ("stream", "stream"),
    ] {
        let mut expected = all.clone();
        expected.as_object_mut().unwrap().remove(key);
        assert_eq!(stream(&lm.clone().param(name, Value::Null)).await, expected, "{name}");
    }
    // A value of a single call overrides a null of the LM, and the other way round.
    let set = lm.clone().param("top_k", Value::Null).param("seed", 7);
    let mut request = hi();
    request.config =
        Config::new().params([("top_k".to_owned(), json!(5)), ("seed".to_owned(), Value::Null)].into());
    set.complete(request).await.unwrap();
    let last = body(server.received_requests().await.unwrap().last().unwrap());
    assert_eq!((last.get("top_k"), last.get("seed")), (Some(&json!(5)), None));
}

#[tokio::test]
async fn entries_of_extra_body_go_into_the_body_itself() {
    let request = sent(|lm| {
        lm.temperature(0.5).param("extra_body", json!({"top_k": 5, "temperature": 1, "guide": null}))
    })
    .await;
    let body = body(&request);
    assert_eq!(
        (&body["top_k"], &body["temperature"], body.get("guide")),
        (&json!(5), &json!(1), Some(&Value::Null))
    );
    assert!(body.get("extra_body").is_none());
    let server = good().await;
    let error = lm(&server.uri()).param("extra_body", json!([1])).complete(hi()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("`extra_body`"), "{error}");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[tokio::test]
async fn a_header_is_in_no_state_history_or_print() {
    let server = good().await;
    let lm =
        lm(&server.uri()).header("x-gateway", "canary-1").param("extra_headers", json!({"x-b": "canary-2"}));
    let qa = Predict::<Qa>::new().lm(&lm);
    let _ = qa.call(QaInput { question: "?".into() }).await;
    assert_eq!(server.received_requests().await.unwrap()[0].headers["x-gateway"], "canary-1");
    let state = qa.dump_state().allow_unsafe_lm_state(true);
    let mut history = Vec::new();
    lm.inspect_history_to(9, &mut history).unwrap();
    let text = format!(
        "{lm:?} {lm:#?} {qa:?} {state:?} {} {} {:?} {}",
        serde_json::to_string(&state).unwrap(),
        lm.history(),
        lm.history(),
        String::from_utf8(history).unwrap()
    );
    assert!(text.contains("extra_headers") && !text.contains("canary-"), "{text}");
}
