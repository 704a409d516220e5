//! Measures following a streamed answer byte by byte, compared with reading it at once: the parsers alone, and a whole call with all
//! its events. Prints a table; times are processor time, the least of several runs, since the machine may be shared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

use std::{
    hint::black_box,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cpu_time::ThreadTime;
use karat::{
    ChatAdapter, JsonAdapter, LanguageModel, Lm, Module, Predict, Result, XmlAdapter,
    adapter::{Adapter, Demo, Inputs, Prepared, Task},
    field::FieldValue,
    lm::{BoxFuture, Completion, Delta, Request, Response, Sink},
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

/// Model that streams the same answer in pieces.
struct Typist {
    answer: String,
    /// Bytes of a piece.
    size: usize,
}

impl LanguageModel for Typist {
    fn name(&self) -> &str {
        "typist"
    }

    fn call<'a>(&'a self, _: &'a Request, sink: Option<&'a mut Sink<'a>>) -> BoxFuture<'a, Result<Response>> {
        if let Some(sink) = sink {
            let mut rest = &self.answer[..];
            while !rest.is_empty() {
                // The answer is ASCII.
                let (piece, behind) = rest.split_at(self.size.min(rest.len()));
                sink(Delta::text(0, piece));
                rest = behind;
            }
        }
        let completions = vec![Completion::new(self.answer.as_str())];
        Box::pin(async { Ok(Response::new(completions)) })
    }
}

/// Adapter that measures reading an answer at once, and following it byte by byte.
#[derive(Clone, Debug)]
struct Stopwatch<A> {
    adapter: A,
    times: Arc<Mutex<[Duration; 2]>>,
}

impl<A: Adapter> Adapter for Stopwatch<A> {
    fn name(&self) -> &'static str {
        "stopwatch"
    }

    fn prepare(&self, task: &Task<'_>) -> Prepared {
        self.adapter.prepare(task)
    }

    fn turn(&self, task: &Task<'_>, example: &Demo) -> [String; 2] {
        self.adapter.turn(task, example)
    }

    fn ask(&self, task: &Task<'_>, inputs: &Inputs<'_>) -> String {
        self.adapter.ask(task, inputs)
    }

    fn read(&self, task: &Task<'_>, inputs: &Inputs<'_>, text: &str) -> Result<Vec<Option<FieldValue>>> {
        let start = ThreadTime::now();
        let found = self.adapter.read(task, inputs, black_box(text));
        let read = start.elapsed();
        let start = ThreadTime::now();
        if let Some(mut follow) = self.adapter.follow(task, inputs) {
            let mut count = 0;
            let mut emit = |followed: karat::adapter::Followed<'_>| {
                black_box(&followed);
                count += 1;
            };
            for at in 0..text.len() {
                follow.push(&text[at..=at], &mut emit);
            }
            follow.end(&mut emit);
            assert!(count > 0, "nothing was followed");
        }
        *self.times.lock().unwrap_or_else(PoisonError::into_inner) = [read, start.elapsed()];
        found
    }
}

const RUNS: usize = 40;

fn main() {
    let summary = "The river is wide, and the boats that cross it are slow. ".repeat(1_000);
    let points =
        serde_json::to_string(&vec!["They leave at noon, and come back at six."; 1_000]).expect("JSON");
    let json =
        format!("{{\"summary\": {}, \"points\": {points}}}", serde_json::to_string(&summary).expect("JSON"));
    let chat =
        format!("[[ ## summary ## ]]\n{summary}\n\n[[ ## points ## ]]\n{points}\n\n[[ ## completed ## ]]");
    let xml = format!("<summary>{summary}</summary>\n<points>{points}</points>");
    println!(
        "\n| answer | parsed at once | byte by byte | ratio | a call | streamed | byte by byte | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    row("chat", ChatAdapter, &chat);
    row("JSON", JsonAdapter, &json);
    row("XML", XmlAdapter, &xml);
}

fn row(name: &str, adapter: impl Adapter + Clone, answer: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let predict = |size| {
        let lm = Lm::custom(Typist { answer: answer.into(), size }).without_history();
        Predict::<Report>::new().adapter(adapter.clone()).lm(&lm)
    };
    let (whole, bytes) = (predict(answer.len()), predict(1));
    let times = Arc::new(Mutex::new([Duration::MAX; 2]));
    let parser = Predict::<Report>::new().adapter(Stopwatch { adapter, times: times.clone() });
    let input = || ReportInput { text: "x".into() };
    let mut least = [Duration::MAX; 5];
    for _ in 0..RUNS {
        assert!(parser.parse(&input(), answer).is_ok(), "the answer is read");
        let [read, follow] = *times.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = [
            read,
            follow,
            timed(|| runtime.block_on(whole.call(input())).is_ok()),
            timed(|| runtime.block_on(whole.stream(input()).finish()).is_ok()),
            timed(|| runtime.block_on(bytes.stream(input()).finish()).is_ok()),
        ];
        for (least, run) in least.iter_mut().zip(runs) {
            *least = run.min(*least);
        }
    }
    let [read, follow, call, streamed, typed] = least;
    let ratio = |time: Duration, floor: Duration| time.as_secs_f64() / floor.as_secs_f64();
    println!(
        "| {name}, {} KB | {read:.1?} | {follow:.1?} | {:.2} | {call:.1?} | {streamed:.1?} | {typed:.1?} | {:.2} |",
        answer.len() / 1_000,
        ratio(follow, read),
        ratio(typed, call),
    );
}

fn timed(run: impl FnOnce() -> bool) -> Duration {
    let start = ThreadTime::now();
    assert!(run(), "the call succeeds");
    start.elapsed()
}
