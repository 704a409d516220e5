//! Measures the overhead of `batch`: 256 inputs, 16 at a time, on an LM that sleeps 20 ms.
//!
//! Floor: the same sleeps in a bare `buffer_unordered(16)`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::{StreamExt, stream};
use karat::{Module, Predict, Reply, ScriptedLm, batch::BatchStop, signature};

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

const LM_TIME: Duration = Duration::from_millis(20);
const INPUTS: usize = 256;
const CONCURRENCY: usize = 16;

fn batch_of_256(c: &mut Criterion) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");

    let mut group = c.benchmark_group("batch_of_256_at_20_ms");
    group.sample_size(20);
    group.bench_function("floor_buffer_unordered_16", |b| {
        b.to_async(runtime()).iter(|| async {
            let sleeps = stream::iter(0..INPUTS).map(|_| tokio::time::sleep(LM_TIME));
            sleeps.buffer_unordered(CONCURRENCY).count().await
        });
    });
    group.bench_function("batch_concurrency_16", |b| {
        // A new LM for each run: a scripted one keeps every request.
        let module = || {
            let lm = ScriptedLm::computed(|_| Reply::fields([("answer", "Paris")]).delay(LM_TIME));
            Predict::<Qa>::new().lm(&lm.lm())
        };
        b.to_async(runtime()).iter(|| async move {
            let inputs = (0..INPUTS).map(|index| QaInput { question: format!("What is {index} + 1?") });
            let done = module().batch(inputs).concurrency(CONCURRENCY).await;
            assert_eq!((done.stop_reason(), done.errors().count()), (BatchStop::Completed, 0));
            done
        });
    });
    group.finish();
}

criterion_group!(benches, batch_of_256);
criterion_main!(benches);
