//! The cache's single flight under `shuttle`, which runs threads in many orders and finds lost wake-ups and deadlocks.

#[allow(dead_code)] // the whole file, of which some is for statistics
#[path = "../../lm/src/layers/cache/flight.rs"]
mod flight;

mod sync {
    pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard};
}

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use flight::{Awaited, Flights, Join, Leader};
use shuttle::{
    future::block_on,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

type Outcome = Result<u64, &'static str>;
type Flown = Flights<u8, (), Outcome>;

/// A cache of one entry as the layer has it: memory, flights, and the count of what was sent.
struct Model {
    flights: Flown,
    memory: Mutex<Option<u64>>,
    sent: AtomicUsize,
}

/// What becomes of a caller.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Answers,
    /// Dropped while it leads.
    Dropped,
    /// Fails while it leads, in a way that may pass.
    Fails,
    /// Looks once and is dropped, if it waits.
    Impatient,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self { flights: Flights::new(), memory: Mutex::new(None), sent: AtomicUsize::new(0) })
    }

    /// `None` for one that was dropped.
    fn call(&self, fate: Fate) -> Option<Outcome> {
        if let Some(there) = *self.memory.lock().unwrap() {
            return Some(Ok(there));
        }
        match self.flights.join(&0, |()| true, || ()) {
            Join::Lead(leader) => self.lead(leader, fate),
            Join::Follow(follower) if fate == Fate::Impatient => {
                let mut follower = pin!(follower);
                match follower.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Awaited::Landed(outcome)) => Some(outcome),
                    Poll::Ready(Awaited::Lead(leader)) => self.lead(leader, fate),
                    Poll::Pending => None,
                }
            }
            Join::Follow(follower) => match block_on(follower) {
                Awaited::Landed(outcome) => Some(outcome),
                Awaited::Lead(leader) => self.lead(leader, fate),
            },
            Join::Apart => unreachable!("there is one request"),
        }
    }

    fn lead(&self, leader: Leader<'_, u8, (), Outcome>, fate: Fate) -> Option<Outcome> {
        if let Some(there) = *self.memory.lock().unwrap() {
            leader.land(Ok(there));
            return Some(Ok(there));
        }
        self.sent.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        match fate {
            Fate::Dropped => {
                drop(leader);
                None
            }
            Fate::Fails => {
                leader.fail(Err("busy"));
                Some(Err("busy"))
            }
            Fate::Answers | Fate::Impatient => {
                *self.memory.lock().unwrap() = Some(7);
                leader.land(Ok(7));
                Some(Ok(7))
            }
        }
    }
}

/// Callers with these fates at once, in many orders; then what came of them, and how many were sent.
fn in_many_orders(fates: &'static [Fate], check: fn(Vec<Option<Outcome>>, usize)) {
    let run = move || {
        let model = Model::new();
        let threads: Vec<_> = fates
            .iter()
            .map(|fate| {
                let model = model.clone();
                thread::spawn(move || model.call(*fate))
            })
            .collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(model.flights.len(), 0, "nothing stays behind");
        check(outcomes, model.sent.load(Ordering::SeqCst));
    };
    shuttle::check_random(run, 500);
    shuttle::check_pct(run, 500, 3);
    shuttle::check_dfs(run, Some(500));
}

#[test]
fn equal_calls_at_once_are_sent_once() {
    in_many_orders(&[Fate::Answers; 4], |outcomes, sent| {
        assert!(outcomes.iter().all(|outcome| *outcome == Some(Ok(7))));
        assert_eq!(sent, 1);
    });
}

#[test]
fn a_leader_that_is_dropped_is_taken_over() {
    in_many_orders(&[Fate::Dropped, Fate::Answers, Fate::Dropped, Fate::Answers], |outcomes, sent| {
        assert_eq!((outcomes[1], outcomes[3]), (Some(Ok(7)), Some(Ok(7))));
        assert!((1..=3).contains(&sent), "{sent}");
    });
}

#[test]
fn who_waits_and_is_dropped_is_not_waited_for() {
    let fates = &[Fate::Dropped, Fate::Impatient, Fate::Answers, Fate::Impatient];
    in_many_orders(fates, |outcomes, sent| {
        assert_eq!(outcomes[2], Some(Ok(7)));
        assert!((1..=2).contains(&sent), "{sent}");
    });
}

#[test]
fn failures_end_the_waiting_of_all() {
    in_many_orders(&[Fate::Fails, Fate::Fails, Fate::Fails, Fate::Answers], |outcomes, sent| {
        // Nobody waits for ever; a failure is one that somebody had.
        assert!(outcomes.iter().all(Option::is_some));
        assert!((1..=4).contains(&sent), "{sent}");
    });
}
