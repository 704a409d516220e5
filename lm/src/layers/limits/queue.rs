//! Who waits for a place: one request of each caller in turn, those of one caller in the order in which they came.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::gate::Passed;
use crate::data::CallerId;

/// One request that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    pub(super) number: u64,
    pub(super) tokens: u64,
    pub(super) turn: Arc<Turn>,
}

/// Tells a waiter that it is its turn, or that it is to look again.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Looked at and changed under the lock of the gate only.
    stage: Mutex<Stage>,
    pub(super) bell: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Stage {
    #[default]
    Waits,
    /// It may go, and does not know it yet.
    Passed(Passed),
    /// It went.
    Gone,
}

impl Turn {
    pub(super) fn come(&self, passed: Passed) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Stage::Passed(passed);
    }

    /// Where it is; where it may go, it is gone with this.
    pub(super) fn take(&self) -> Stage {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match *stage {
            Stage::Passed(_) => std::mem::replace(&mut *stage, Stage::Gone),
            other => other,
        }
    }
}

/// Callers that nobody named count as one.
type Who = Option<CallerId>;

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: HashMap<Who, BTreeMap<u64, Waiter>>,
    /// Those of whom some request waits, the next one first.
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

    /// Whose turn is next.
    pub(super) fn first(&self) -> Option<&Waiter> {
        let own = self.waiting.get(self.callers.front()?)?;
        own.first_key_value().map(|(_, waiter)| waiter)
    }

    /// Takes out the first; its caller goes to the end.
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

    /// Takes out one that waits no longer.
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
