//! A soak: many calls, a thousand in flight over real TCP, of which one request in twenty fails in some way. Memory and descriptors
//! must not grow. `cargo test` makes 20,000 calls; `just soak` makes a million, which docs/reliability.md shows.
//!
//! The server is a process of its own, so that memory and descriptors are the callers' alone. With a thousand in flight each side may need 2,100 descriptors; where the system
//! gives fewer (`ulimit -n`), there are fewer in flight, and a run at full length is refused.

#[path = "soak/samples.rs"]
mod samples;
#[path = "soak/server.rs"]
mod server;

use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use karat::{
    Cache, Limits, Lm, Module, Predict, Retry,
    lm::{Timeouts, Usage},
    signature,
};
use peak_alloc::PeakAlloc;
use samples::{Bounds, Sample, Samples};
use tokio::{task::JoinSet, time::timeout};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

/// The calls in flight, if there are enough descriptors.
const IN_FLIGHT: usize = 1_000;

/// How many calls are a run at full length.
const FULL: usize = 500_000;

/// How often memory and descriptors are sampled in a run.
const SAMPLES: usize = 20;

/// The number of questions to the cache, which holds half of them.
const QUESTIONS: usize = 4_000;

fn main() -> ExitCode {
    if server::is_this_process() {
        server::run();
        return ExitCode::SUCCESS;
    }
    // A filter or a list of tests is meant for other tests.
    let given: Vec<String> = std::env::args().skip(1).collect();
    if given.iter().any(|argument| {
        argument == "--list" || argument.parse::<usize>().is_err() && !argument.starts_with('-')
    }) {
        return ExitCode::SUCCESS;
    }
    if !cfg!(target_os = "linux") {
        println!("skipped: memory and descriptors are read from /proc");
        return ExitCode::SUCCESS;
    }
    let calls = given.iter().find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let missed = runtime.block_on(soak(calls));
    for missed in &missed {
        println!("missed: {missed}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The programs that are called; all of them share one retry budget and one server.
struct Programs {
    plain: Predict<Qa>,
    cached: Predict<Qa>,
    /// An LM with limits so low that most of its calls wait.
    narrow: Predict<Qa>,
    lms: Vec<Lm>,
    cache: Cache,
    limits: Limits,
    narrow_limits: Limits,
}

impl Programs {
    fn new(address: &str) -> Self {
        // The waits of a service, a hundred times as short.
        let retry = Retry::new().backoff(Duration::from_millis(5), Duration::from_millis(80)).attempts(6);
        // If `retry-after` held up all requests, there would be fewer than a thousand in flight.
        let limits = Limits::new().concurrency(IN_FLIGHT).learn(false);
        let narrow_limits = Limits::new().concurrency(40);
        let lm = Lm::new("openai/gpt-x")
            .unwrap()
            .base_url(format!("http://{address}/v1"))
            .api_key("sk-soak")
            .timeouts(Timeouts::new().first_byte(server::STALL / 2))
            .retry(retry);
        let cache = Cache::memory().entries(QUESTIONS / 2);
        let plain = lm.clone().limits(limits.clone());
        // Small histories: each is full long before the warm-up is over.
        let cached = plain.clone().cache(cache.clone()).history_limits(200, 1 << 20);
        let narrow = lm.limits(narrow_limits.clone()).history_limits(200, 1 << 20);
        let predict = |lm: &Lm| Predict::new().lm(lm);
        Self {
            plain: predict(&plain),
            cached: predict(&cached),
            narrow: predict(&narrow),
            lms: vec![plain, cached, narrow],
            cache,
            limits,
            narrow_limits,
        }
    }
}

#[derive(Default)]
struct Done {
    begun: AtomicUsize,
    answered: AtomicUsize,
    failed: AtomicUsize,
    dropped: AtomicUsize,
    usage: Mutex<Usage>,
    samples: Mutex<Vec<Sample>>,
}

/// Makes the call of this number: of 20 there are 13 plain ones, four that a cache may answer, one that waits under limits, one
/// that is streamed and one that is dropped in flight.
async fn call(programs: &Programs, done: &Done, index: usize) {
    let ask = |index: usize| QaInput { question: format!("What is {index:09} + 1?") };
    let plain = || programs.plain.call(ask(index));
    let outcome = match index % 20 {
        13..=16 => programs.cached.call(ask(scattered(index) % QUESTIONS)).await,
        17 => programs.narrow.call(ask(index)).await,
        18 => programs.plain.stream(ask(index)).finish().await,
        19 => match timeout(Duration::from_millis(scattered(index) as u64 % 600), plain()).await {
            Ok(outcome) => outcome,
            Err(_) => {
                done.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
        },
        _ => plain().await,
    };
    match outcome {
        Ok(prediction) => {
            assert_eq!(prediction.answer, "Paris");
            *done.usage.lock().unwrap() += prediction.usage();
            done.answered.fetch_add(1, Ordering::Relaxed);
        }
        Err(error) => {
            *done.usage.lock().unwrap() += error.usage();
            // Prints the first few errors.
            if done.failed.fetch_add(1, Ordering::Relaxed) < 3 {
                println!("failed: {error}");
            }
        }
    }
}

/// A number that depends on `index` and looks random.
fn scattered(index: usize) -> usize {
    // Knuth's multiplicative hash.
    (index.wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 33
}

/// Makes the calls, prints the measurements, and returns the bounds that do not hold.
async fn soak(calls: usize) -> Vec<String> {
    let in_flight = IN_FLIGHT.min(samples::most_descriptors().saturating_sub(100) / 2);
    if in_flight < IN_FLIGHT {
        println!("{in_flight} in flight, for want of descriptors: `ulimit -n 4096` lets it be {IN_FLIGHT}");
        if calls >= FULL {
            return vec!["too few descriptors for a run at full length".into()];
        }
    }
    println!("{}\n{}", samples::HEAD, Sample::now(0));
    let (server, address) = server::start();
    let programs = Arc::new(Programs::new(&address));
    let done = Arc::new(Done::default());
    let (start, each) = (Instant::now(), (calls / SAMPLES).max(1));
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        let (programs, done) = (programs.clone(), done.clone());
        tasks.spawn(async move {
            loop {
                let index = done.begun.fetch_add(1, Ordering::Relaxed);
                if index > 0 && index % each == 0 && index <= calls {
                    // All the others are in flight meanwhile.
                    let sample = Sample::now(index);
                    println!("{sample}");
                    done.samples.lock().unwrap().push(sample);
                }
                if index >= calls {
                    break;
                }
                call(&programs, &done, index).await;
            }
        });
    }
    tasks.join_all().await;
    let took = start.elapsed();
    let faults = server::faults(server);
    let samples = Samples::new(std::mem::take(&mut *done.samples.lock().unwrap()));
    print!("{samples}");
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (answered, failed, dropped) = (count(&done.answered), count(&done.failed), count(&done.dropped));
    let usage = *done.usage.lock().unwrap();
    println!(
        "{calls} calls in {:.0} s: {answered} answered ({} from the cache), {failed} failed, {dropped} dropped; \
         {} requests, of which the server let {} fail: {}",
        took.as_secs_f64(),
        usage.cached_calls,
        faults.requests,
        faults.failed(),
        faults.words(),
    );
    let mut missed = samples.missed(&Bounds::of(calls, in_flight));
    let mut check = |holds: bool, what: String| {
        if !holds {
            missed.push(what);
        }
    };
    check(answered + failed + dropped == calls, "every call ends in one way".into());
    // Six attempts that all fail are one in 10^8; the budget of retries is never used up.
    check(failed <= calls / 10_000, format!("{failed} calls failed though they were tried again"));
    let share = faults.failed() as f64 / faults.requests as f64;
    check((0.04..0.06).contains(&share), format!("the server let {share:.3} of the requests fail"));
    check(programs.lms[0].history().len() == 1_000.min(calls), "the history is full".into());
    let stats = programs.cache.stats();
    check(stats.entries <= QUESTIONS / 2 && stats.in_flight == 0, format!("{stats:?}"));
    for limits in [&programs.limits, &programs.narrow_limits] {
        let (held, waiting) = (limits.in_flight(), limits.waiting());
        check(
            held == 0 && waiting == 0,
            format!("{held} places are held and {waiting} requests wait at the end"),
        );
    }
    missed
}
