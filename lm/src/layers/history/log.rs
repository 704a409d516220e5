//! The log behind a history: bounded by entries and by bytes; the oldest entries are dropped first.

use std::{
    collections::{HashMap, VecDeque},
    mem::{self, size_of},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::time::Instant;

use super::CallOutcome;
use crate::{
    data::{
        Caller, Completion, Finish, Message, Prompt, Request, Response, ResponseFormat,
        content::{memory, nested},
    },
    layers::HistoryEntry,
    report::Result,
    text::shortened,
};

/// The bounds where none are set.
const ENTRIES: usize = 1_000;
const BYTES: usize = 8 << 20;

/// The size of the two counters of an `Arc`.
const ARC: usize = 2 * size_of::<usize>();

pub(crate) struct Log {
    name: Arc<str>,
    most_entries: usize,
    most_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Each entry with its size in bytes, without its prompt's prefix.
    entries: VecDeque<(Arc<HistoryEntry>, usize)>,
    /// The prefixes in use, by address: no other one can get the address while an entry holds the prefix.
    prefixes: HashMap<usize, Prefix>,
    bytes: usize,
}

struct Prefix {
    uses: usize,
    bytes: usize,
}

impl Log {
    pub(crate) fn usual(name: &str) -> Self {
        Self::new(name, ENTRIES, BYTES)
    }

    pub(crate) fn new(name: &str, most_entries: usize, most_bytes: usize) -> Self {
        Self { name: name.into(), most_entries, most_bytes, kept: Mutex::default() }
    }

    // No code of users runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wanted entries, in the order in which they ended.
    pub(crate) fn entries(&self, wanted: impl Fn(&HistoryEntry) -> bool) -> Vec<Arc<HistoryEntry>> {
        let kept = self.lock();
        kept.entries.iter().map(|(entry, _)| entry).filter(|entry| wanted(entry)).cloned().collect()
    }

    fn push(&self, entry: HistoryEntry) {
        let own = bytes(&entry);
        let mut kept = self.lock();
        let prefix = kept.prefix_bytes(&entry.prompt);
        if own.saturating_add(prefix) <= self.most_bytes {
            return kept.push(entry, own, prefix, self.most_entries, self.most_bytes);
        }
        drop(kept);
        let entry = cut(entry, self.most_bytes);
        let (own, prefix) = (bytes(&entry), prefix_bytes(&entry.prompt));
        if own.saturating_add(prefix) <= self.most_bytes {
            self.lock().push(entry, own, prefix, self.most_entries, self.most_bytes);
        }
    }
}

/// The address of the prompt's prefix; `None` if the prefix is empty.
fn address(prompt: &Prompt) -> Option<usize> {
    let prefix = prompt.prefix();
    (!prefix.is_empty()).then(|| prefix.as_ptr().addr())
}

impl Kept {
    fn prefix_bytes(&self, prompt: &Prompt) -> usize {
        let known = address(prompt).and_then(|address| self.prefixes.get(&address));
        known.map_or_else(|| prefix_bytes(prompt), |prefix| prefix.bytes)
    }

    /// Adds an entry and drops the oldest ones until the bounds hold; the new one fits them by itself.
    fn push(
        &mut self,
        entry: HistoryEntry,
        own: usize,
        prefix: usize,
        most_entries: usize,
        most_bytes: usize,
    ) {
        if let Some(address) = address(&entry.prompt) {
            let shared = self.prefixes.entry(address).or_insert(Prefix { uses: 0, bytes: prefix });
            shared.uses += 1;
            if shared.uses == 1 {
                self.bytes += prefix;
            }
        }
        self.bytes += own;
        self.entries.push_back((Arc::new(entry), own));
        while self.entries.len() > most_entries || self.bytes > most_bytes {
            if !self.forget_oldest() {
                break;
            }
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((entry, own)) = self.entries.pop_front() else { return false };
        self.bytes = self.bytes.saturating_sub(own);
        if let Some(address) = address(&entry.prompt) {
            if let Some(prefix) = self.prefixes.get_mut(&address) {
                prefix.uses -= 1;
                if prefix.uses == 0 {
                    self.bytes = self.bytes.saturating_sub(prefix.bytes);
                    self.prefixes.remove(&address);
                }
            }
        }
        true
    }
}

/// The memory of a list of messages; never too little, since a shared text is counted in each list.
pub(crate) fn messages(messages: &[Message]) -> usize {
    // The counters of a shared text round its memory up to a whole word.
    let content = |message: &Message| message.content.memory().next_multiple_of(size_of::<usize>());
    messages.iter().map(|message| size_of::<Message>() + ARC + content(message)).sum()
}

/// The memory of a prompt's prefix, with its slot in the table: a table that has just grown has 16 slots for 7 entries.
fn prefix_bytes(prompt: &Prompt) -> usize {
    match address(prompt) {
        Some(_) => messages(prompt.prefix()) + ARC + 3 * size_of::<(usize, Prefix)>(),
        None => 0,
    }
}

fn texts<'a>(list: &'a [String], capacity: usize) -> impl Iterator<Item = usize> + use<'a> {
    list.iter().map(String::capacity).chain([capacity * size_of::<String>()])
}

/// The memory of an entry with its slot in the log, without its prompt's prefix.
fn bytes(entry: &HistoryEntry) -> usize {
    let fixed = ARC + size_of::<HistoryEntry>() + 2 * size_of::<(Arc<HistoryEntry>, usize)>();
    let caller = entry.caller.as_ref().map_or(0, |caller| ARC + caller.path().len());
    let tail = entry.prompt.tail();
    let spare = (tail.capacity() - tail.len()) * size_of::<Message>();
    let names = texts(&entry.param_names, entry.param_names.capacity());
    let stop = texts(&entry.config.stop, entry.config.stop.capacity());
    let outcome = match &entry.outcome {
        CallOutcome::Answered(response) => ARC + size_of::<Response>() + response_bytes(response),
        CallOutcome::Failed(error) => error.bytes(),
        CallOutcome::Cancelled => 0,
    };
    fixed + caller + messages(tail) + spare + names.chain(stop).sum::<usize>() + outcome
}

pub(crate) fn response_bytes(response: &Response) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
    let completion = |completion: &Completion| {
        let finish = match &completion.finish {
            Finish::Other(text) => text.capacity(),
            Finish::Stop | Finish::Length | Finish::ContentFilter | Finish::ToolCalls => 0,
        };
        let Completion { text, finish: _, refusal, reasoning, parts } = completion;
        text.capacity() + finish + optional(refusal) + optional(reasoning) + memory(parts)
    };
    response.completions.capacity() * size_of::<Completion>()
        + response.completions.iter().map(completion).sum::<usize>()
        + optional(&response.model)
}

/// Cuts each long text of the entry in the middle, so that all texts take about half of `most_bytes`.
fn cut(entry: HistoryEntry, most_bytes: usize) -> HistoryEntry {
    let of_outcome = match &entry.outcome {
        CallOutcome::Answered(response) => {
            response.completions.iter().map(|completion| 3 + 5 * nested(&completion.parts)).sum()
        }
        CallOutcome::Failed(_) => 2,
        CallOutcome::Cancelled => 0,
    };
    let of_prompt: usize = entry.prompt.iter().map(|message| message.content.texts()).sum();
    let share = most_bytes / 2 / (of_prompt + of_outcome).max(1);
    // A character takes up to four bytes.
    let short = |text: &str| shortened(text, if text.is_ascii() { share } else { share / 4 });
    let messages: Vec<_> = entry
        .prompt
        .iter()
        .map(|message| Message::new(message.role, message.content.shortened(&short)))
        .collect();
    let completion = |completion: &Completion| Completion {
        text: short(&completion.text),
        finish: completion.finish.clone(),
        refusal: completion.refusal.as_deref().map(short),
        reasoning: completion.reasoning.as_deref().map(short),
        parts: completion.parts.iter().map(|part| part.shortened(&short)).collect(),
    };
    let outcome = match entry.outcome {
        CallOutcome::Answered(response) => CallOutcome::Answered(Arc::new(Response {
            completions: response.completions.iter().map(completion).collect(),
            usage: response.usage,
            model: response.model.clone(),
            rate_limit: response.rate_limit,
        })),
        CallOutcome::Failed(error) => CallOutcome::Failed(error.map_texts(short)),
        CallOutcome::Cancelled => CallOutcome::Cancelled,
    };
    HistoryEntry { prompt: messages.into(), outcome, shortened: true, ..entry }
}

/// A call in flight. It holds the request; when it ends or is dropped, the request's parts go to the log.
pub(crate) struct LoggedCall<'a> {
    request: Request,
    /// `None` if there is no log, and after the entry was written.
    pending: Option<Pending<'a>>,
}

struct Pending<'a> {
    log: &'a Log,
    caller: Option<Caller>,
    number: u64,
    time: SystemTime,
    start: Instant,
}

impl<'a> LoggedCall<'a> {
    pub(crate) fn new(log: Option<&'a Log>, caller: Option<Caller>, request: Request) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let pending = log.map(|log| Pending {
            log,
            caller,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            time: SystemTime::now(),
            start: Instant::now(),
        });
        Self { request, pending }
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    pub(crate) fn end(mut self, outcome: &Result<Arc<Response>>) {
        if self.pending.is_some() {
            self.record(match outcome {
                Ok(response) => CallOutcome::Answered(response.clone()),
                Err(error) => CallOutcome::Failed(error.alone()),
            });
        }
    }

    fn record(&mut self, outcome: CallOutcome) {
        let Some(Pending { log, caller, number, time, start }) = self.pending.take() else { return };
        let mut config = mem::take(&mut self.request.config);
        let param_names = mem::take(&mut config.params).into_keys().collect();
        log.push(HistoryEntry {
            number,
            time,
            lm: log.name.clone(),
            caller,
            prompt: mem::take(&mut self.request.prompt),
            config,
            param_names,
            response_format: self.request.response_format.as_ref().map(|format| match format {
                ResponseFormat::JsonObject => "json_object",
                ResponseFormat::JsonSchema { .. } => "json_schema",
            }),
            outcome,
            elapsed: start.elapsed(),
            shortened: false,
        });
    }
}

impl Drop for LoggedCall<'_> {
    fn drop(&mut self) {
        self.record(CallOutcome::Cancelled);
    }
}
