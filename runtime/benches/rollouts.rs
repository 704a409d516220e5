//! Measures the overhead of `BestOfN` over its slowest rollout, on an LM that takes 50 ms.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use karat::{BestOfN, Module, Predict, Reply, ScriptedLm, signature};

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

const LM_TIME: Duration = Duration::from_millis(50);

fn best_of_8(c: &mut Criterion) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let lm = ScriptedLm::computed(|_| Reply::fields([("answer", "Paris")]).delay(LM_TIME)).lm();
    let qa = Predict::<Qa>::new().lm(&lm);
    let best = BestOfN::new(qa.clone(), 8, |_, _| 0.5).threshold(1.0).concurrency(8);
    let input = || QaInput { question: "Capital of France?".into() };

    let mut group = c.benchmark_group("best_of_8_at_50_ms");
    group.sample_size(20);
    group.bench_function("floor_one_sleep", |b| b.to_async(runtime()).iter(|| tokio::time::sleep(LM_TIME)));
    group.bench_function("one_predict", |b| {
        b.to_async(runtime()).iter(|| async { qa.call(input()).await.expect("an answer") });
    });
    group.bench_function("best_of_8_concurrency_8", |b| {
        b.to_async(runtime()).iter(|| async { best.call(input()).await.expect("an answer") });
    });
    group.finish();
}

criterion_group!(benches, best_of_8);
criterion_main!(benches);
