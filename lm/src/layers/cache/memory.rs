//! The entries in memory: bounded by number and bytes; unused ones are dropped first.

use std::{
    collections::{HashMap, VecDeque, hash_map},
    mem::size_of,
    sync::Arc,
};

use serde_json::Value;

use super::key::Key;
use crate::{
    data::{Completion, Config, Message, Request, Response, ResponseFormat, ToolChoice, ToolSpec},
    layers::history,
};

/// The memory of a schema's `Arc` besides its value.
const ARC: usize = 16 * size_of::<usize>();

/// An answer with its request and model.
pub(super) struct Entry {
    pub(super) identity: Arc<str>,
    pub(super) request: Request,
    pub(super) response: Response,
}

struct Slot {
    entry: Arc<Entry>,
    bytes: usize,
    /// True if it was used since its last turn in the queue.
    used: bool,
}

/// A queue with a second chance, which Corbató described in 1968 as the clock: an entry that was used since its last turn goes to
/// the end again. A hit only sets a flag.
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

    /// Adds an entry in place of an older one with its key; returns how many were dropped. An entry that exceeds the bound by itself
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
                // The new one stays: it is surely needed.
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

/// The memory of an entry, with its slots in the tables; never too little.
fn bytes(entry: &Entry) -> usize {
    // Tables have up to twice as many slots as entries.
    let fixed = size_of::<Entry>() + 2 * (2 * size_of::<Key>() + size_of::<Slot>()) + entry.identity.len();
    let Request { prompt, config, response_format, tools, tool_choice, caller: _, meter: _ } = &entry.request;
    let Config { stop, params, .. } = config;
    let of_tools = tools.capacity() * size_of::<ToolSpec>()
        + tools.iter().map(|tool| tool.bytes() + ARC + value(&tool.parameters)).sum::<usize>()
        + tool_choice.as_ref().map_or(0, ToolChoice::bytes);
    let texts = stop.iter().map(|text| size_of::<String>() + text.capacity()).sum::<usize>();
    // A map's nodes have spare slots.
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
    fixed + texts + of_tools + params.sum::<usize>() + format + prompt + response
}

/// The memory that a JSON value allocates.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::{Media, Part, ToolCall};

    fn entry(text: &str) -> Arc<Entry> {
        let completions = vec![Completion::new("answer")];
        let response = Response { completions, ..Response::default() };
        Arc::new(Entry { identity: "m".into(), request: Request::new(vec![Message::user(text)]), response })
    }

    #[test]
    fn entries_that_fill_the_bounds_exactly_all_stay() {
        let one = bytes(&entry("one"));
        let mut memory = Memory::new(2, 2 * one);
        assert_eq!((memory.insert([1; 32], entry("one")), memory.insert([2; 32], entry("two"))), (0, 0));
        assert_eq!((memory.len(), memory.bytes()), (2, 2 * one));
        assert_eq!(Memory::new(1, one).insert([1; 32], entry("one")), 0);
        let mut exact = Memory::new(1, one);
        exact.insert([1; 32], entry("one"));
        assert_eq!((exact.len(), exact.bytes()), (1, one));
    }

    #[test]
    fn an_entry_in_place_of_another_counts_alone() {
        let mut memory = Memory::new(10, 1 << 20);
        for text in ["x".repeat(5_000), "short".into(), "x".repeat(900)] {
            memory.insert([1; 32], entry(&text));
            assert_eq!((memory.len(), memory.bytes()), (1, bytes(&entry(&text))));
        }
    }

    #[test]
    fn the_new_entry_stays_whether_the_old_ones_were_asked_for_or_not() {
        for asked in [false, true] {
            let mut memory = Memory::new(1, 1 << 20);
            memory.insert([1; 32], entry("old"));
            if asked {
                memory.get(&[1; 32]);
            }
            assert_eq!(memory.insert([2; 32], entry("new")), 1, "{asked}");
            assert!(memory.get(&[2; 32]).is_some() && memory.get(&[1; 32]).is_none(), "{asked}");
            assert_eq!(memory.bytes(), bytes(&entry("new")));
        }
    }

    type Change<'a> = &'a dyn Fn(&mut Entry);

    #[test]
    fn every_part_of_an_entry_counts_with_what_it_holds() {
        const LONG: usize = 10_000;
        let long = || "x".repeat(LONG);
        let schema = |name: String, schema: Value| ResponseFormat::JsonSchema {
            name,
            schema: schema.into(),
            strict: true,
        };
        let parts: [(&str, Change<'_>); 17] = [
            ("identity", &|entry| entry.identity = long().into()),
            ("prompt", &|entry| entry.request.prompt.push(Message::user(long()))),
            ("stop", &|entry| entry.request.config.stop.push(long())),
            ("a parameter's name", &|entry| drop(entry.request.config.params.insert(long(), 1.into()))),
            ("a parameter", &|entry| drop(entry.request.config.params.insert("a".into(), long().into()))),
            ("a text in a list", &|entry| {
                entry.request.config.params.insert("a".into(), json!([[1, long()]]));
            }),
            ("a list", &|entry| {
                let items = LONG / size_of::<Value>();
                entry.request.config.params.insert("a".into(), Value::Array(vec![Value::Null; items]));
            }),
            ("a name in an object", &|entry| {
                entry.request.config.params.insert("a".into(), json!({ long(): null }));
            }),
            ("a schema's name", &|entry| entry.request.response_format = Some(schema(long(), json!(1)))),
            ("a schema", &|entry| entry.request.response_format = Some(schema("s".into(), json!([long()])))),
            ("a tool", &|entry| entry.request.tools.push(ToolSpec::new("t", long(), json!(1)))),
            ("a tool's schema", &|entry| {
                entry.request.tools.push(ToolSpec::new("t", "", json!([long()])));
            }),
            ("a tool's choice", &|entry| entry.request.tool_choice = Some(ToolChoice::Tool(long()))),
            ("media", &|entry| {
                entry.request.prompt.push(Message::user(Part::from(Media::url("image", long()))));
            }),
            ("a tool call", &|entry| {
                entry.response.completions[0].parts = vec![ToolCall::new("", "", long()).into()];
            }),
            ("the answer", &|entry| entry.response.completions[0].text = long()),
            ("another answer", &|entry| entry.response.completions.push(Completion::new(long()))),
        ];
        let plain = || Arc::into_inner(entry("hi")).unwrap();
        let before = bytes(&plain());
        let tables = 2 * (2 * size_of::<Key>() + size_of::<Slot>());
        let least = tables + size_of::<Entry>() + size_of::<Message>() + size_of::<Completion>();
        assert!((least..least + 200).contains(&before), "{before} of {least}");
        for (part, set) in parts {
            let mut with = plain();
            set(&mut with);
            let more = bytes(&with) - before;
            let tail = with.request.prompt.tail();
            let least = match part {
                "prompt" | "media" => LONG + (1 + tail.capacity() - tail.len()) * size_of::<Message>(),
                "a parameter" => LONG + 2 * (size_of::<String>() + size_of::<Value>()),
                _ => LONG - size_of::<Value>(),
            };
            assert!((least..least + 600).contains(&more), "{part}: {more} of {least}");
        }
        // A table's places count too, those to spare included.
        let numbers: serde_json::Map<_, _> = (0..100).map(|n| (format!("{n:03}"), n.into())).collect();
        let mut with = plain();
        with.request.config.params.insert("a".into(), Value::Object(numbers));
        let least = 100 * (3 + 2 * size_of::<(String, Value)>() + 4 * size_of::<usize>());
        assert!((least..least + 1_000).contains(&(bytes(&with) - before)), "{}", bytes(&with) - before);
    }
}
