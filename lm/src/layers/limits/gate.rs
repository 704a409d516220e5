//! The gate that all requests under the same limits pass: who goes now, who waits, and what an answer tells.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Settings,
    learned::Learned,
    queue::{Queue, Stage, Turn, Waiter},
    window::Window,
};
use crate::{
    data::{CallerId, Response},
    report::{Error, Fact, RateLimit, Result},
};

/// The longest that all wait because the server told one to.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Shared by all handles that have the same [`Limits`](super::Limits).
#[derive(Debug, Default)]
pub(super) struct Gate {
    pub(super) settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    /// Of the last one that came.
    last: u64,
    /// Of the last one that went: in its order the windows are kept.
    went: u64,
    queue: Queue,
    requests: Limit,
    tokens: Limit,
    paused_until: Option<Instant>,
    told: Option<RateLimit>,
}

/// What is known of one of the limits.
#[derive(Debug, Default)]
struct Limit {
    own: Option<Window>,
    learned: Option<Learned>,
    /// All that was ever spent.
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

/// Whose bells are to be rung once the lock is free.
type Bells = Vec<Arc<Turn>>;

impl State {
    /// When the next request may go: never for now if there is no place; `Ok` if at once.
    fn ready(&mut self, tokens: u64, settings: &Settings, now: Instant) -> Result<(), Option<Instant>> {
        if settings.concurrency.is_some_and(|most| self.in_flight >= most) {
            return Err(None);
        }
        let pause = self.paused_until.filter(|until| *until > now);
        match pause.max(self.requests.ready(1, now)).max(self.tokens.ready(tokens, now)) {
            None => Ok(()),
            next => Err(next),
        }
    }

    /// Lets all go that may, and says when the first of those who stay may, if that is `me` and time alone decides. Another one who
    /// has become the first, or for whom something has changed, is to look by itself.
    fn advance(&mut self, settings: &Settings, me: Me, bells: &mut Bells) -> Option<Instant> {
        let now = Instant::now();
        let mut is_other = matches!(me, Me::Changes);
        while let Some(first) = self.queue.first() {
            let (number, tokens) = (first.number, first.tokens);
            if let Err(next) = self.ready(tokens, settings, now) {
                if matches!(me, Me::Waits(me) if me == number) {
                    return next;
                }
                bells.extend(self.queue.first().filter(|_| is_other).map(|first| first.turn.clone()));
                return None;
            }
            let waiter = self.queue.pop()?;
            self.in_flight += 1;
            self.went += 1;
            self.requests.spend(self.went, 1, now);
            self.tokens.spend(self.went, tokens, now);
            waiter.turn.come(Passed {
                went: self.went,
                requests: self.requests.total,
                tokens: self.tokens.total,
            });
            bells.push(waiter.turn);
            is_other = true;
        }
        None
    }
}

/// On whose behalf the state is looked at.
#[derive(Clone, Copy)]
enum Me {
    /// One that waits, and changes nothing for others.
    Waits(u64),
    /// One that joins the queue, and looks for itself right after.
    Enters,
    /// One that goes or ends: there may be room.
    Changes,
}

/// What was spent in all when a request went, itself included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    went: u64,
    requests: u64,
    tokens: u64,
}

impl Gate {
    pub(super) fn new(settings: Settings) -> Self {
        let mut state = State::default();
        state.requests.own = settings.requests_per_minute.map(Window::new);
        state.tokens.own = settings.tokens_per_minute.map(Window::new);
        Self { settings, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, lets all go that then may, and rings their bells with the lock free.
    fn change<T>(&self, me: Me, change: impl FnOnce(&mut State) -> T) -> (T, Option<Instant>) {
        let mut bells = Bells::new();
        let mut state = self.lock();
        let out = change(&mut state);
        let next = state.advance(&self.settings, me, &mut bells);
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

    pub(super) fn told(&self) -> Option<RateLimit> {
        self.lock().told
    }

    /// Joins the queue.
    pub(super) fn enter(self: &Arc<Self>, who: Option<CallerId>, tokens: u64) -> Waiting {
        let turn = Arc::<Turn>::default();
        let (number, _) = self.change(Me::Enters, |state| {
            state.last += 1;
            state.queue.push(who, Waiter { number: state.last, tokens, turn: turn.clone() });
            state.last
        });
        Waiting { gate: self.clone(), who, number, tokens, turn }
    }
}

/// A place in the queue. Dropped, it is free: so is the permit if it was given and not taken.
#[derive(Debug)]
pub(super) struct Waiting {
    gate: Arc<Gate>,
    who: Option<CallerId>,
    number: u64,
    tokens: u64,
    turn: Arc<Turn>,
}

impl Waiting {
    /// The permit if its turn has come; else when to look again if no bell rings.
    pub(super) fn look(&self) -> Result<Permit, Option<Instant>> {
        let ((), next) = self.gate.change(Me::Waits(self.number), |_| ());
        let stage = {
            let _state = self.gate.lock();
            self.turn.take()
        };
        match stage {
            Stage::Passed(passed) => Ok(Permit { gate: self.gate.clone(), passed, tokens: self.tokens }),
            Stage::Waits | Stage::Gone => Err(next),
        }
    }

    pub(super) async fn bell(&self) {
        self.turn.bell.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.gate.change(Me::Changes, |state| match self.turn.take() {
            Stage::Waits => state.queue.remove(self.who, self.number),
            Stage::Passed(passed) => {
                state.in_flight = state.in_flight.saturating_sub(1);
                state.requests.give_back(passed.went, 1);
                state.tokens.give_back(passed.went, self.tokens);
            }
            Stage::Gone => {}
        });
    }
}

/// The right to have one request on its way. Dropped, the place is free again; what was spent stays spent.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Arc<Gate>,
    passed: Passed,
    tokens: u64,
}

impl Permit {
    /// Takes in what came of the request.
    pub(super) fn end(self, outcome: &Result<Response>) {
        let Passed { went, requests, tokens } = self.passed;
        let told = match outcome {
            Ok(response) => response.rate_limit.as_ref(),
            Err(error) => error.rate_limit(),
        };
        let mut state = self.gate.lock();
        if let Some(actual) = spent(outcome) {
            state.tokens.correct(went, self.tokens, actual);
        }
        if !self.gate.settings.learn {
            return;
        }
        let now = Instant::now();
        if let Some(told) = told {
            let since = [state.requests.total - requests, state.tokens.total - tokens];
            Learned::learn(&mut state.requests.learned, &told.requests, went, since[0], now);
            Learned::learn(&mut state.tokens.learned, &told.tokens, went, since[1], now);
            state.told = Some(*told);
        }
        let wait = outcome.as_ref().err().and_then(Error::retry_after);
        state.paused_until = state.paused_until.max(wait.map(|wait| now + wait.min(LONGEST_PAUSE)));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.change(Me::Changes, |state| state.in_flight = state.in_flight.saturating_sub(1));
    }
}

/// The tokens that a request took; `None` where they are not known, and the estimate counts.
fn spent(outcome: &Result<Response>) -> Option<u64> {
    match outcome {
        Ok(response) => Some(response.usage.total_tokens()).filter(|tokens| *tokens > 0),
        Err(error) if error.spent().total_tokens() > 0 => Some(error.spent().total_tokens()),
        Err(error) if error.kind().is(Fact::Unread) => Some(0),
        Err(_) => None,
    }
}
