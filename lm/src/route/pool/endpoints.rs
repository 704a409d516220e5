//! The endpoints of a pool: how busy each is, and which ones cool down.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::report::Error;

/// How long a failed endpoint is not asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cooldown {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

/// Shared by all calls of a pool.
#[derive(Debug)]
pub(super) struct Endpoints {
    cooldown: Cooldown,
    state: Mutex<PoolState>,
}

#[derive(Debug)]
struct PoolState {
    endpoints: Vec<Endpoint>,
    /// The first in turn among equally busy endpoints.
    next: usize,
}

#[derive(Clone, Debug, Default)]
struct Endpoint {
    in_flight: usize,
    /// Failures in a row, those at one time counted once.
    strikes: u32,
    /// Since when and until when it cools down, and why.
    cooling: Option<(Instant, Instant, Error)>,
}

impl Endpoint {
    fn back_at(&self, now: Instant) -> Option<Instant> {
        self.cooling.as_ref().map(|(_, until, _)| *until).filter(|until| *until > now)
    }
}

/// The endpoint to ask next.
pub(super) enum Choice<'a> {
    /// An endpoint that is ready.
    Ask(Seat<'a>),
    /// All remaining endpoints cool down: the one that is back first, when, and why it cools down.
    Cooling(usize, Instant, Error),
    /// All endpoints were asked.
    None,
}

impl Endpoints {
    pub(super) fn new(count: usize, cooldown: Cooldown) -> Self {
        let state = PoolState { endpoints: vec![Endpoint::default(); count], next: 0 };
        Self { cooldown, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the endpoint with the fewest requests in flight, except those in `asked`; equally busy ones take turns.
    pub(super) fn choose(&self, asked: &[usize]) -> Choice<'_> {
        let now = Instant::now();
        let mut state = self.lock();
        let count = state.endpoints.len();
        let in_turn = (0..count).map(|i| (state.next + i) % count).filter(|index| !asked.contains(index));
        let open = in_turn.filter_map(|index| Some((index, state.endpoints.get(index)?)));
        let (cooling, ready): (Vec<_>, Vec<_>) =
            open.partition(|(_, endpoint)| endpoint.back_at(now).is_some());
        // `min_by_key` takes the first of equals.
        let least = ready.iter().min_by_key(|(_, endpoint)| endpoint.in_flight).map(|(index, _)| *index);
        if let Some(index) = least {
            state.next = (index + 1) % count;
            drop(state);
            return Choice::Ask(self.take(index));
        }
        let first = cooling.into_iter().filter_map(|(index, endpoint)| {
            let (_, until, error) = endpoint.cooling.as_ref()?;
            Some((index, *until, error))
        });
        match first.min_by_key(|(_, until, _)| *until) {
            Some((index, until, error)) => Choice::Cooling(index, until, error.clone()),
            None => Choice::None,
        }
    }

    /// Takes this endpoint, whether or not it cools down.
    pub(super) fn take(&self, index: usize) -> Seat<'_> {
        if let Some(endpoint) = self.lock().endpoints.get_mut(index) {
            endpoint.in_flight += 1;
        }
        Seat { endpoints: self, index, since: Instant::now() }
    }
}

/// A request in flight at an endpoint; dropping it ends that.
pub(super) struct Seat<'a> {
    endpoints: &'a Endpoints,
    pub(super) index: usize,
    since: Instant,
}

impl Seat<'_> {
    /// Notes that the endpoint answered, if only to refuse.
    pub(super) fn answered(&self) {
        if let Some(endpoint) = self.endpoints.lock().endpoints.get_mut(self.index) {
            // An answer from before the failure says nothing about the time after it.
            if endpoint.cooling.as_ref().is_none_or(|(since, ..)| *since <= self.since) {
                (endpoint.strikes, endpoint.cooling) = (0, None);
            }
        }
    }

    /// Notes a failure: the endpoint cools down for as long as it asked, else for twice as long as the last time.
    pub(super) fn failed(&self, error: &Error) {
        let Cooldown { first, longest } = self.endpoints.cooldown;
        let now = Instant::now();
        let mut state = self.endpoints.lock();
        let Some(endpoint) = state.endpoints.get_mut(self.index) else { return };
        // Many requests that fail at one time are one failure.
        let is_new = endpoint.cooling.as_ref().is_none_or(|(since, ..)| *since <= self.since);
        if is_new {
            endpoint.strikes = endpoint.strikes.saturating_add(1);
        }
        let doubled =
            first.saturating_mul(1_u32.checked_shl(endpoint.strikes.saturating_sub(1)).unwrap_or(u32::MAX));
        let until = now + error.retry_after().unwrap_or(doubled).min(longest);
        let since = endpoint.cooling.as_ref().filter(|_| !is_new).map_or(now, |(since, ..)| *since);
        let latest =
            endpoint.cooling.as_ref().filter(|_| !is_new).map_or(until, |(_, before, _)| until.max(*before));
        endpoint.cooling = Some((since, latest, error.alone()));
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(endpoint) = self.endpoints.lock().endpoints.get_mut(self.index) {
            endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        }
    }
}
