//! A paused clock that goes on only when nothing is on its way through a socket.
//!
//! Tokio's own paused clock jumps to the next timer as soon as no task can go on. It looks at the sockets before it does so, but
//! jumps even if something has come: a limit of time may then pass while its answer is being read, and what is measured depends
//! on luck. Here every park of the runtime's one thread is put off first by a few rounds in which sockets are looked at and
//! nothing else is done; what has come is dealt with, and the rounds begin anew. Bytes that one task sends over loopback are there
//! for the other as soon as the system call returns, or a moment later, for which the last rounds wait. So the clock moves only
//! when all of them wait for it: the times that tests measure are exact, and the same in every run.
//!
//! Work on tokio's threads for blocking calls, such as the look-up of a name, stops a paused clock by itself.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::runtime::Builder;

/// How many rounds in a row have to find nothing, and how long each of the last ones waits.
const ROUNDS: u32 = 6;
const WAITING_ROUNDS: u32 = 3;
const WAIT: Duration = Duration::from_micros(150);

thread_local! {
    /// How often something happened that may lead to bytes on their way.
    static EVENTS: Cell<u64> = const { Cell::new(0) };
}

/// Runs it to its end in a runtime of this thread, whose clock is as described [above](self).
///
/// # Panics
/// Within another runtime.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let (seen, quiet) = (AtomicU64::new(u64::MAX), AtomicU32::new(0));
    let before_park = move || {
        let events = EVENTS.with(Cell::get);
        let is_quiet = seen.swap(events, Ordering::Relaxed) == events;
        let round = if is_quiet { quiet.load(Ordering::Relaxed) } else { 0 };
        if round >= ROUNDS {
            // The clock moves; what its timers wake is something again.
            quiet.store(0, Ordering::Relaxed);
            return;
        }
        quiet.store(round + 1, Ordering::Relaxed);
        if round >= ROUNDS - WAITING_ROUNDS {
            std::thread::sleep(WAIT);
        }
        // Where there is a task, the thread looks at the sockets and does not park.
        tokio::spawn(async {});
    };
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).on_thread_park(before_park).build();
    runtime.expect("a runtime").block_on(watched(future))
}

/// The same future; that it is polled counts as something that happened.
pub(crate) async fn watched<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        EVENTS.with(|events| events.set(events.get() + 1));
        future.as_mut().poll(context)
    })
    .await
}

/// Returns when nothing is on its way any more and every task waits. Takes a millisecond of the virtual time.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
