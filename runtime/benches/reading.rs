//! What reading an answer costs: strict JSON beside `serde_json`, and how the time grows with the length of valid, cut and
//! hostile text. Prints one table each; each time is the least of some runs, and processor time, since the machine may be shared.
//!
//! `cargo bench -p karat --bench reading -- growth 4` goes up to 4 MiB; `strict`, `growth` and `depth` run one part.

use std::{
    hint::black_box,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cpu_time::ThreadTime;
use karat::{
    Adapter, ChatAdapter, Demo, FieldValue, Inputs, JsonAdapter, Predict, Prepared, Task, signature,
};
use serde_json::{Value, json};

/// List the words.
#[signature]
struct List {
    #[input]
    text: String,
    #[output]
    words: Vec<String>,
}

/// Read the value.
#[signature]
struct Any {
    #[input]
    text: String,
    #[output]
    value: Value,
}

/// The row of what the others can be no better than.
const FLOOR: &str = "valid, `serde_json` alone";

/// Behind a value in prose.
const END: &str = "\nThat is it.";

/// Each is repeated to the wanted length.
const HOSTILE: [&str; 18] = [
    "[",
    "\"a\",",
    "```{",
    "```",
    "[\"/*",
    "{}{}",
    "{a:b, c ",
    "{\"a\": \"b \"c\" d\", ",
    "{a: b\n c",
    "[\"a\" \"",
    "{#\n",
    "[1 \"",
    "{\"a\" \"b\" ",
    "[a \\\"",
    "{\"a\":\"\\u00e9\\",
    "[\"\"\"a\" ",
    "{\"a\": 1, \"a\": 2, \"b\": ",
    "\u{200b}[\u{2028}",
];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |part: &str| {
        let parts = ["strict", "growth", "depth"];
        arguments.iter().any(|given| given == part)
            || !arguments.iter().any(|given| parts.contains(&&**given))
    };
    let most = arguments.iter().find_map(|given| given.parse().ok()).unwrap_or(16);
    if is_wanted("strict") {
        strict();
    }
    if is_wanted("depth") {
        depth();
    }
    if is_wanted("growth") {
        growth(most);
    }
}

/// The least time of some runs.
fn least(runs: usize, mut run: impl FnMut() -> Duration) -> Duration {
    (0..runs).map(|_| run()).min().unwrap_or_default()
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let start = ThreadTime::now();
    let value = run();
    let elapsed = start.elapsed();
    drop(black_box(value));
    elapsed
}

/// Tells how long the reading of the text itself takes, without the typed output.
#[derive(Clone, Debug, Default)]
struct Stopwatch(Arc<Mutex<Duration>>);

impl Adapter for Stopwatch {
    fn name(&self) -> &'static str {
        "stopwatch"
    }

    fn prepare(&self, task: &Task<'_>) -> Prepared {
        ChatAdapter.prepare(task)
    }

    fn turn(&self, task: &Task<'_>, example: &Demo) -> [String; 2] {
        ChatAdapter.turn(task, example)
    }

    fn ask(&self, task: &Task<'_>, inputs: &Inputs<'_>) -> String {
        ChatAdapter.ask(task, inputs)
    }

    fn read(&self, task: &Task<'_>, _: &Inputs<'_>, text: &str) -> karat::Result<Vec<Option<FieldValue>>> {
        let fields: Vec<_> = task.outputs().collect();
        let elapsed = timed(|| fields.iter().all(|field| field.value_of_text(text).value.is_array()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = elapsed;
        Ok(vec![Some(Value::Null.into())])
    }
}

/// A document as programs have them: records with texts, numbers, lists.
fn document(bytes: usize) -> String {
    let record = |number: usize| {
        json!({
            "id": number,
            "name": format!("Person \"{number}\" of Lima"),
            "about": "Born in a small town, she \u{e9}t\u{e9} wrote her first lines\nof code at twelve.",
            "scores": [0.5, 12.25, 1e-3, number, -7],
            "tags": ["a", "b", "long enough to be text"],
            "address": {"street": "Jir\u{f3}n de la Uni\u{f3}n", "number": 12, "geo": [-12.04, -77.03]},
            "active": true,
            "parent": null,
        })
    };
    let size = record(100).to_string().len();
    Value::Array((0..bytes.div_ceil(size)).map(record).collect()).to_string()
}

fn strict() {
    println!("\n| strict JSON | serde_json | karat | ratio |\n|---|---|---|---|");
    let watch = Stopwatch::default();
    let any = Predict::<Any>::new().adapter(watch.clone());
    let input = AnyInput { text: String::new() };
    for (name, bytes, runs) in [("1 KB", 1_000, 4_000), ("100 KB", 100_000, 200), ("10 MB", 10_000_000, 7)] {
        let text = document(bytes);
        // In turns, so that a slower moment of the machine meets both.
        let (mut floor, mut own) = (Duration::MAX, Duration::MAX);
        for _ in 0..runs {
            floor = floor.min(timed(|| serde_json::from_str::<Value>(black_box(&text)).is_ok()));
            let _ = any.parse(&input, black_box(&text));
            own = own.min(*watch.0.lock().unwrap_or_else(PoisonError::into_inner));
        }
        println!("| {name} | {floor:.1?} | {own:.1?} | {:.2} |", own.as_secs_f64() / floor.as_secs_f64());
    }
}

fn depth() {
    println!("\n| 10^6 times | error after |\n|---|---|");
    let list = Predict::<List>::new().adapter(JsonAdapter);
    let input = ListInput { text: "x".into() };
    for unit in ["[", "{\"a\":", "[{\"a\":"] {
        let text = unit.repeat(1_000_000);
        let time = least(20, || timed(|| list.parse(&input, black_box(&text)).is_err()));
        println!("| `{unit}` | {time:.1?} |");
    }
}

/// A row's name, and its text of so many bytes.
type Row = (String, Box<dyn Fn(usize) -> String>);

fn growth(most: usize) {
    let sizes: Vec<_> = [1, 2, 4, 8, 16].into_iter().filter(|size| *size <= most).collect();
    let heads: Vec<_> = sizes.iter().map(|size| format!("{size} MiB")).collect();
    println!("\n| text | {} | greatest ratio |\n|---|{}---|", heads.join(" | "), "---|".repeat(sizes.len()));
    let mut texts: Vec<Row> = vec![
        (FLOOR.into(), Box::new(document)),
        ("valid".into(), Box::new(document)),
        ("valid, in prose".into(), Box::new(|bytes| format!("So: {}{END}", document(bytes)))),
        (
            "cut".into(),
            Box::new(|bytes| {
                let mut text = document(bytes);
                text.truncate(text.len() * 9 / 10 / 4 * 4);
                text
            }),
        ),
        ("prose".into(), Box::new(|bytes| "Words, and \"words\" in quotes. ".repeat(bytes / 30))),
    ];
    for unit in HOSTILE {
        texts.push((
            format!("`{}`", unit.escape_debug()),
            Box::new(move |bytes| unit.repeat(bytes / unit.len())),
        ));
    }
    let (list, words) = (Predict::<List>::new().adapter(JsonAdapter), Predict::<List>::new());
    let (any, value) = (Predict::<Any>::new().adapter(JsonAdapter), Predict::<Any>::new());
    let (input, other) = (ListInput { text: "x".into() }, AnyInput { text: "x".into() });
    for (name, text) in texts {
        let is_document = name.starts_with(['v', 'c']);
        let times: Vec<_> = sizes
            .iter()
            .map(|size| {
                let text = text(size << 20);
                let below = |name: &str| format!("[[ ## {name} ## ]]\n{text}");
                let (whole, field) = match is_document {
                    true => (in_object(&text), below("value")),
                    false => (text.clone(), below("words")),
                };
                let runs = if *size < 8 { 5 } else { 3 };
                if name == FLOOR {
                    return least(runs, || timed(|| serde_json::from_str::<Value>(black_box(&text)).is_ok()));
                }
                let whole = least(runs, || match is_document {
                    true => timed(|| any.parse(&other, black_box(&whole)).is_err()),
                    false => timed(|| list.parse(&input, black_box(&whole)).is_err()),
                });
                let field = least(runs, || match is_document {
                    true => timed(|| value.parse(&other, black_box(&field)).is_err()),
                    false => timed(|| words.parse(&input, black_box(&field)).is_err()),
                });
                whole + field
            })
            .collect();
        let ratios = times.windows(2).map(|pair| pair[1].as_secs_f64() / pair[0].as_secs_f64());
        let shown: Vec<_> = times.iter().map(|time| format!("{time:.1?}")).collect();
        println!("| {name} | {} | {:.2} |", shown.join(" | "), ratios.fold(0.0, f64::max));
    }
}

/// The text with its list as the value of an object.
fn in_object(text: &str) -> String {
    let text = text.replacen('[', "{\"value\": [", 1);
    match text.strip_suffix(END) {
        Some(before) => format!("{before}}}{END}"),
        None if text.ends_with(']') => text + "}",
        // Cut.
        None => text,
    }
}
