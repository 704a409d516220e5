//! Slow servers: how long one that is down is retried, and when a slow answer is worth a warning. In virtual time.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use karat::{
    BestOfN, ErrorKind, Lm, Module, Predict, Prediction, Retry,
    lm::{Caller, CallerId},
    signature,
};
use karat_tests::{
    Act, Reply, Server,
    clock::run,
    reply::{END, event, head},
    server::Greeting,
};
use serde_json::json;
use tokio::time::Instant;
use tracing::{Event, Level, Metadata, Subscriber, field::Visit, span};

use super::{KEY, hi};

/// Answer the question.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A server that listens after a time, or never.
fn later(after: Option<Duration>) -> Server {
    Server::start_later(after, |_| Greeting::Plain, |_| Reply::text("[[ ## answer ## ]]\nParis"))
}

fn lm(model: &str, server: &Server, host: &str) -> Lm {
    let url = format!("http://{host}:{}/v1", server.address().port());
    Lm::new(model).unwrap().base_url(url).api_key(KEY).retry(Retry::new().attempts(50).random(|| 1.0))
}

#[test]
fn a_local_server_that_does_not_run_is_retried_for_five_seconds_with_advice() {
    for (model, start) in [
        ("ollama/qwen3", "start it with `ollama serve`"),
        ("vllm/Qwen/Qwen3-8B", "start it with `vllm serve Qwen/Qwen3-8B`"),
        ("sglang/Qwen/Qwen3-8B", "start it with `python -m sglang.launch_server --model-path Qwen/Qwen3-8B`"),
        ("llamacpp/x", "start it with `llama-server -m <model>.gguf`"),
        ("openai/x", "No server runs there: start it; or check the address: it is `.base_url(..)`"),
    ] {
        run(async {
            let server = later(None);
            let begin = Instant::now();
            let error = lm(model, &server, "127.0.0.1").complete(hi()).await.unwrap_err();
            let took = begin.elapsed();
            assert!(took > seconds(3) && took <= seconds(5) + Duration::from_millis(10), "{took:?}");
            assert_eq!(error.kind(), ErrorKind::Connect);
            let text = error.to_string();
            assert!(text.contains(start) && text.contains(&server.address().to_string()), "{text}");
            assert!(!text.contains("canary"), "{text}");
        });
    }
}

#[test]
fn a_server_that_is_starting_is_waited_for() {
    run(async {
        let server = later(Some(seconds(3)));
        let begin = Instant::now();
        lm("ollama/x", &server, "127.0.0.1").complete(hi()).await.unwrap();
        assert!(begin.elapsed() >= seconds(3) && begin.elapsed() <= seconds(5));
    });
}

#[test]
fn the_five_seconds_cover_all_calls_to_a_server_that_does_not_run() {
    run(async {
        let server = later(None);
        let lm = lm("ollama/x", &server, "127.0.0.1");
        let qa = Predict::<Qa>::new().lm(&lm);
        let best = BestOfN::new(qa, 5, |_: &QaInput, _: &Prediction<QaOutput>| 1.0);
        let begin = Instant::now();
        let error = best.call(QaInput { question: "Capital of France?".into() }).await.unwrap_err();
        assert!(error.is_exhausted() && error.rollouts().len() == 5, "{error}");
        assert!(begin.elapsed() <= seconds(5) + Duration::from_millis(10), "{:?}", begin.elapsed());
        // Later the server may have been started, so it is waited for again.
        tokio::time::sleep(seconds(60)).await;
        let begin = Instant::now();
        let error = lm.complete(hi()).await.unwrap_err();
        assert!(error.attempts() > 1 && begin.elapsed() > seconds(3), "{error}");
    });
}

#[test]
fn a_server_that_stops_after_it_was_reached_is_waited_for_again() {
    run(async {
        let reply = |_: &_| {
            Reply::from(vec![
                Act::Answer {
                    status: 200,
                    headers: vec![("content-type".into(), "application/json".into())],
                    body: json!({"choices": [{"message": {"content": "x"}}]}).to_string().into(),
                },
                Act::Close,
            ])
            .then_gone(seconds(2))
        };
        let server = Server::start_later(Some(seconds(2)), |_| Greeting::Plain, reply);
        let lm = lm("ollama/x", &server, "127.0.0.1");
        for _ in 0..4 {
            lm.complete(hi()).await.unwrap();
        }
    });
}

#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
                write!(self.0, "{field}={value:?} ").unwrap();
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The warnings of two calls, one whole and one streamed, whose answers take this long.
fn warnings(pause: Duration, set: impl Fn(Lm) -> Lm) -> Vec<String> {
    let warnings = Warnings::default();
    let body = json!({"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}).to_string();
    tracing::subscriber::with_default(warnings.clone(), || {
        run(async {
            let server = Server::start(Greeting::Plain, move |request| {
                let (content_type, start, end) = match request.is_streamed() {
                    true => ("text/event-stream", event(&json!({"content": "Par"})), END.to_owned()),
                    false => ("application/json", String::new(), body.clone()),
                };
                let head = head("200 OK", &[&format!("content-type: {content_type}")]);
                let acts = [
                    Act::Bytes((head + &start).into()),
                    Act::Pause(pause),
                    Act::Bytes(end.into()),
                    Act::Close,
                ];
                Vec::from(acts).into()
            });
            let lm = set(lm("openai/x", &server, "127.0.0.1"));
            lm.complete(hi()).await.unwrap();
            let caller = Caller::new("me", CallerId::unique());
            lm.stream_for(caller, hi(), &mut |_| {}).await.unwrap();
        });
    });
    let texts = warnings.0.lock().unwrap();
    texts.iter().filter(|text| text.contains("max_tokens")).cloned().collect()
}

#[test]
fn a_warning_is_logged_once_for_an_unlimited_answer_of_more_than_a_minute() {
    let warned = warnings(seconds(200), |lm| lm);
    assert_eq!(warned.len(), 2, "{warned:?}");
    assert!(warned.iter().all(|text| text.contains("60s") && text.contains("openai/x")), "{warned:?}");
    assert_eq!(warnings(seconds(55), |lm| lm), [""; 0]);
    assert_eq!(warnings(seconds(200), |lm| lm.max_tokens(100)), [""; 0]);
    assert_eq!(warnings(seconds(200), |lm| lm.param("max_tokens", 100)), [""; 0]);
    assert_eq!(warnings(seconds(200), |lm| lm.param("max_completion_tokens", 100)), [""; 0]);
}
