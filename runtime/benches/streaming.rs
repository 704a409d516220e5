//! What it costs to follow an answer while it is written, byte by byte, beside reading it at once.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use karat::{
    Adapter, BoxFuture, ChatAdapter, JsonAdapter, LanguageModel, Lm, Module, Predict, Result, XmlAdapter,
    lm::{Completion, Delta, Request, Response, Tell},
    signature,
};

/// Summarize.
#[signature]
struct Report {
    #[input]
    text: String,
    #[output]
    summary: String,
    #[output]
    points: Vec<String>,
}

/// Tells the same answer in pieces of one byte, or whole.
struct Typist {
    answer: String,
    /// How many bytes a piece has.
    size: usize,
}

impl LanguageModel for Typist {
    fn name(&self) -> &str {
        "typist"
    }

    fn complete<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<Response>> {
        let completions = vec![Completion::new(self.answer.as_str())];
        Box::pin(async { Ok(Response { completions, ..Response::default() }) })
    }

    fn stream<'a>(&'a self, request: &'a Request, tell: &'a mut Tell<'a>) -> BoxFuture<'a, Result<Response>> {
        let mut rest = &self.answer[..];
        while !rest.is_empty() {
            // The answer is ASCII.
            let (piece, behind) = rest.split_at(self.size.min(rest.len()));
            tell(Delta::text(0, piece));
            rest = behind;
        }
        self.complete(request)
    }
}

fn predict(adapter: impl Adapter + Clone, answer: &str, size: usize) -> Predict<Report> {
    let lm = Lm::custom(Typist { answer: answer.into(), size }).without_history();
    Predict::new().adapter(adapter).lm(&lm)
}

fn streaming(c: &mut Criterion) {
    let mut group = c.benchmark_group("streaming");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let summary = "The river is wide, and the boats that cross it are slow. ".repeat(1_000);
    let points =
        serde_json::to_string(&vec!["They leave at noon, and come back at six."; 1_000]).expect("JSON");
    let json =
        format!("{{\"summary\": {}, \"points\": {points}}}", serde_json::to_string(&summary).expect("JSON"));
    let chat =
        format!("[[ ## summary ## ]]\n{summary}\n\n[[ ## points ## ]]\n{points}\n\n[[ ## completed ## ]]");
    let xml = format!("<summary>{summary}</summary>\n<points>{points}</points>");
    let programs = [
        ("chat", predict(ChatAdapter, &chat, 1), predict(ChatAdapter, &chat, 1_000_000), chat.len()),
        ("json", predict(JsonAdapter, &json, 1), predict(JsonAdapter, &json, 1_000_000), json.len()),
        ("xml", predict(XmlAdapter, &xml, 1), predict(XmlAdapter, &xml, 1_000_000), xml.len()),
    ];
    let input = || ReportInput { text: "x".into() };
    for (name, predict, whole, length) in programs {
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new(name, "at once"), |b| {
            b.iter(|| black_box(runtime.block_on(predict.call(input()))).is_ok())
        });
        group.bench_function(BenchmarkId::new(name, "streamed in one piece"), |b| {
            b.iter(|| black_box(runtime.block_on(whole.stream(input()).finish())).is_ok())
        });
        group.bench_function(BenchmarkId::new(name, "byte by byte"), |b| {
            b.iter(|| black_box(runtime.block_on(predict.stream(input()).finish())).is_ok())
        });
    }
    group.finish();
}

criterion_group!(benches, streaming);
criterion_main!(benches);
