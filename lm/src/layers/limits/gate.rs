//! The gate that all requests under the same limits pass: admits them in turn, and learns from the answers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    LimitSettings,
    learned::Learned,
    queue::{Queue, Stage, Turn, Waiter},
    window::Window,
};
use crate::{
    data::{CallerId, Response},
    report::{Error, Fact, RateLimit, Result},
};

/// The longest pause of all requests that one `retry-after` causes.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Shared by all handles that have the same [`Limits`](super::Limits).
#[derive(Debug, Default)]
pub(super) struct Gate {
    pub(super) settings: LimitSettings,
    state: Mutex<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    in_flight: usize,
    /// The number of the last request that came.
    last: u64,
    /// The number of the last admission; the windows are kept in this order.
    admitted: u64,
    queue: Queue,
    requests: Limit,
    tokens: Limit,
    paused_until: Option<Instant>,
    last_report: Option<RateLimit>,
}

/// The state of one limit: of requests or of tokens.
#[derive(Debug, Default)]
struct Limit {
    own: Option<Window>,
    learned: Option<Learned>,
    /// The total ever spent.
    total: u64,
}

impl Limit {
    fn ready(&mut self, amount: u64, now: Instant) -> Option<Instant> {
        let own = self.own.as_mut().and_then(|own| own.ready(amount, now));
        own.max(self.learned.as_mut().and_then(|learned| learned.ready(amount, now)))
    }

    fn spend(&mut self, number: u64, amount: u64, now: Instant) {
        self.total = self.total.saturating_add(amount);
        self.own.iter_mut().for_each(|own| own.spend(number, amount, now));
        self.learned.iter_mut().for_each(|learned| learned.spend(amount));
    }

    fn correct(&mut self, number: u64, amount: u64, actual: u64) {
        self.own.iter_mut().for_each(|own| own.correct(number, actual));
        self.learned.iter_mut().for_each(|learned| {
            learned.give_back(amount);
            learned.spend(actual);
        });
    }

    fn give_back(&mut self, number: u64, amount: u64) {
        self.own.iter_mut().for_each(|own| own.give_back(number));
        self.learned.iter_mut().for_each(|learned| learned.give_back(amount));
    }
}

/// Turns whose bells are rung once the lock is free.
type Bells = Vec<Arc<Turn>>;

impl GateState {
    /// `Ok` if the next request may go now; else when it may, `None` if that depends on others.
    fn ready(&mut self, tokens: u64, settings: &LimitSettings, now: Instant) -> Result<(), Option<Instant>> {
        if settings.concurrency.is_some_and(|most| self.in_flight >= most) {
            return Err(None);
        }
        let pause = self.paused_until.filter(|until| *until > now);
        match pause.max(self.requests.ready(1, now)).max(self.tokens.ready(tokens, now)) {
            None => Ok(()),
            next => Err(next),
        }
    }

    /// Admits every waiter that fits. If `trigger` is the waiter that is then first, returns when it may check again; another waiter
    /// that has become the first, or whose chances have changed, is woken to check by itself.
    fn advance(&mut self, settings: &LimitSettings, trigger: Trigger, bells: &mut Bells) -> Option<Instant> {
        let now = Instant::now();
        let mut is_other = matches!(trigger, Trigger::CapacityFreed);
        while let Some(first) = self.queue.first() {
            let (number, tokens) = (first.number, first.tokens);
            if let Err(next) = self.ready(tokens, settings, now) {
                if matches!(trigger, Trigger::WaiterPolled(waiter) if waiter == number) {
                    return next;
                }
                bells.extend(self.queue.first().filter(|_| is_other).map(|first| first.turn.clone()));
                return None;
            }
            let waiter = self.queue.pop()?;
            self.in_flight += 1;
            self.admitted += 1;
            self.requests.spend(self.admitted, 1, now);
            self.tokens.spend(self.admitted, tokens, now);
            waiter.turn.admit(Admission {
                number: self.admitted,
                requests: self.requests.total,
                tokens: self.tokens.total,
            });
            bells.push(waiter.turn);
            is_other = true;
        }
        None
    }
}

/// Why the gate checks its queue.
#[derive(Clone, Copy)]
enum Trigger {
    /// A waiter was polled: nothing has changed for others.
    WaiterPolled(u64),
    /// A waiter joined the queue; it checks by itself right after.
    WaiterJoined,
    /// A waiter left or a request ended: there may be room.
    CapacityFreed,
}

/// The totals at a request's admission, itself included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admission {
    number: u64,
    requests: u64,
    tokens: u64,
}

impl Gate {
    pub(super) fn new(settings: LimitSettings) -> Self {
        let mut state = GateState::default();
        state.requests.own = settings.requests_per_minute.map(Window::new);
        state.tokens.own = settings.tokens_per_minute.map(Window::new);
        Self { settings, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, admits every waiter that then fits, and rings their bells once the lock is free.
    fn change<T>(&self, trigger: Trigger, change: impl FnOnce(&mut GateState) -> T) -> (T, Option<Instant>) {
        let mut bells = Bells::new();
        let mut state = self.lock();
        let out = change(&mut state);
        let next = state.advance(&self.settings, trigger, &mut bells);
        drop(state);
        bells.iter().for_each(|turn| turn.bell.notify_one());
        (out, next)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().queue.len()
    }

    pub(super) fn last_report(&self) -> Option<RateLimit> {
        self.lock().last_report
    }

    /// Joins the queue.
    pub(super) fn enter(self: &Arc<Self>, who: Option<CallerId>, tokens: u64) -> Waiting {
        let turn = Arc::<Turn>::default();
        let (number, _) = self.change(Trigger::WaiterJoined, |state| {
            state.last += 1;
            state.queue.push(who, Waiter { number: state.last, tokens, turn: turn.clone() });
            state.last
        });
        Waiting { gate: self.clone(), who, number, tokens, turn }
    }
}

/// A place in the queue. Dropping it frees the place, and a permit that was given and not taken.
#[derive(Debug)]
pub(super) struct Waiting {
    gate: Arc<Gate>,
    who: Option<CallerId>,
    number: u64,
    tokens: u64,
    turn: Arc<Turn>,
}

impl Waiting {
    /// The permit if its turn has come; else when to check again if no bell rings.
    pub(super) fn look(&self) -> Result<Permit, Option<Instant>> {
        let ((), next) = self.gate.change(Trigger::WaiterPolled(self.number), |_| ());
        let stage = {
            let _state = self.gate.lock();
            self.turn.take()
        };
        match stage {
            Stage::Admitted(admission) => {
                Ok(Permit { gate: self.gate.clone(), admission, tokens: self.tokens })
            }
            Stage::Waiting | Stage::Gone => Err(next),
        }
    }

    pub(super) async fn bell(&self) {
        self.turn.bell.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.gate.change(Trigger::CapacityFreed, |state| match self.turn.take() {
            Stage::Waiting => state.queue.remove(self.who, self.number),
            Stage::Admitted(admission) => {
                state.in_flight = state.in_flight.saturating_sub(1);
                state.requests.give_back(admission.number, 1);
                state.tokens.give_back(admission.number, self.tokens);
            }
            Stage::Gone => {}
        });
    }
}

/// The right to have one request in flight. Dropping it frees the place; spent requests and tokens stay spent.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Arc<Gate>,
    admission: Admission,
    tokens: u64,
}

impl Permit {
    /// Corrects the estimate by the outcome, and learns from its headers.
    pub(super) fn end(self, outcome: &Result<Response>) {
        let Admission { number, requests, tokens } = self.admission;
        let report = match outcome {
            Ok(response) => response.rate_limit.as_ref(),
            Err(error) => error.rate_limit(),
        };
        let mut state = self.gate.lock();
        if let Some(actual) = spent(outcome) {
            state.tokens.correct(number, self.tokens, actual);
        }
        if !self.gate.settings.learn {
            return;
        }
        let now = Instant::now();
        if let Some(report) = report {
            let since = [state.requests.total - requests, state.tokens.total - tokens];
            Learned::learn(&mut state.requests.learned, &report.requests, number, since[0], now);
            Learned::learn(&mut state.tokens.learned, &report.tokens, number, since[1], now);
            state.last_report = Some(*report);
        }
        let wait = outcome.as_ref().err().and_then(Error::retry_after);
        state.paused_until = state.paused_until.max(wait.map(|wait| now + wait.min(LONGEST_PAUSE)));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.change(Trigger::CapacityFreed, |state| state.in_flight = state.in_flight.saturating_sub(1));
    }
}

/// The tokens that a request took; `None` if they are unknown, so that the estimate counts.
fn spent(outcome: &Result<Response>) -> Option<u64> {
    match outcome {
        Ok(response) => Some(response.usage.total_tokens()).filter(|tokens| *tokens > 0),
        Err(error) if error.spent().total_tokens() > 0 => Some(error.spent().total_tokens()),
        Err(error) if error.kind().is(Fact::Unread) => Some(0),
        Err(_) => None,
    }
}
