//! Single flight: of simultaneous equal requests one is sent, and the others wait for its outcome.
//!
//! The first request leads. If it is dropped, a waiting one takes the lead. There is no lock across an await, nothing is
//! spawned, and no clock is read, so any runtime will do. `tests/tests/single_flight.rs` runs this very file under
//! `shuttle`, which tries the possible orders of threads.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    hash::Hash,
    pin::Pin,
    sync::PoisonError,
    task::{Context, Poll, Waker},
};

use super::sync::{Arc, Mutex, MutexGuard};

/// After so many failed leaders all waiting requests get the failure.
const FAILURES: u32 = 2;

/// The requests in flight: by key `K`, requests `R` whose outcome is a `T`.
pub(super) struct Flights<K, R, T> {
    open: Mutex<HashMap<K, Flight<R, T>>>,
}

/// One request in flight. It exists as long as someone leads or waits.
struct Flight<R, T> {
    request: R,
    landing: Landing<T>,
    is_led: bool,
    failures: u32,
    /// The waiting requests by order of arrival, in which they are woken too. The waker is taken then.
    waiting: BTreeMap<u64, Option<Waker>>,
    next: u64,
}

/// The slot for the outcome, shared with the waiting requests. Locked only while the flights are.
type Landing<T> = Arc<Mutex<Option<T>>>;

/// How a request joins a flight.
pub(super) enum Join<'f, K: Hash + Eq + Clone, R, T: Clone> {
    /// It has to be sent, and its outcome given to the others.
    Lead(Leader<'f, K, R, T>),
    /// An equal request is on its way.
    Follow(Follower<'f, K, R, T>),
    /// Another request is on its way under the same key.
    Apart,
}

/// What a waiting request gets.
pub(super) enum Awaited<'f, K: Hash + Eq + Clone, R, T: Clone> {
    /// The leader's outcome.
    Landed(T),
    /// The leader is gone: this request has to be sent.
    Lead(Leader<'f, K, R, T>),
}

impl<K: Hash + Eq + Clone, R, T: Clone> Flights<K, R, T> {
    pub(super) fn new() -> Self {
        Self { open: Mutex::new(HashMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Flight<R, T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of requests in flight.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Joins the flight of this key, if its request is the `same`.
    pub(super) fn join(
        &self,
        key: &K,
        same: impl FnOnce(&R) -> bool,
        request: impl FnOnce() -> R,
    ) -> Join<'_, K, R, T> {
        let mut open = self.lock();
        if let Some(flight) = open.get_mut(key) {
            if !same(&flight.request) {
                return Join::Apart;
            }
            let landing = flight.landing.clone();
            // The lead is free until one of the woken requests takes it.
            if !flight.is_led {
                flight.is_led = true;
                return Join::Lead(Leader { flights: self, key: key.clone(), landing, is_done: false });
            }
            let id = flight.next;
            flight.next += 1;
            flight.waiting.insert(id, None);
            return Join::Follow(Follower { flights: self, key: key.clone(), landing, id, is_done: false });
        }
        let landing = Landing::new(Mutex::new(None));
        let flight = Flight {
            request: request(),
            landing: landing.clone(),
            is_led: true,
            failures: 0,
            waiting: BTreeMap::new(),
            next: 0,
        };
        open.insert(key.clone(), flight);
        Join::Lead(Leader { flights: self, key: key.clone(), landing, is_done: false })
    }
}

/// The one that sends the request. Dropping it before it [landed](Leader::land) frees the lead.
pub(super) struct Leader<'f, K: Hash + Eq + Clone, R, T: Clone> {
    flights: &'f Flights<K, R, T>,
    key: K,
    landing: Landing<T>,
    is_done: bool,
}

impl<K: Hash + Eq + Clone, R, T: Clone> Leader<'_, K, R, T> {
    /// Gives the outcome to all that wait. Later requests begin a new flight.
    pub(super) fn land(mut self, outcome: T) {
        self.is_done = true;
        let mut open = self.flights.lock();
        let flight = open.remove(&self.key);
        *self.landing.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        drop(open);
        wake(flight.into_iter().flat_map(|flight| flight.waiting.into_values()));
    }

    /// Frees the lead for a waiting request, which may succeed; from the second failure on, all get the outcome.
    pub(super) fn fail(self, outcome: T) {
        let failures = self.flights.lock().get_mut(&self.key).map(|flight| {
            flight.failures += 1;
            flight.failures
        });
        if failures.is_some_and(|failures| failures >= FAILURES) {
            self.land(outcome);
        }
    }
}

impl<K: Hash + Eq + Clone, R, T: Clone> Drop for Leader<'_, K, R, T> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut open = self.flights.lock();
        let Some(flight) = open.get_mut(&self.key) else { return };
        flight.is_led = false;
        // All are woken, not one: that one may be dropped before it runs.
        let wakers: Vec<_> = flight.waiting.values_mut().map(Option::take).collect();
        let gone = if flight.waiting.is_empty() { open.remove(&self.key) } else { None };
        drop(open);
        drop(gone);
        wake(wakers);
    }
}

/// Wakes outside of the lock: a woken task may run at once.
fn wake(wakers: impl IntoIterator<Item = Option<Waker>>) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}

/// One that waits for an equal request. Dropping it leaves nothing behind.
pub(super) struct Follower<'f, K: Hash + Eq + Clone, R, T: Clone> {
    flights: &'f Flights<K, R, T>,
    key: K,
    landing: Landing<T>,
    id: u64,
    is_done: bool,
}

impl<'f, K: Hash + Eq + Clone + Unpin, R, T: Clone> Future for Follower<'f, K, R, T> {
    type Output = Awaited<'f, K, R, T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let waker = context.waker().clone();
        let mut open = this.flights.lock();
        let landed = this.landing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(outcome) = landed {
            this.is_done = true;
            return Poll::Ready(Awaited::Landed(outcome));
        }
        // It has not landed, and this one waits: so the flight exists.
        let Some(flight) = open.get_mut(&this.key) else { return Poll::Pending };
        if flight.is_led {
            let former = flight.waiting.insert(this.id, Some(waker));
            drop(open);
            drop(former);
            return Poll::Pending;
        }
        flight.is_led = true;
        let former = flight.waiting.remove(&this.id);
        this.is_done = true;
        drop(open);
        drop(former);
        let (key, landing) = (this.key.clone(), this.landing.clone());
        Poll::Ready(Awaited::Lead(Leader { flights: this.flights, key, landing, is_done: false }))
    }
}

impl<K: Hash + Eq + Clone, R, T: Clone> Drop for Follower<'_, K, R, T> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut open = self.flights.lock();
        // After the landing a later flight may have the key.
        let is_mine = |flight: &&mut Flight<R, T>| Arc::ptr_eq(&flight.landing, &self.landing);
        let Some(flight) = open.get_mut(&self.key).filter(is_mine) else { return };
        let former = flight.waiting.remove(&self.id);
        let is_empty = !flight.is_led && flight.waiting.is_empty();
        let gone = if is_empty { open.remove(&self.key) } else { None };
        drop(open);
        drop((former, gone));
    }
}
