//! The shared state of one schedule: its clock, the log of events, the counts, and the faults found.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use karat::{Cache, Limits, Lm};
use tokio::time::Instant;

/// A key that must never show up anywhere.
pub const KEY: &str = "sk-canary/5d1e";

/// Shared by all parts of a schedule.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    start: Instant,
    events: Mutex<Vec<(Duration, String)>>,
    wrong: Mutex<Vec<String>>,
    /// True once all faults are healed, for the calls after the run.
    is_healthy: AtomicBool,
    /// True if everything is polled as soon as it is woken, so that timeouts are exact.
    is_prompt: bool,
    /// True if several calls of the program run at once.
    is_batch: bool,
    /// Prints each event at once, for a schedule that never ends.
    is_shown: bool,
    arrived: AtomicU64,
    calls: AtomicU64,
    in_flight: AtomicUsize,
    tokens: AtomicU64,
    parts: Mutex<Parts>,
    /// The rewards of the outermost wrapper.
    rewards: Mutex<Vec<f64>>,
}

/// The parts that are checked after the run.
#[derive(Default)]
pub struct Parts {
    pub lms: Vec<Lm>,
    pub limits: Vec<Limits>,
    pub caches: Vec<Cache>,
    pub gauges: Vec<Arc<Gauge>>,
    /// With the most attempts at a call.
    pub meters: Vec<(u64, Arc<Meter>)>,
}

/// The requests in flight under some limits.
#[derive(Debug, Default)]
pub struct Gauge {
    pub concurrency: Option<usize>,
    pub per_minute: Option<usize>,
    now: AtomicUsize,
    most: AtomicUsize,
    starts: Mutex<Vec<Instant>>,
}

/// The calls to one endpoint's handle, and the requests that it sent.
#[derive(Debug, Default)]
pub struct Meter {
    pub asked: AtomicU64,
    pub sent: AtomicU64,
    pub good: AtomicU64,
    pub reserve: u64,
    pub refill: f64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(at: Duration, event: &str) -> String {
    format!("{at:>12.3?}  {event}")
}

impl World {
    pub fn new(is_prompt: bool, is_batch: bool, is_shown: bool) -> Self {
        Self(Arc::new(Inner {
            start: Instant::now(),
            events: Mutex::default(),
            wrong: Mutex::default(),
            is_healthy: AtomicBool::new(false),
            is_prompt,
            is_batch,
            is_shown,
            arrived: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            tokens: AtomicU64::new(0),
            parts: Mutex::default(),
            rewards: Mutex::default(),
        }))
    }

    /// Logs an event.
    pub fn note(&self, what: impl Into<String>) {
        let (at, what) = (self.0.start.elapsed(), what.into());
        if self.0.is_shown {
            crate::say(&line(at, &what));
        }
        lock(&self.0.events).push((at, what));
    }

    /// Logs a fault.
    pub fn wrong(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(format!("WRONG: {what}"));
        lock(&self.0.wrong).push(what);
    }

    pub fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong(what());
        }
    }

    pub fn faults(&self) -> Vec<String> {
        lock(&self.0.wrong).clone()
    }

    /// The log, a line for each event.
    pub fn log(&self) -> Vec<String> {
        lock(&self.0.events).iter().map(|(at, event)| line(*at, event)).collect()
    }

    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        lock(&self.0.events).hash(&mut hasher);
        hasher.finish()
    }

    /// Drops the parts. Endpoints hold the world, which holds them, so the memory would leak otherwise.
    pub fn end(&self) {
        drop(std::mem::take(&mut *lock(&self.0.parts)));
    }

    pub fn heal(&self) {
        self.0.is_healthy.store(true, Ordering::Relaxed);
    }

    pub fn is_healthy(&self) -> bool {
        self.0.is_healthy.load(Ordering::Relaxed)
    }

    pub fn is_prompt(&self) -> bool {
        self.0.is_prompt
    }

    pub fn is_batch(&self) -> bool {
        self.0.is_batch
    }

    pub fn parts(&self) -> MutexGuard<'_, Parts> {
        lock(&self.0.parts)
    }

    pub fn rewards(&self) -> MutexGuard<'_, Vec<f64>> {
        lock(&self.0.rewards)
    }

    /// The requests that were sent.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    pub fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    pub fn tokens(&self) -> u64 {
        self.0.tokens.load(Ordering::Relaxed)
    }

    pub fn add_tokens(&self, tokens: u64) {
        self.0.tokens.fetch_add(tokens, Ordering::Relaxed);
    }

    /// Takes an arrival back: without a key the request was not sent.
    pub fn was_not_sent(&self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// A request arrives.
    pub fn arrive(&self, gauges: &[Arc<Gauge>]) -> Arrived {
        let number = self.0.arrived.fetch_add(1, Ordering::Relaxed);
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        for gauge in gauges {
            let now = gauge.now.fetch_add(1, Ordering::Relaxed) + 1;
            gauge.most.fetch_max(now, Ordering::Relaxed);
            lock(&gauge.starts).push(Instant::now());
        }
        Arrived { number, world: self.clone(), gauges: gauges.to_vec(), ended: false }
    }
}

/// A request in flight.
pub struct Arrived {
    pub number: u64,
    world: World,
    gauges: Vec<Arc<Gauge>>,
    ended: bool,
}

impl Arrived {
    pub fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        self.world.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.ended {
            self.world.note(format!("call {} is dropped", self.number));
        }
        for gauge in &self.gauges {
            gauge.now.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Gauge {
    pub fn new(concurrency: Option<usize>, per_minute: Option<usize>) -> Self {
        Self { concurrency, per_minute, ..Self::default() }
    }

    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// The most requests that began in any 60 seconds.
    pub fn most_in_a_minute(&self) -> usize {
        let starts = lock(&self.starts);
        let minute = Duration::from_secs(60);
        let since = |first: usize| {
            starts[first..].iter().take_while(|start| start.duration_since(starts[first]) < minute).count()
        };
        (0..starts.len()).map(since).max().unwrap_or(0)
    }
}

impl Meter {
    /// With a bucket of R tokens that a success fills by r, C calls are at most C + R + r S requests.
    pub fn keeps_its_budget(&self, attempts: u64) -> bool {
        let [asked, sent, good] =
            [&self.asked, &self.sent, &self.good].map(|count| count.load(Ordering::Relaxed));
        let tokens = self.reserve as f64 + self.refill * good as f64;
        sent as f64 <= asked as f64 + tokens + 1e-6 && sent <= asked * attempts
    }
}
