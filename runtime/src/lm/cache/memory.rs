//! The entries in memory: bounded by number and bytes, those that were not asked for go first.

use std::{
    collections::{HashMap, VecDeque, hash_map},
    mem::size_of,
    sync::Arc,
};

use serde_json::Value;

use super::key::Key;
use crate::lm::{Completion, Config, Message, Request, Response, ResponseFormat, history};

/// An answer, and what it answers.
pub(super) struct Entry {
    pub(super) identity: Arc<str>,
    pub(super) request: Request,
    pub(super) response: Response,
}

struct Slot {
    entry: Arc<Entry>,
    bytes: usize,
    /// Asked for since it was last passed over.
    used: bool,
}

/// A queue with a second chance, which Corbató described in 1968 as the clock: what was asked for since its last turn goes to the
/// end again. A hit sets a flag, and nothing moves.
pub(super) struct Memory {
    most_entries: usize,
    most_bytes: usize,
    slots: HashMap<Key, Slot>,
    /// Every key of `slots` once.
    queue: VecDeque<Key>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(most_entries: usize, most_bytes: usize) -> Self {
        Self { most_entries, most_bytes, slots: HashMap::new(), queue: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<Arc<Entry>> {
        let slot = self.slots.get_mut(key)?;
        slot.used = true;
        Some(slot.entry.clone())
    }

    /// Adds an entry in place of an older one with its key; says how many had to go. One that is larger than the bound by itself
    /// is not kept.
    pub(super) fn insert(&mut self, key: Key, entry: Arc<Entry>) -> u64 {
        let bytes = bytes(&entry);
        if self.most_entries == 0 || bytes > self.most_bytes {
            return 0;
        }
        let slot = Slot { entry, bytes, used: false };
        match self.slots.entry(key) {
            hash_map::Entry::Occupied(mut there) => {
                self.bytes -= there.insert(slot).bytes;
            }
            hash_map::Entry::Vacant(free) => {
                free.insert(slot);
                self.queue.push_back(key);
            }
        }
        self.bytes += bytes;
        let mut evicted = 0;
        while self.slots.len() > self.most_entries || self.bytes > self.most_bytes {
            let Some(first) = self.queue.pop_front() else { break };
            match self.slots.get_mut(&first) {
                // The new one stays: it is the one that is surely of use.
                Some(slot) if slot.used || first == key => {
                    slot.used = false;
                    self.queue.push_back(first);
                }
                Some(slot) => {
                    self.bytes -= slot.bytes;
                    self.slots.remove(&first);
                    evicted += 1;
                }
                None => {}
            }
        }
        evicted
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.most_entries, self.most_bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The memory that an entry takes, its place in the tables included; never too little.
fn bytes(entry: &Entry) -> usize {
    // Tables are up to twice what they hold.
    let fixed = size_of::<Entry>() + 2 * (2 * size_of::<Key>() + size_of::<Slot>()) + entry.identity.len();
    let Request { prompt, config, response_format, caller: _ } = &entry.request;
    let Config { stop, params, .. } = config;
    let texts = stop.iter().map(|text| size_of::<String>() + text.capacity()).sum::<usize>();
    // A map's nodes have places to spare.
    let params = params
        .iter()
        .map(|(name, of)| name.capacity() + 2 * (size_of::<String>() + size_of::<Value>()) + value(of));
    let format = match response_format {
        Some(ResponseFormat::JsonSchema { name, schema, .. }) => name.capacity() + value(schema),
        _ => 0,
    };
    let spare = (prompt.tail().capacity() - prompt.tail().len()) * size_of::<Message>();
    let prompt = history::messages(prompt.prefix()) + history::messages(prompt.tail()) + spare;
    let response = size_of::<Completion>() + history::response_bytes(&entry.response);
    fixed + texts + params.sum::<usize>() + format + prompt + response
}

/// What a value holds beside itself.
fn value(of: &Value) -> usize {
    let mut bytes = 0;
    let mut open = vec![of];
    while let Some(of) = open.pop() {
        match of {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => bytes += text.capacity(),
            Value::Array(items) => {
                bytes += items.capacity() * size_of::<Value>();
                open.extend(items);
            }
            Value::Object(entries) => {
                let each = 2 * (size_of::<(String, Value)>() + 2 * size_of::<usize>());
                bytes += entries.keys().map(|name| name.capacity() + each).sum::<usize>();
                open.extend(entries.values());
            }
        }
    }
    bytes
}
