//! Measures reading an answer: strict JSON compared with `serde_json`, and the error on text that only opens brackets. Prints a table
//! of each; times are processor time, the least of several runs, since the machine may be shared. `growth.rs` measures growth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

#[path = "shared/document.rs"]
mod document;

use std::{
    hint::black_box,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cpu_time::ThreadTime;
use karat::{
    ChatAdapter, JsonAdapter, Predict,
    adapter::{Adapter, Demo, Inputs, Prepared, Task},
    field::FieldValue,
};
use serde_json::Value;

use self::document::{Any, AnyInput, List, ListInput, document};

fn main() {
    strict();
    depth();
}

/// Returns the least time of several runs.
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

/// Adapter that measures the reading of the text itself, without the typed output.
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

fn strict() {
    println!("\n| strict JSON | serde_json | karat | ratio |\n|---|---|---|---|");
    let watch = Stopwatch::default();
    let any = Predict::<Any>::new().adapter(watch.clone());
    let input = AnyInput { text: String::new() };
    for (name, bytes, runs) in [("1 KB", 1_000, 4_000), ("100 KB", 100_000, 200), ("10 MB", 10_000_000, 7)] {
        let text = document(bytes);
        // In turns, so that a slower moment of the machine affects both.
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
