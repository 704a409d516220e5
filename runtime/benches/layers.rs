//! Measures the cost of layers in an LM call: of layers that are off (never set, or switched off again), and of idle ones.
//!
//! Floor: the model called without an `Lm`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

use criterion::{Criterion, criterion_group, criterion_main};
use karat::{
    Cache, LanguageModel, Limits, Lm, Result, Retry,
    lm::{BoxFuture, CacheUse, Message, Request, Response},
};

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
        Box::pin(async { Ok(Response::of("Paris")) })
    }
}

fn hi() -> Request {
    Request::new(vec![Message::user("What is the capital of France?")])
}

fn layers(c: &mut Criterion) {
    let mut group = c.benchmark_group("layers");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let model: Box<dyn LanguageModel> = Box::new(AtOnce);
    group.bench_function("floor_model_alone", |b| {
        b.to_async(&runtime).iter(|| async { model.call(&hi(), None).await.expect("an answer") });
    });
    let bare = || Lm::custom(AtOnce).without_history();
    for (name, lm) in [
        ("off/none", bare()),
        ("off/retry_none", bare().retry(Retry::none())),
        ("off/retry_set_and_unset", bare().retry(Retry::new()).retry(Retry::none())),
        ("off/cache_use_without_cache", bare().cache_use(CacheUse::Bypass)),
        ("off/content_not_recorded", bare().record_content(false)),
        ("off/history_set_and_unset", bare().history_limits(9, 9_999).without_history()),
        ("on/history", Lm::custom(AtOnce)),
        ("on/retry", bare().retry(Retry::new())),
        ("on/limits_without_a_limit", bare().limits(Limits::new())),
        ("on/limits_of_1000_at_a_time", bare().limits(Limits::new().concurrency(1_000))),
        ("on/cache_passed_by", bare().cache(Cache::memory()).cache_use(CacheUse::Bypass)),
    ] {
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| async { lm.complete(hi()).await.expect("an answer") });
        });
    }
    group.finish();
}

criterion_group!(benches, layers);
criterion_main!(benches);
