//! Measures karat's own cost of a call: an LM that answers at once, one input, one output.
//!
//! Floors: the same LM called without karat, and `serde_json` reading the same answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use karat::{
    LanguageModel, Lm, Module, Predict, Result,
    lm::{BoxFuture, Message, Request, Response},
    signature,
};

/// Answer the question.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

const REPLY: &str = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]";

struct AtOnce;

impl LanguageModel for AtOnce {
    fn name(&self) -> &str {
        "at-once"
    }

    fn call<'a>(
        &'a self,
        _: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async { Ok(Response::of(REPLY)) })
    }
}

fn qa(demos: usize) -> Predict<Qa> {
    let demo = |index| Qa { question: format!("What is {index} + 1?"), answer: format!("{}", index + 1) };
    Predict::new().demos((0..demos).map(demo).collect()).lm(&Lm::custom(AtOnce))
}

fn input() -> QaInput {
    QaInput { question: "What is the capital of France?".into() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn call(c: &mut Criterion) {
    let mut group = c.benchmark_group("predict_call");
    let lm = Lm::custom(AtOnce).without_history();
    group.bench_function("floor_bare_lm_call", |b| {
        b.to_async(runtime()).iter(|| async {
            let request = Request::new(vec![Message::user("What is the capital of France?")]);
            lm.complete(request).await.expect("an answer")
        });
    });
    for demos in [0, 64] {
        let qa = qa(demos);
        group.bench_with_input(BenchmarkId::new("demos", demos), &demos, |b, _| {
            b.to_async(runtime()).iter(|| async { qa.call(input()).await.expect("an answer") });
        });
    }
    let off = qa(0).lm(&Lm::custom(AtOnce).without_history());
    group.bench_function("history_off", |b| {
        b.to_async(runtime()).iter(|| async { off.call(input()).await.expect("an answer") });
    });
    group.finish();
}

fn format_and_parse(c: &mut Criterion) {
    let qa = qa(3);
    let input = input();
    c.bench_function("format_with_cached_prefix", |b| {
        b.iter(|| qa.prompt(black_box(&input)).expect("a prompt"))
    });
    c.bench_function("parse_chat", |b| b.iter(|| qa.parse(&input, black_box(REPLY)).expect("an answer")));
    let floor = r#"{"answer":"Paris"}"#;
    c.bench_function("floor_parse_serde_json", |b| {
        b.iter(|| serde_json::from_str::<serde_json::Value>(black_box(floor)).expect("JSON"));
    });
}

criterion_group!(benches, call, format_and_parse);
criterion_main!(benches);
