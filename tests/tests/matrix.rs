//! The fault matrix: each fault of the list, in all its forms, on every surface and under every schedule.
//!
//! Each cell has a server, a client and a clock of its own (`karat_tests::clock`), and asserts the outcome, the number of requests
//! that the server saw, the virtual time that passed, and that nothing stays behind. `matrix/model.rs` computes the expected
//! outcome. `cargo test -p karat-tests --test matrix -- WORDS` runs the cells whose names hold all the words;
//! `KARAT_UPDATE=1` before it writes the table to `docs/reliability.md`.

#[path = "matrix/answers.rs"]
mod answers;
#[path = "matrix/caches.rs"]
mod caches;
#[path = "matrix/cell.rs"]
mod cell;
#[path = "matrix/fault.rs"]
mod fault;
#[path = "matrix/http.rs"]
mod http;
#[path = "matrix/log.rs"]
mod log;
#[path = "matrix/model.rs"]
mod model;
#[path = "matrix/rollouts.rs"]
mod rollouts;
#[path = "matrix/rows.rs"]
mod rows;
#[path = "matrix/state.rs"]
mod state;
#[path = "matrix/streams.rs"]
mod streams;
#[path = "matrix/subject.rs"]
mod subject;
#[path = "matrix/table.rs"]
mod table;
#[path = "matrix/texts.rs"]
mod texts;
#[path = "matrix/wrappers.rs"]
mod wrappers;

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    process::{Command, ExitCode},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use karat_tests::Certificate;
use peak_alloc::PeakAlloc;

use self::{cell::Shown, model::Schedule, rows::Part, subject::Surface};

/// Set in the process that runs the cells: it trusts the servers of this test and nobody else, and has none of the variables
/// that a client reads.
const CHILD: &str = "KARAT_MATRIX";

/// How many cells run at once: most of a cell's time is spent on waiting for sockets to be quiet. No more than there are HTTP
/// clients in karat's pool of them.
const THREADS: usize = 6;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The row of answers larger than the cap of 16 MiB, and the most memory of a call that gets one: twice the cap, plus the
/// server's data and the history.
const LARGE: u32 = 11;
const MOST: usize = (32 << 20) + (2 << 20);

/// A cell: the indices of its row and form, its surface and its schedule.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Cell {
    row: usize,
    part: usize,
    surface: usize,
    schedule: usize,
}

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_none() {
        return child();
    }
    tracing::subscriber::set_global_default(log::Log).expect("the first subscriber");
    let hook = take_hook();
    set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&rollouts::PLANNED) {
            hook(panic);
        }
    }));
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let rows = rows::all();
    let name = |cell: Cell| {
        let row = &rows[cell.row];
        let (surface, schedule) = (Surface::ALL[cell.surface].name(), Schedule::ALL[cell.schedule]);
        format!("{:02} {}: {} on {surface}, {schedule:?}", row.number, row.fault, row.parts[cell.part].name())
    };
    let mut cells = Vec::new();
    for (row, of) in rows.iter().enumerate() {
        for (part, of_part) in of.parts.iter().enumerate() {
            for surface in 0..Surface::ALL.len() {
                for schedule in 0..Schedule::ALL.len() {
                    let (at, when) = (Surface::ALL[surface], Schedule::ALL[schedule]);
                    if of.why_not(at).is_none() && of_part.is_in(at, when) {
                        cells.push(Cell { row, part, surface, schedule });
                    }
                }
            }
        }
    }
    let all = cells.len();
    cells.retain(|cell| words.iter().all(|word| name(*cell).contains(word.as_str())));
    let start = Instant::now();
    let run_cell = |cell: Cell| {
        let part: &Part = &rows[cell.row].parts[cell.part];
        part.run(Surface::ALL[cell.surface], Schedule::ALL[cell.schedule])
    };
    // One after another if memory is counted.
    let (large, others): (Vec<_>, Vec<_>) =
        cells.iter().copied().partition(|cell| rows[cell.row].number == LARGE);
    let (mut shown, mut failures) = run(&large, 1, |cell| {
        let outcome = run_cell(cell);
        let most = cell::PEAK.get();
        outcome.and_then(|shown| match most <= MOST {
            true => Ok(shown),
            false => Err(format!("{most} bytes, where {MOST} are the most")),
        })
    });
    let of_others = run(&others, THREADS, run_cell);
    shown.extend(of_others.0);
    failures.extend(of_others.1);
    for (cell, why) in &failures {
        println!("FAILED {}\n    {why}", name(*cell));
    }
    println!("{} of {} cells passed, in {:.1?}", cells.len() - failures.len(), cells.len(), start.elapsed());
    if !failures.is_empty() {
        return ExitCode::FAILURE;
    }
    if cells.len() < all {
        return ExitCode::SUCCESS;
    }
    let table = table::render(&rows, |row, surface, schedule| {
        let at = |cell: &Cell| {
            let is_row = rows[cell.row].number == row.number;
            is_row && Surface::ALL[cell.surface] == surface && Schedule::ALL[cell.schedule] == schedule
        };
        cells.iter().filter(|cell| at(cell)).filter_map(|cell| shown.get(cell).cloned()).collect()
    });
    println!("{table}");
    match table::compare(&table) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("FAILED {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the test again in a child process with the environment that the cells need: a process cannot safely change its own.
fn child() -> ExitCode {
    let mut child = Command::new(std::env::current_exe().expect("a path"));
    child.args(std::env::args().skip(1)).env(CHILD, "1").env("SSL_CERT_FILE", Certificate::ROOT);
    for name in [
        "SSL_CERT_DIR",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_API_BASE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        child.env_remove(name);
    }
    match child.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

type Outcomes = (HashMap<Cell, Shown>, Vec<(Cell, String)>);

/// Runs the cells, several at once.
fn run(cells: &[Cell], threads: usize, run: impl Fn(Cell) -> Result<Shown, String> + Sync) -> Outcomes {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Outcomes::default());
    let work = || {
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = catch_unwind(AssertUnwindSafe(|| run(*cell)));
            let outcome = outcome.unwrap_or_else(|_| Err("it panicked, see above".into()));
            let mut outcomes = outcomes.lock().expect("no panic");
            match outcome {
                Ok(shown) => drop(outcomes.0.insert(*cell, shown)),
                Err(why) => outcomes.1.push((*cell, why)),
            }
        }
    };
    thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let (shown, mut failures) = outcomes.into_inner().expect("no panic");
    failures.sort_by_key(|(cell, _)| (cell.row, cell.part, cell.surface, cell.schedule));
    (shown, failures)
}
