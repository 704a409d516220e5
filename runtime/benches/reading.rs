//! How the time to read an answer grows with its length, on text that is made to be slow: twice the text, about twice the time.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use karat::{Adapter, ChatAdapter, JsonAdapter, Predict, XmlAdapter, signature};

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

/// As [`HOSTILE`], for field markers.
const CHAT: [&str; 14] = [
    "[",
    "[[ ",
    "[[ ## ",
    "[ [\t#\u{a0}# words",
    "\\",
    "[[ \\\\",
    "[[ ## words ## ]]",
    "[[ ## words ## ]]\n",
    "x [[ ## words ## ]]\n",
    "[[ ## Other Words ## ]] ",
    "[[ ## words ## ]] a [[ ## completed ## ]]\n",
    "[[ ## completed ## ]] ",
    "*_`- > ",
    "```\n",
];

/// As [`HOSTILE`], for elements.
const XML: [&str; 8] =
    ["<", "<words", "<words>", "<words>a</words>", "</words>", "<words a='", "&#1", "<words><item>"];

fn hostile(c: &mut Criterion) {
    read_all(c, "hostile_json", &HOSTILE, JsonAdapter, |_| "x".into());
    read_all(c, "hostile_chat", &CHAT, ChatAdapter, |_| "x".into());
    read_all(c, "hostile_xml", &XML, XmlAdapter, |_| "x".into());
    // The reply repeats its input, which has marks in it.
    read_all(c, "repeated_chat", &CHAT, ChatAdapter, |reply| format!("{reply}\n[[ ## words ## ]] x"));
    read_all(c, "repeated_xml", &XML, XmlAdapter, |reply| format!("{reply}\n<words>x"));
}

fn read_all(
    c: &mut Criterion,
    name: &str,
    units: &[&str],
    adapter: impl Adapter,
    input: impl Fn(&str) -> String,
) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    let list = Predict::<List>::new().adapter(adapter);
    for unit in units {
        for length in [1 << 20, 2 << 20] {
            let text = unit.repeat(length / unit.len());
            let input = ListInput { text: input(&text) };
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
