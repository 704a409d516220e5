//! Measures a cache hit, with the digest of a request of 2 KB, and a call of an LM without a cache.
//!
//! Floors: a SHA-256 of 2 KB alone, and for the disk, reading a file of the entry's size.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use karat::{
    Cache, LanguageModel, Lm, Result,
    lm::{BoxFuture, Message, Prompt, Request, Response},
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
        let text = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]";
        Box::pin(async move { Ok(Response::of(text)) })
    }
}

/// Builds a request of 2 KB by hand, which is read whole for the digest.
fn prompt() -> Prompt {
    vec![Message::system("s".repeat(1_500)), Message::user("u".repeat(548))].into()
}

/// Builds a request as a predictor does: a shared prefix, whose digest is known, and the call's own message.
fn of_predictor() -> Prompt {
    let mut prompt = Prompt::new([Message::system("s".repeat(1_500))].into());
    prompt.push(Message::user("u".repeat(548)));
    prompt
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn cache(c: &mut Criterion) {
    let mut group = c.benchmark_group("cache");
    let bytes = [7_u8; 2_048];
    group.bench_function("floor_sha256_of_2_kb", |b| {
        b.iter(|| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, black_box(&bytes)));
    });
    let ask_with = |lm: &Lm, prompt: &Prompt| {
        let (lm, prompt) = (lm.clone(), prompt.clone());
        async move { lm.complete(Request::new(prompt)).await.expect("an answer") }
    };
    let (prompt, of_predictor) = (prompt(), of_predictor());
    let ask = |lm: Lm| ask_with(&lm, &prompt);
    let bare = Lm::custom(AtOnce).without_history();
    group.bench_function("no_cache", |b| b.to_async(runtime()).iter(|| ask(bare.clone())));
    let cached = bare.clone().cache(Cache::memory());
    group.bench_function("memory_hit", |b| b.to_async(runtime()).iter(|| ask(cached.clone())));
    group.bench_function("memory_hit_of_a_predictor", |b| {
        b.to_async(runtime()).iter(|| ask_with(&cached, &of_predictor));
    });
    let folder = std::env::temp_dir().join(format!("karat-bench-{}", std::process::id()));
    // Nothing is kept in memory, so that every hit reads the disk.
    let disk = Cache::disk(&folder).entries(0);
    let on_disk = bare.cache(disk.clone());
    group.bench_function("disk_hit", |b| b.to_async(runtime()).iter(|| ask(on_disk.clone())));
    assert!(disk.stats().disk_hits > 0 && disk.stats().misses == 1, "{:?}", disk.stats());
    let entry = walk(&folder).expect("an entry");
    group.bench_function("floor_read_of_the_file", |b| b.iter(|| std::fs::read(black_box(&entry))));
    disk.clear().expect("cleared");
    let _ = std::fs::remove_dir_all(folder);
}

/// Finds the first file in the folder's folders.
fn walk(folder: &std::path::Path) -> Option<std::path::PathBuf> {
    let inner = std::fs::read_dir(folder).ok()?.next()?.ok()?.path();
    Some(std::fs::read_dir(inner).ok()?.next()?.ok()?.path())
}

criterion_group!(benches, cache);
criterion_main!(benches);
