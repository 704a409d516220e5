//! The queue of waiting requests: callers take turns, one request each; a caller's own requests keep their order.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::gate::Admission;
use crate::data::CallerId;

/// A waiting request.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    pub(super) number: u64,
    pub(super) tokens: u64,
    pub(super) turn: Arc<Turn>,
}

/// Wakes a waiter: its turn has come, or it has to check again.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Read and changed under the gate's lock only.
    stage: Mutex<Stage>,
    pub(super) bell: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Stage {
    #[default]
    Waiting,
    /// Admitted, but the waiter does not know it yet.
    Admitted(Admission),
    /// The waiter took its admission.
    Gone,
}

impl Turn {
    pub(super) fn admit(&self, admission: Admission) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Stage::Admitted(admission);
    }

    /// The stage; takes the admission if there is one.
    pub(super) fn take(&self) -> Stage {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match *stage {
            Stage::Admitted(_) => std::mem::replace(&mut *stage, Stage::Gone),
            other => other,
        }
    }
}

/// Requests without a caller count as one caller's.
type Who = Option<CallerId>;

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: HashMap<Who, BTreeMap<u64, Waiter>>,
    /// Callers with waiting requests, the next one first.
    callers: VecDeque<Who>,
}

impl Queue {
    pub(super) fn push(&mut self, who: Who, waiter: Waiter) {
        let own = self.waiting.entry(who).or_default();
        if own.is_empty() {
            self.callers.push_back(who);
        }
        own.insert(waiter.number, waiter);
    }

    /// The next request in turn.
    pub(super) fn first(&self) -> Option<&Waiter> {
        let own = self.waiting.get(self.callers.front()?)?;
        own.first_key_value().map(|(_, waiter)| waiter)
    }

    /// Removes the next request; its caller goes to the end.
    pub(super) fn pop(&mut self) -> Option<Waiter> {
        let who = self.callers.pop_front()?;
        let own = self.waiting.get_mut(&who)?;
        let waiter = own.pop_first().map(|(_, waiter)| waiter);
        match own.is_empty() {
            true => drop(self.waiting.remove(&who)),
            false => self.callers.push_back(who),
        }
        waiter
    }

    /// Removes a request that no longer waits.
    pub(super) fn remove(&mut self, who: Who, number: u64) {
        let Some(own) = self.waiting.get_mut(&who) else { return };
        own.remove(&number);
        if own.is_empty() {
            self.waiting.remove(&who);
            if let Some(at) = self.callers.iter().position(|caller| *caller == who) {
                self.callers.remove(at);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.values().map(BTreeMap::len).sum()
    }
}
