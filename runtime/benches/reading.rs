//! How the time to read an answer grows with its length, on text that is made to be slow: twice the text, about twice the time.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use karat::{JsonAdapter, Predict, signature};

/// List the words.
#[signature]
struct List {
    #[input]
    text: String,
    #[output]
    words: Vec<String>,
}

/// Each is repeated to the wanted length.
const HOSTILE: [&str; 10] = [
    "[",
    "\"a\",",
    "```{",
    "[\"/*",
    "{}{}",
    "{a:b, c ",
    "{\"a\": \"b \"c\" d\", ",
    "{a: b\n c",
    "[\"a\" \"",
    "{#\n",
];

fn hostile(c: &mut Criterion) {
    let mut group = c.benchmark_group("hostile_json");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    let list = Predict::<List>::new().adapter(JsonAdapter);
    let input = ListInput { text: "x".into() };
    for unit in HOSTILE {
        for length in [1 << 20, 2 << 20] {
            let text = unit.repeat(length / unit.len());
            group.throughput(Throughput::Bytes(text.len() as u64));
            let id = BenchmarkId::new(format!("{unit:?}"), length);
            group.bench_with_input(id, &text, |b, text| {
                b.iter(|| list.parse(&input, black_box(text)).is_err())
            });
        }
    }
    group.finish();
}

criterion_group!(benches, hostile);
criterion_main!(benches);
