//! What a `Predict` call costs: over real HTTP beside a loop by hand with `reqwest` and `serde_json`, and in process.
//!
//! The server, karat and the loop by hand are processes of their own, so that each has its own runtime and its processor time
//! is its own. They run in turns; a ratio is of two runs of one round, and the table shows the middle of all rounds.
//!
//! `cargo bench -p karat --bench throughput -- --calls 20000 --rounds 12 --against ../before/target/release/deps/throughput-1234`
//! also runs karat of another commit, from its own build of this benchmark.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

mod by_hand;
mod load;
mod of_karat;
mod process;
mod server;

use std::{path::PathBuf, process::Command};

use self::process::{Side, Took};

const KEY: &str = "sk-bench";
const MODEL: &str = "gpt-x";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match texts[..] {
        ["server"] => server::run(),
        ["karat", address] => of_karat::run(address),
        ["by-hand", address] => by_hand::run(address),
        _ => compare(&Options::of(&texts)),
    }
}

struct Options {
    calls: usize,
    rounds: usize,
    /// This benchmark as another commit builds it.
    against: Option<PathBuf>,
}

impl Options {
    fn of(arguments: &[&str]) -> Self {
        let value = |name| Some(*arguments.iter().skip_while(|argument| **argument != name).nth(1)?);
        let number = |name, usual| value(name).map_or(usual, |value| value.parse().expect("a number"));
        Self {
            calls: number("--calls", 10_000),
            rounds: number("--rounds", 12),
            against: value("--against").map(|path| std::fs::canonicalize(path).expect("a built benchmark")),
        }
    }
}

/// Runs all sides in turns and prints a table for each load.
fn compare(options: &Options) {
    let this = std::env::current_exe().expect("this program");
    let mut server = Side::start("server", &this, &["server"]);
    let address = server.greeting.clone();
    let start = || {
        let by_hand = Side::start("by hand", &this, &["by-hand", &address]);
        let karat = Side::start("karat", &this, &["karat", &address]);
        let before = options.against.iter().map(|path| Side::start("karat", path, &["karat", &address]));
        [by_hand, karat].into_iter().chain(before).collect::<Vec<_>>()
    };
    let mut sides = start();
    assert_same_bodies(&mut server, &mut sides);
    for (name, load, calls) in [
        ("over HTTP, 64 in flight", "http 64", options.calls),
        ("over HTTP, one at a time", "http 1", options.calls / 4),
    ] {
        table(name, &format!("{load} {calls}"), calls, &mut sides, options.rounds);
    }
    // The loop by hand has nothing to do without a server: the oldest karat is the one to compare with.
    let mut karats: Vec<Side> = sides.drain(1..).rev().collect();
    for (name, load) in [
        ("in process, without history", "memory without-history"),
        ("in process, with history", "memory with-history"),
    ] {
        let calls = options.calls * 10;
        table(name, &format!("{load} {calls}"), calls, &mut karats, options.rounds);
    }
}

/// Prints what the sides take for a load, and each beside the first one.
fn table(name: &str, load: &str, calls: usize, sides: &mut [Side], rounds: usize) {
    let rounds = process::in_turns(sides, load, rounds);
    let middle = |of: &dyn Fn(&[Took]) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(|round| of(round)).collect();
        all.sort_by(f64::total_cmp);
        (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
    };
    println!("\n{name}: {calls} calls in each run, the middle of {} rounds\n", rounds.len());
    println!(
        "| side | commit | calls a second | µs a call | µs of processor | throughput | processor time |"
    );
    println!("|---|---|---|---|---|---|---|");
    let count = calls as f64;
    for (index, side) in sides.iter().enumerate() {
        println!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.3}x | {:.3}x |",
            side.name,
            side.greeting,
            middle(&|round| count / round[index].clock),
            middle(&|round| round[index].clock * 1e6 / count),
            middle(&|round| round[index].processor * 1e6 / count),
            middle(&|round| round[0].clock / round[index].clock),
            middle(&|round| round[index].processor / round[0].processor),
        );
    }
}

/// Has each side make one call, and compares what the server read.
fn assert_same_bodies(server: &mut Side, sides: &mut [Side]) {
    let bodies: Vec<String> = sides
        .iter_mut()
        .map(|side| {
            side.take("http 1 1");
            server.ask("last body")
        })
        .collect();
    for (side, body) in sides.iter().zip(&bodies).skip(1) {
        assert_eq!(body, &bodies[0], "{} {} sends what is written by hand", side.name, side.greeting);
    }
}

/// The checkout that this program was built from.
fn commit() -> String {
    let describe = ["describe", "--always", "--dirty", "--exclude=*"];
    let output = Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(describe).output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    if text.is_empty() { "unknown".to_owned() } else { text.trim().to_owned() }
}
