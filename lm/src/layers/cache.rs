//! A cache of answers, in memory and on disk, so that no request is sent twice.

mod disk;
mod file;
mod flight;
mod key;
#[cfg(test)]
mod key_tests;
mod layer;
mod memory;
mod sweep;
mod sync;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use self::{
    disk::{Disk, Lookup},
    flight::Flights,
    memory::{Entry, Memory},
};
pub(crate) use self::{
    key::{Key, Prefixes, key},
    layer::stream_whole,
};
use crate::{
    data::{Finish, Request, Response},
    report::{Error, ErrorKind, Result},
};

/// A cache of answers for one or several [`Lm`](crate::Lm)s: a handle, whose clones are the same cache.
///
/// An LM has none unless it is given one with [`Lm::cache`](crate::Lm::cache): a program should know that it may get yesterday's answers.
///
/// The key is a SHA-256 of the whole request (messages, every setting, further parameters, response format, rollout id) and of
/// the model's [identity](crate::LanguageModel::identity), its address included. On a hit the stored request is compared with
/// the new one. Only whole, good answers are stored: no error, no refusal, none that a limit or a filter cut, none
/// without text. The rollouts of a `BestOfN` have ids of their own, so that they stay different ones, and a
/// program that is run again finds each of them.
///
/// Of simultaneous equal requests one is sent, and the others get its answer. If that one is dropped, another one is sent in its
/// place. If it fails with an error that may pass, one of the others tries once more; a second failure, or a permanent one, is
/// the error of all that wait.
///
/// An answer from the cache, or from another request's call, costs nothing: its [`Usage`](crate::Usage) has no tokens, and its
/// call is among the [`cached_calls`](crate::Usage::cached_calls). A streamed request gets it at once and whole.
///
/// ```
/// use karat::{Cache, Predict, Module, Reply, ScriptedLm, signature};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let model = ScriptedLm::new([Reply::fields([("answer", "Paris")])]);
/// let cache = Cache::memory();
/// let qa = Predict::<Qa>::new().lm(&model.lm().cache(cache.clone()));
/// let question = QaInput { question: "Capital of France?".into() };
/// qa.call(question.clone()).await?;
/// let again = qa.call(question).await?;
/// assert_eq!((again.answer.as_str(), model.calls()), ("Paris", 1));
/// assert_eq!((again.usage().cached_calls, again.usage().total_tokens()), (1, 0));
/// assert_eq!(cache.stats().hits, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "its setters take it by value and return it"]
pub struct Cache {
    shared: Arc<Shared>,
}

/// Counts of what a [`Cache`] did so far, in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Requests that were answered from memory or disk.
    pub hits: u64,
    /// How many of the hits came from disk.
    pub disk_hits: u64,
    /// Requests that were answered by an equal request in flight.
    pub joined: u64,
    /// Requests that were sent because there was no answer.
    pub misses: u64,
    /// Answers that were stored.
    pub stored: u64,
    /// Entries that were dropped because of the bounds, in memory and on disk.
    pub evicted: u64,
    /// Files that were not valid entries: cut, changed, of another version. Each is a miss too.
    pub corrupt: u64,
    /// The entries in memory.
    pub entries: usize,
    /// The bytes of memory of these entries.
    pub bytes: usize,
    /// Requests in flight that others may wait for.
    pub in_flight: usize,
}

#[derive(Clone, Copy)]
struct Bounds {
    entries: usize,
    bytes: usize,
    disk_entries: u64,
    disk_bytes: u64,
}

/// The bounds where none are set.
const BOUNDS: Bounds = Bounds { entries: 10_000, bytes: 64 << 20, disk_entries: 50_000, disk_bytes: 1 << 30 };

/// True for the same cache, not merely for equal settings.
impl PartialEq for Cache {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// The outcome of one call, for the requests that wait for it.
type FlightOutcome = Result<Arc<Response>>;

struct Shared {
    bounds: Bounds,
    memory: Mutex<Memory>,
    disk: Option<Disk>,
    flights: Flights<Key, (Arc<str>, Request), FlightOutcome>,
    counts: Counts,
    /// Replaced in tests, so that different requests have one key.
    key: fn(&Prefixes, &str, &Request) -> Key,
    prefixes: Prefixes,
}

#[derive(Default)]
struct Counts {
    hits: AtomicU64,
    disk_hits: AtomicU64,
    joined: AtomicU64,
    misses: AtomicU64,
    stored: AtomicU64,
    evicted: AtomicU64,
    corrupt: AtomicU64,
}

fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Cache {
    /// A cache in memory, of at most 10,000 answers or 64 MiB, whichever is less.
    pub fn memory() -> Self {
        Self::with(BOUNDS, None, key::key)
    }

    /// A cache in this folder, with one in memory in front of it: at most 50,000 answers or 1 GiB on disk, whichever is less.
    ///
    /// The folder is made when the first answer is stored; only their owner can read its files. Several processes may use it
    /// at once. An entry is read and written on the calling thread, in microseconds where the disk is a local one. A file that
    /// was cut or changed is a miss. If the disk is full or read-only, a warning is logged once and the cache goes on in memory.
    ///
    /// The files hold requests and answers as they are, but no [`Lm::param`](crate::Lm::param) that may be a secret (keys, tokens, headers): its
    /// value is part of the key alone. API keys are no part of a request.
    ///
    /// ```no_run
    /// use karat::{Cache, Lm};
    ///
    /// # fn main() -> karat::Result<()> {
    /// let cache = Cache::disk("target/answers").disk_bytes(100 << 20);
    /// let lm = Lm::new("openai/gpt-4o-mini")?.cache(cache);
    /// # Ok(())
    /// # }
    /// ```
    pub fn disk(folder: impl AsRef<Path>) -> Self {
        Self::with(BOUNDS, Some(folder.as_ref()), key::key)
    }

    fn with(bounds: Bounds, folder: Option<&Path>, key: fn(&Prefixes, &str, &Request) -> Key) -> Self {
        let disk = folder.map(|folder| Disk::new(folder, bounds.disk_entries, bounds.disk_bytes));
        let memory = Mutex::new(Memory::new(bounds.entries, bounds.bytes));
        let shared = Shared {
            bounds,
            memory,
            disk,
            flights: Flights::new(),
            counts: Counts::default(),
            key,
            prefixes: Prefixes::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    fn bounded(self, set: impl FnOnce(&mut Bounds)) -> Self {
        let mut bounds = self.shared.bounds;
        set(&mut bounds);
        Self::with(bounds, self.shared.disk.as_ref().map(Disk::folder), self.shared.key)
    }

    /// The most answers in memory; 0 keeps none. This and the other bounds make a new cache, with nothing in memory: set them
    /// before the cache is used.
    pub fn entries(self, most: usize) -> Self {
        self.bounded(|bounds| bounds.entries = most)
    }

    /// The most bytes of memory for answers and their requests; 0 keeps none.
    pub fn bytes(self, most: usize) -> Self {
        self.bounded(|bounds| bounds.bytes = most)
    }

    /// The most answers on disk. When there are more, the least recently used ones are removed until a tenth is free. Each
    /// process counts its own writes and checks what others wrote now and then, so that several processes may exceed the bound
    /// by an eighth each, for a while.
    pub fn disk_entries(self, most: u64) -> Self {
        self.bounded(|bounds| bounds.disk_entries = most)
    }

    /// The most bytes of files, like [`disk_entries`](Cache::disk_entries). A file of more than 16 MiB is not written.
    pub fn disk_bytes(self, most: u64) -> Self {
        self.bounded(|bounds| bounds.disk_bytes = most)
    }

    /// Counts of what it did so far, and the size of its memory now.
    pub fn stats(&self) -> CacheStats {
        let Counts { hits, disk_hits, joined, misses, stored, evicted, corrupt } = &self.shared.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let memory = self.shared.memory();
        CacheStats {
            hits: read(hits),
            disk_hits: read(disk_hits),
            joined: read(joined),
            misses: read(misses),
            stored: read(stored),
            evicted: read(evicted),
            corrupt: read(corrupt),
            entries: memory.len(),
            bytes: memory.bytes(),
            in_flight: self.shared.flights.len(),
        }
    }

    /// Removes every answer, in memory and on disk. Files in the folder that are not the cache's stay.
    ///
    /// # Errors
    /// [`is_io`](Error::is_io): a file could not be removed; the others are gone.
    pub fn clear(&self) -> Result<()> {
        self.shared.memory().clear();
        let Some(disk) = &self.shared.disk else { return Ok(()) };
        disk.clear().map_err(|cause| {
            let message = format!("the cache in {} cannot be cleared: {cause}", disk.folder().display());
            Error::new(ErrorKind::Io, message).with_source(cause)
        })
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("folder", &self.shared.disk.as_ref().map(Disk::folder))
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn key(&self, identity: &str, request: &Request) -> Key {
        (self.key)(&self.prefixes, identity, request)
    }

    // No code of users runs under the lock.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_memory(&self, key: &Key, identity: &str, request: &Request) -> Option<Response> {
        // Compared and copied without the lock.
        let entry = self.memory().get(key)?;
        if *entry.identity != *identity || !key::is_same(&entry.request, request) {
            return None;
        }
        count(&self.counts.hits, 1);
        Some(layer::cached(&entry.response))
    }

    fn on_disk(&self, key: &Key, identity: &Arc<str>, request: &Request) -> Option<Response> {
        match self.disk.as_ref()?.read(key, identity, request) {
            Lookup::Answer(response) => {
                let answer = layer::cached(&response);
                let (identity, request) = (identity.clone(), unmarked(request));
                self.keep(*key, Arc::new(Entry { identity, request, response: *response }));
                count(&self.counts.hits, 1);
                count(&self.counts.disk_hits, 1);
                Some(answer)
            }
            Lookup::Nothing => None,
            Lookup::Corrupt => {
                count(&self.counts.corrupt, 1);
                None
            }
        }
    }

    fn keep(&self, key: Key, entry: Arc<Entry>) {
        let evicted = self.memory().insert(key, entry);
        count(&self.counts.evicted, evicted);
    }

    /// Stores the answer if it is whole.
    fn store(&self, key: Key, identity: &Arc<str>, request: &Request, response: &Response) {
        if !is_whole(response) {
            return;
        }
        let (identity, request) = (identity.clone(), unmarked(request));
        let entry = Arc::new(Entry { identity, request, response: response.clone() });
        self.keep(key, entry.clone());
        if let Some(disk) = &self.disk {
            count(&self.counts.evicted, disk.write(&key, &entry).unwrap_or_default());
        }
        count(&self.counts.stored, 1);
    }
}

/// The request without its cache setting and its caller.
fn unmarked(request: &Request) -> Request {
    let mut request = request.clone();
    request.caller = None;
    request.config.cache = None;
    request
}

/// True if the answer may be given again: each completion has text or tool calls, and ended by itself.
fn is_whole(response: &Response) -> bool {
    !response.completions.is_empty()
        && response.completions.iter().all(|completion| {
            let says_something = match completion.finish {
                Finish::Stop => !completion.text.trim().is_empty(),
                Finish::ToolCalls => completion.tool_calls().next().is_some(),
                _ => false,
            };
            says_something && completion.refusal.is_none()
        })
}
