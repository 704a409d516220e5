//! Random schedules in virtual time: seeds describe programs, LMs and callers, over endpoints that fail in every way.
//!
//! Each schedule is checked:
//!
//! 1. it ends by its deadline;
//! 2. requests stay within all limits, attempts and budgets;
//! 3. once it has ended or is dropped, all places are free, no task lives, and the next calls pass at once;
//! 4. no key is in any text;
//! 5. the outcome is a prediction or a typed error;
//! 6. the same seed does the same things at the same times;
//! 7. the result is the best of all rollouts that ended, the first of equals;
//! 8. the usage has all calls that were sent.
//!
//! `KARAT_SEEDS` says how many there are (`just soak-seeds`), `KARAT_FROM` which is the first. `KARAT_SEED` runs a single one and
//! prints what happened.

#[path = "schedules/captured_log.rs"]
mod captured_log;
#[path = "schedules/checks.rs"]
mod checks;
#[path = "schedules/program.rs"]
mod program;
#[path = "schedules/schedule.rs"]
mod schedule;
mod shared;
#[path = "schedules/stack.rs"]
mod stack;
#[path = "schedules/upstream.rs"]
mod upstream;
#[path = "schedules/world.rs"]
mod world;

use std::{
    any::Any,
    collections::BTreeMap,
    env,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use schedule::Schedule;

/// The number of seeds of a plain `cargo test`.
const SEEDS: u64 = 10_000;

/// One in so many runs twice.
const TWICE: u64 = 8;

/// A seed that takes longer than this, in real time, never ends.
const STUCK: Duration = Duration::from_secs(120);

/// The command that runs one seed and prints what happened.
fn command(seed: u64) -> String {
    format!("KARAT_SEED={seed} cargo test -p karat-tests --test schedules")
}

/// The result of a seed.
struct Ran {
    wrong: Vec<String>,
    digest: u64,
    log: Vec<String>,
}

fn run(seed: u64, is_shown: bool) -> Ran {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let schedule = Schedule::of(seed);
    let run = || runtime.block_on(schedule.run(is_shown));
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(world) => {
            world.end();
            Ran { wrong: world.faults(), digest: world.digest(), log: world.log() }
        }
        Err(panic) => {
            let wrong = vec![format!("it panics: {}", text_of(&*panic))];
            Ran { wrong, digest: 0, log: Vec::new() }
        }
    }
}

/// The faults of a seed's run.
fn faults(seed: u64) -> Vec<String> {
    let first = run(seed, false);
    let mut wrong = first.wrong.clone();
    if seed.is_multiple_of(TWICE) {
        wrong.extend(otherwise(&first, &run(seed, false)));
    }
    wrong
}

/// The first difference between two runs.
fn otherwise(first: &Ran, second: &Ran) -> Option<String> {
    if first.digest == second.digest {
        return None;
    }
    let same = first.log.iter().zip(&second.log).take_while(|(one, other)| one == other).count();
    let [one, other] = [first, second].map(|ran| ran.log.get(same).map_or("the end", String::as_str));
    Some(format!("it runs otherwise the second time, from event {same} on:\n{one}\n{other}"))
}

/// Runs a seed, and names it if it never ends, since nothing else would.
fn within_real_time(seed: u64) -> Vec<String> {
    let (done, is_done) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if is_done.recv_timeout(STUCK) == Err(mpsc::RecvTimeoutError::Timeout) {
            say(&format!("seed {seed} is stuck: {}", command(seed)));
        }
    });
    let wrong = faults(seed);
    drop(done);
    let _ = watch.join();
    wrong
}

fn number(name: &str) -> Option<u64> {
    env::var(name)
        .ok()
        .map(|number| number.parse().unwrap_or_else(|_| panic!("{name} is no number: {number}")))
}

/// Keeps planned panics of schedules off stderr.
fn quiet() {
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        if text_of(panic.payload()) != upstream::PANIC {
            usual(panic);
        }
    }));
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

/// Prints past the test harness, which hides the output of passing tests.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn replay(seed: u64) {
    say(&format!("{:#?}", Schedule::of(seed)));
    let ran = run(seed, true);
    let wrong: Vec<_> = ran.wrong.iter().cloned().chain(otherwise(&ran, &run(seed, false))).collect();
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
    say(&format!("seed {seed} is well"));
}

#[test]
fn whatever_the_schedule_all_invariants_hold() {
    quiet();
    if let Some(seed) = number("KARAT_SEED") {
        return replay(seed);
    }
    let from = number("KARAT_FROM").unwrap_or(0);
    let end = from + number("KARAT_SEEDS").unwrap_or(SEEDS);
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get());
    let (next, failed) = (AtomicU64::new(from), Mutex::new(BTreeMap::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || failed.lock().unwrap().len() >= 10 {
                return;
            }
            let wrong = within_real_time(seed);
            if !wrong.is_empty() {
                failed.lock().unwrap().insert(seed, wrong.join("\n"));
            }
            if (seed + 1 - from).is_multiple_of(100_000) {
                say(&format!("{} seeds are done", seed + 1 - from));
            }
        }
    };
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap();
    let lines: Vec<_> =
        failed.iter().map(|(seed, wrong)| format!("seed {seed}: {wrong}\n{}", command(*seed))).collect();
    assert!(failed.is_empty(), "{} seeds fail:\n{}", failed.len(), lines.join("\n"));
}
