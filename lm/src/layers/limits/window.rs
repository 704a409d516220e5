//! A limit per minute that the program sets: logs what was spent in the last minute.
//!
//! A token bucket of n lets 2 n through in the first minute; a log of what was spent keeps the limit in every minute, wherever a
//! server's own minutes begin. Its memory is that of the requests of one minute.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// The amount that may be spent in any 60 seconds. All of it may be spent at once.
#[derive(Debug)]
pub(super) struct Window {
    most: u64,
    entries: VecDeque<Spending>,
    sum: u64,
}

#[derive(Debug)]
struct Spending {
    /// The number of the admission: entries are in this order.
    number: u64,
    ends: Instant,
    amount: u64,
}

impl Window {
    pub(super) fn new(most: u64) -> Self {
        Self { most, entries: VecDeque::new(), sum: 0 }
    }

    /// When the amount may be spent; `None` if it may be now. More than the whole limit waits for an empty minute.
    pub(super) fn ready(&mut self, amount: u64, now: Instant) -> Option<Instant> {
        while let Some(oldest) = self.entries.front().filter(|oldest| oldest.ends <= now) {
            self.sum = self.sum.saturating_sub(oldest.amount);
            self.entries.pop_front();
        }
        let room = self.most.saturating_sub(amount.min(self.most));
        let mut sum = self.sum;
        let mut last = None;
        for entry in &self.entries {
            if sum <= room {
                break;
            }
            sum = sum.saturating_sub(entry.amount);
            last = Some(entry.ends);
        }
        last
    }

    pub(super) fn spend(&mut self, number: u64, amount: u64, now: Instant) {
        self.sum = self.sum.saturating_add(amount);
        self.entries.push_back(Spending { number, ends: now + MINUTE, amount });
    }

    /// Replaces the amount of an entry.
    pub(super) fn correct(&mut self, number: u64, amount: u64) {
        if let Some(entry) = self.find(number).and_then(|at| self.entries.get_mut(at)) {
            self.sum = self.sum.saturating_sub(entry.amount).saturating_add(amount);
            entry.amount = amount;
        }
    }

    /// Removes an entry: its amount was not spent.
    pub(super) fn give_back(&mut self, number: u64) {
        if let Some(entry) = self.find(number).and_then(|at| self.entries.remove(at)) {
            self.sum = self.sum.saturating_sub(entry.amount);
        }
    }

    fn find(&self, number: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&number, |entry| entry.number).ok()
    }
}
