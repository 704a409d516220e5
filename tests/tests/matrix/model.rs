//! The expected outcome of a call, by the rules of `docs/reliability.md` and of the wrappers, stated once for all cells.
//!
//! * A request that meets a fault of the class *retry* is sent again, four times in all, after a wait of 0.5 s, 1 s and 2 s (the
//!   random part is fixed at its most) or what the server asks for, 60 s at most; never beyond the deadline.
//! * A connection that is refused on this machine is tried again for 5 s in all, over all calls, until it is taken.
//! * *fail*: not sent again.
//! * *parse*: asked for once more, as the predictor says (`OnParseError::Reask(1)`).
//! * `batch`: an item fails alone; one that fails as every other would ends the batch.
//! * `BestOfN` and `Refine`: a failed rollout is tolerated; an error that no retry mends ends the call; no success is
//!   `Exhausted`.

use std::time::Duration;

use karat::ErrorKind;

use super::{
    fault::{Class, Fault, Place, Wait, seconds},
    subject::{ROLLOUTS, Surface},
};

/// When a fault occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At the first attempt; the next ones are good.
    First,
    /// At one attempt after good ones.
    Later,
    /// At every attempt.
    Every,
}

impl Schedule {
    pub const ALL: [Self; 3] = [Self::First, Self::Later, Self::Every];

    /// Whether the attempt of this number meets it, if the first `good` ones do not.
    pub fn is_faulty(self, attempt: usize, good: usize) -> bool {
        match self {
            Self::First => attempt == 0,
            Self::Later => attempt == good,
            Self::Every => true,
        }
    }
}

/// How one run of the predictor ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    /// With a good answer, or with the answer of the fault.
    Done {
        of_fault: bool,
    },
    Failed(ErrorKind),
    /// It was not run.
    NotRun,
}

/// The expected outcome of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Each item of a batch, each rollout, or the one run.
    pub units: Vec<Unit>,
    /// The error of the call as a whole.
    pub error: Option<ErrorKind>,
    /// The requests that the server saw.
    pub requests: usize,
    pub time: Duration,
}

impl Expected {
    /// The run whose prediction the call returns.
    pub fn chosen(&self) -> Option<Unit> {
        self.units.iter().copied().find(|unit| matches!(unit, Unit::Done { .. }))
    }
}

pub struct Model<'a> {
    pub fault: &'a Fault,
    pub schedule: Schedule,
    pub is_streamed: bool,
    /// The number of good attempts before the faulty one.
    pub good: usize,
    /// The attempts so far.
    pub attempts: usize,
    pub requests: usize,
    pub time: Duration,
    /// The time since which connections are refused.
    pub refused: Option<Duration>,
}

impl Model<'_> {
    /// The expected outcome of a call on this surface.
    pub fn call(mut self, surface: Surface) -> Expected {
        let mut units = Vec::new();
        let mut error = None;
        match surface {
            Surface::Predict | Surface::Stream | Surface::Cached => {
                let unit = self.run();
                if let Unit::Failed(kind) = unit {
                    error = Some(kind);
                }
                units.push(unit);
            }
            Surface::Batch => {
                for _ in 0..ROLLOUTS {
                    let ended =
                        units.iter().any(|unit| matches!(unit, Unit::Failed(kind) if is_shared(*kind)));
                    units.push(if ended { Unit::NotRun } else { self.run() });
                }
            }
            Surface::BestOfN | Surface::Refine => {
                for _ in 0..ROLLOUTS {
                    let unit = self.run();
                    units.push(unit);
                    let any = units.iter().any(|unit| matches!(unit, Unit::Done { .. }));
                    match unit {
                        Unit::Failed(kind) if is_permanent(kind, any) => {
                            error = Some(kind);
                            break;
                        }
                        _ => {}
                    }
                }
                if error.is_none() && !units.iter().any(|unit| matches!(unit, Unit::Done { .. })) {
                    error = Some(ErrorKind::Exhausted);
                }
            }
        }
        Expected { units, error, requests: self.requests, time: self.time }
    }

    /// One run of a predictor.
    fn run(&mut self) -> Unit {
        for _ in 0..2 {
            match self.ask() {
                Err(kind) => return Unit::Failed(kind),
                Ok(false) => return Unit::Done { of_fault: false },
                Ok(true) if matches!(self.fault.class(self.is_streamed), Class::Reads) => {
                    return Unit::Done { of_fault: true };
                }
                Ok(true) => {}
            }
        }
        Unit::Failed(ErrorKind::Parse)
    }

    /// One LM call with its retries. `true`: its answer met the fault.
    fn ask(&mut self) -> Result<bool, ErrorKind> {
        let deadline = self.fault.deadline;
        let mut spent = Duration::ZERO;
        for tries in 0.. {
            let is_faulty = self.schedule.is_faulty(self.attempts, self.good);
            self.attempts += 1;
            if !is_faulty || matches!(self.fault.place, Place::Reply(_)) {
                self.requests += 1;
            }
            if !is_faulty {
                self.refused = None;
                break;
            }
            if self.fault.takes >= deadline - spent {
                self.time += deadline - spent;
                return Err(ErrorKind::Timeout);
            }
            (self.time, spent) = (self.time + self.fault.takes, spent + self.fault.takes);
            let (kind, wait) = match self.fault.class(self.is_streamed) {
                Class::Retry(kind, wait) => (kind, wait),
                Class::Refused => (ErrorKind::Connect, Wait::Own),
                Class::Fail(kind) => return Err(kind),
                Class::Parse | Class::Reads => return Ok(true),
            };
            let (asked, wait) = match wait {
                Wait::Own => (Duration::ZERO, Duration::from_millis(500) * 2_u32.pow(tries)),
                Wait::Asked(asked) => (asked, asked.min(seconds(60))),
            };
            let ends = self.time + wait;
            let is_refused = matches!(self.fault.class(self.is_streamed), Class::Refused);
            if is_refused && ends - *self.refused.get_or_insert(self.time) > seconds(5) {
                return Err(kind);
            }
            if tries == 3 || asked.max(wait) >= deadline - spent {
                return Err(kind);
            }
            (self.time, spent) = (self.time + wait, spent + wait);
        }
        Ok(false)
    }
}

/// An error of one item that every other item would meet too.
fn is_shared(kind: ErrorKind) -> bool {
    use ErrorKind::*;
    matches!(kind, Config | NoLm | MissingKey | Auth | Quota | UnknownModel | Tls)
}

/// An error that ends the rollouts; a prompt that is too long is so in every rollout, unless one has succeeded.
fn is_permanent(kind: ErrorKind, any_succeeded: bool) -> bool {
    kind == ErrorKind::BadRequest || is_shared(kind) || (kind == ErrorKind::ContextLength && !any_succeeded)
}
