//! One cell: a fault on a surface under a schedule. Checks its outcome, requests and time, and that nothing stays behind.

use std::{cell::Cell, sync::Arc, time::Duration};

use karat::Lm;
use karat_tests::{
    Certificate, Reply, Server,
    clock::{run, settle},
    server::Greeting,
};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    time::{Instant, timeout},
};

use super::{
    ALLOCATOR,
    fault::{Around, Fault, Place, good, millis},
    log,
    model::{Expected, Model, Schedule, Unit},
    subject::{CANARY, Seen, Subject, Surface},
};

/// What a cell showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The outcome in a word or two.
    pub outcome: String,
    pub requests: usize,
}

/// The time without a listener: less than the first wait.
const GONE: Duration = Duration::from_millis(250);

/// Good calls before a fault after good ones, where one call needs one answer.
const WARM: usize = 2;

thread_local! {
    /// The peak memory of this thread's last call, including other threads' meanwhile.
    pub static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Runs the cell of a fault; the error says what is wrong with it.
pub fn wire(fault: &Fault, surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(checked(fault.clone(), surface, schedule))
}

async fn checked(fault: Fault, surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    log::forget();
    let is_late = schedule == Schedule::Later;
    // A call of several answers includes the good ones.
    let good_within = if surface.answers() > 1 { 1 } else { 0 };
    let warm = if is_late && surface.answers() == 1 { WARM } else { 0 };
    let fault_at = warm + good_within;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let around = Around { elsewhere: elsewhere.local_addr().map_err(|error| error.to_string())? };
    let server = serve(&fault, schedule, fault_at, around);
    let mut subject = Subject::new(surface, &url(&fault, &server), fault.deadline, fault.timeouts);
    subject.is_streamed |= fault.needs_stream;
    for index in 0..warm {
        let seen = subject.call(&format!("warm {index}")).await;
        check(seen.error.is_none(), || format!("warm call {index}: {seen:?}"))?;
    }
    let model = Model {
        fault: &fault,
        schedule,
        is_streamed: subject.is_streamed,
        good: fault_at,
        attempts: warm,
        requests: 0,
        time: Duration::ZERO,
        refused: None,
    };
    let expected = model.call(surface);
    let (before, start) = (server.count(), Instant::now());
    ALLOCATOR.reset_peak_usage();
    let in_use = ALLOCATOR.current_usage();
    let seen = subject.call(fault.question).await;
    PEAK.set(ALLOCATOR.peak_usage().saturating_sub(in_use));
    let (requests, time) = (server.count() - before, start.elapsed());
    check(seen.is(&expected.units) && seen.error == expected.error, || {
        format!("{expected:?} is not {seen:?}")
    })?;
    check(requests == expected.requests, || format!("{} requests, not {}", requests, expected.requests))?;
    check((expected.time..=expected.time + millis(50)).contains(&time), || {
        format!("{time:?}, not {:?}", expected.time)
    })?;
    values(&fault, &expected, &seen)?;
    let shown = Shown { outcome: seen.words(), requests };
    secrets(&subject.lm, &seen)?;
    drop(seen);
    // A connection to the other server would wait there to be accepted.
    let asked = timeout(millis(1), elsewhere.accept()).await;
    check(asked.is_err(), || "the other server was asked".into())?;
    if !fault.always {
        heal(&fault, &server);
        again(&fault, &subject, &server, schedule, &expected).await?;
    }
    nothing_stays(&subject, &server).await?;
    Ok(shown)
}

/// The next call, with the server as it should be.
async fn again(
    fault: &Fault,
    subject: &Subject,
    server: &Server,
    schedule: Schedule,
    expected: &Expected,
) -> Result<(), String> {
    let before = server.count();
    let seen = subject.call(fault.question).await;
    let requests = server.count() - before;
    // A cache keeps unreadable answers too: this one is given again, and so are those asked for after it.
    let is_unreadable = expected.error == Some(karat::ErrorKind::Parse);
    let is_there = subject.cache.is_some()
        && match expected.chosen() {
            Some(Unit::Done { of_fault }) => !of_fault || fault.is_kept,
            _ => is_unreadable,
        };
    let (error, asked) = match (subject.surface, is_there) {
        (Surface::Cached, true) => (expected.error, 0),
        _ if fault_is_in_cache(subject, schedule, expected) => (None, requests),
        (surface, _) => (None, surface.answers()),
    };
    check(seen.error == error && requests == asked, || {
        format!("the next call: {requests} requests, not {asked}: {:?} {:?}", seen.units, seen.errors)
    })
}

/// Whether some answers are in the wrapper's own cache.
fn fault_is_in_cache(subject: &Subject, _: Schedule, _: &Expected) -> bool {
    subject.cache.is_some() && subject.surface != Surface::Cached
}

fn url(fault: &Fault, server: &Server) -> String {
    let address = server.address();
    match (&fault.place, fault.greeting) {
        (Place::Address(start), _) if start.contains("://") => (*start).to_owned(),
        (Place::Address(start), _) => format!("http://{start}{address}/v1"),
        (_, Greeting::Plain | Greeting::Reset) => format!("http://{address}/v1?token={CANARY}"),
        _ => format!("https://{address}/v1"),
    }
}

/// A server that shows the fault by the schedule.
fn serve(fault: &Fault, schedule: Schedule, good_attempts: usize, around: Around) -> Server {
    let is_faulty = move |attempt: usize| schedule.is_faulty(attempt, good_attempts);
    let place = fault.place.clone();
    let greeting = fault.greeting;
    match place {
        Place::Reply(reply) => Server::start(greeting, move |request| match is_faulty(request.index) {
            true => reply(request, &around),
            false => good(request),
        }),
        Place::Connection(fault) => {
            let greet = move |connection| if is_faulty(connection) { fault } else { greeting };
            Server::start_later(Some(Duration::ZERO), greet, |request| once(good(request)))
        }
        Place::Gone => {
            let after = match schedule {
                Schedule::First => Some(GONE),
                Schedule::Later => Some(Duration::ZERO),
                Schedule::Every => None,
            };
            let is_last = move |index: usize| schedule == Schedule::Later && index + 1 == good_attempts;
            Server::start_later(
                after,
                move |_| greeting,
                move |request| match is_last(request.index) {
                    true => once(good(request)).then_gone(GONE),
                    false => once(good(request)),
                },
            )
        }
        Place::Address(_) => Server::start(greeting, good),
    }
}

/// An answer after which the connection is closed.
fn once(reply: Reply) -> Reply {
    reply.header("connection", "close")
}

fn heal(fault: &Fault, server: &Server) {
    server.set_script(good);
    server.set_greeting(match fault.greeting {
        Greeting::Tls(_) => Greeting::Tls(Certificate::Trusted),
        other => other,
    });
    server.listen();
}

/// Checks the values of predictions and errors, and the warnings.
fn values(fault: &Fault, expected: &Expected, seen: &Seen) -> Result<(), String> {
    let done: Vec<_> = match seen.units.len() == seen.predictions.len() {
        // A batch whose items are all there, or a single run.
        true => expected.units.clone(),
        false => expected.units.iter().copied().filter(|unit| matches!(unit, Unit::Done { .. })).collect(),
    };
    for (unit, prediction) in done.iter().zip(&seen.predictions) {
        let is_good = prediction.answer == super::fault::PARIS && prediction.repairs().is_empty();
        let is_right =
            if *unit == (Unit::Done { of_fault: true }) { (fault.value)(prediction) } else { is_good };
        check(is_right, || format!("{:?} {:?}", **prediction, prediction.repairs()))?;
    }
    let of_fault = |kind| matches!(fault.class, super::fault::Class::Fail(own) if own == kind);
    for error in seen.errors.iter().filter(|error| of_fault(error.kind())) {
        check((fault.error)(error), || format!("the error says: {error:?}"))?;
    }
    let met = expected.units.contains(&Unit::Done { of_fault: true });
    if let (Some(words), true) = (fault.warns, met) {
        check(log::captured().contains(words), || format!("no warning of `{words}` in {}", log::captured()))?;
    }
    Ok(())
}

/// Checks that the key is in no printed text.
pub fn secrets(lm: &Lm, seen: &Seen) -> Result<(), String> {
    let mut history = Vec::new();
    lm.inspect_history_to(100, &mut history).map_err(|error| error.to_string())?;
    let history = String::from_utf8_lossy(&history).into_owned();
    let entries = format!("{:?}", lm.history());
    for (place, text) in [
        ("call", seen.texts()),
        ("history", history),
        ("entries", entries),
        ("log", log::captured()),
        ("LM", format!("{lm:?}")),
    ] {
        check(!text.contains(CANARY), || format!("the key is in the {place}: {text}"))?;
    }
    Ok(())
}

/// Checks that no permit and no flight stays behind, and no socket or task but those of one idle connection.
pub async fn nothing_stays(subject: &Subject, server: &Server) -> Result<(), String> {
    no_more_than(1, subject, server).await
}

/// The same after this number of simultaneous calls. Each may have opened a connection and got another one first: the pool keeps
/// both.
pub async fn no_more_than(calls: usize, subject: &Subject, server: &Server) -> Result<(), String> {
    let connections = if calls == 1 { 1 } else { 2 * calls };
    settle().await;
    let limits = (subject.limits.in_flight(), subject.limits.waiting());
    check(limits == (0, 0), || format!("permits in use and waited for: {limits:?}"))?;
    let in_flight = subject.cache.as_ref().map_or(0, |cache| cache.stats().in_flight);
    check(in_flight == 0, || format!("{in_flight} in flight"))?;
    let (open, idle) = (server.open(), server.idle());
    check(open == idle && open <= connections, || {
        format!("{open} connections are open, {idle} of them idle")
    })?;
    let tasks = tasks_of_clients(server);
    check(tasks <= 2 * open + 1, || format!("{tasks} tasks with {open} connections"))
}

/// The number of tasks that are not the server's: a client's connection has one or two, and its pool one.
pub fn tasks_of_clients(server: &Server) -> usize {
    Handle::current().metrics().num_alive_tasks().saturating_sub(server.tasks())
}

pub fn check(is_so: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(what()) }
}

/// A server for cells with their own script: good answers, except for the fault.
pub fn plain_server(script: impl FnMut(&karat_tests::Received) -> Reply + Send + 'static) -> Server {
    Server::start(Greeting::Plain, script)
}

/// A subject of a server over plain HTTP, with the usual timeouts.
pub fn subject(surface: Surface, server: &Server) -> Subject {
    let url = format!("http://{}/v1", server.address());
    Subject::new(surface, &url, Duration::from_secs(600), karat::lm::Timeouts::new())
}

/// A cell's own test.
pub type Own = Arc<dyn Fn(Surface, Schedule) -> Result<Shown, String> + Send + Sync>;
