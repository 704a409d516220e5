//! The LMs of a schedule: models in random layers, alone, as fallbacks or in pools.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use fastrand::Rng;
use karat::{
    Cache, Limits, Lm, Result, Retry,
    lm::{BoxFuture, Layer, Next, Pool, Request, Response, Sink, Timeouts},
};

use super::{
    upstream::{Endpoint, Health},
    world::{Gauge, KEY, Meter, World},
};

/// One handle.
#[derive(Clone, Debug)]
pub struct Stack {
    model: Model,
    retry: Option<Retries>,
    limits: Option<Limited>,
    has_cache: bool,
    deadline: Option<Duration>,
    attempt: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Model {
    Alone(Health),
    Fallback(Vec<Stack>),
    Pool { members: Vec<Stack>, hedge: Option<Duration>, cooldown: Duration, strict: bool },
}

#[derive(Clone, Debug)]
struct Retries {
    attempts: u32,
    first: Duration,
    most: Duration,
    longest_wait: Duration,
    reserve: u32,
    refill: f64,
    seed: u64,
}

#[derive(Clone, Debug)]
struct Limited {
    concurrency: Option<usize>,
    per_minute: Option<usize>,
    tokens_per_minute: Option<u64>,
    longest_wait: Option<Duration>,
}

/// The most equal calls that wait for each other, one deadline after another.
const FOLLOWERS: u32 = 16;

impl Stack {
    /// A random one; the outermost has a depth of 0.
    pub fn random(dice: &mut Rng, depth: u32) -> Self {
        let members = |dice: &mut Rng| {
            (0..dice.usize(2..=3)).map(|_| Self::random(dice, depth + 1)).collect::<Vec<_>>()
        };
        let model = match dice.u8(..if depth < 2 { 5 } else { 3 }) {
            3 => Model::Fallback(members(dice)),
            4 => Model::Pool {
                hedge: dice.bool().then(|| Duration::from_millis(dice.u64(..3_000))),
                cooldown: Duration::from_millis(dice.u64(..20_000)),
                strict: dice.bool(),
                members: members(dice),
            },
            _ => Model::Alone(Health {
                good: *dice.choice(&[30, 60, 90, 100]).unwrap(),
                slowest: Duration::from_millis(*dice.choice(&[0, 10, 1_000, 8_000]).unwrap()),
                worst: dice.bool(),
                seed: dice.u64(..),
            }),
        };
        let some = |dice: &mut Rng, of: u8| dice.u8(..of) == 0;
        Self {
            model,
            retry: dice.bool().then(|| Retries {
                attempts: dice.u32(1..=4),
                first: Duration::from_millis(*dice.choice(&[0, 100, 500]).unwrap()),
                most: Duration::from_millis(*dice.choice(&[100, 8_000]).unwrap()),
                longest_wait: Duration::from_secs(*dice.choice(&[0, 1, 60]).unwrap()),
                reserve: *dice.choice(&[0, 1, 3, 500]).unwrap(),
                refill: *dice.choice(&[0.0, 0.2, 1.0]).unwrap(),
                seed: dice.u64(..),
            }),
            limits: some(dice, 3).then(|| Limited {
                concurrency: dice.bool().then(|| dice.usize(1..=3)),
                per_minute: some(dice, 3).then(|| dice.usize(3..=8)),
                tokens_per_minute: some(dice, 4).then(|| dice.u64(1_000..=4_000)),
                longest_wait: some(dice, 4).then(|| Duration::from_millis(dice.u64(..20_000))),
            }),
            has_cache: some(dice, 4),
            deadline: (depth == 0 || dice.bool())
                .then(|| Duration::from_millis(*dice.choice(&[50, 2_000, 20_000, 120_000]).unwrap()))
                .filter(|_| depth > 0 || dice.u8(..4) > 0),
            attempt: some(dice, 3).then(|| Duration::from_millis(dice.u64(1..10_000))),
        }
    }

    /// The most requests of one call.
    pub fn most_calls(&self) -> u64 {
        let inner = match &self.model {
            Model::Alone(_) => 1,
            Model::Fallback(members) | Model::Pool { members, .. } => {
                members.iter().map(Self::most_calls).sum()
            }
        };
        inner * self.retry.as_ref().map_or(1, |retry| u64::from(retry.attempts))
    }

    /// The longest that one call takes.
    pub fn longest(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(if self.has_cache { deadline * FOLLOWERS } else { deadline })
    }

    /// The handle, below these gauges.
    pub fn build(&self, world: &World, name: &str, above: &[Arc<Gauge>]) -> Lm {
        let mut gauges = above.to_vec();
        let limits = self.limits.as_ref().map(|limits| {
            let gauge = Arc::new(Gauge::new(limits.concurrency, limits.per_minute));
            // One request of a fallback or a pool counts once under its limits, whatever its members send.
            if matches!(self.model, Model::Alone(_)) {
                gauges.push(gauge.clone());
                world.parts().gauges.push(gauge);
            }
            limits.build()
        });
        let meter = Arc::new(self.retry.as_ref().map_or_else(Meter::default, |retry| Meter {
            reserve: retry.reserve.into(),
            refill: retry.refill,
            ..Meter::default()
        }));
        let member = |(i, stack): (usize, &Self)| stack.build(world, &format!("{name}.{i}"), &gauges);
        let mut lm = match &self.model {
            Model::Alone(health) => Lm::custom(Endpoint {
                name: name.to_owned(),
                world: world.clone(),
                gauges: gauges.clone(),
                meter: meter.clone(),
                dice: Mutex::new(Rng::with_seed(health.seed)),
                health: health.clone(),
            })
            .param("extra_headers", KEY)
            .param("proxy_api_key", KEY),
            Model::Fallback(members) => Lm::fallback(members.iter().enumerate().map(member)),
            Model::Pool { members, hedge, cooldown, strict } => {
                let pool =
                    Pool::new(members.iter().enumerate().map(member)).cooldown(*cooldown).strict(*strict);
                hedge.iter().fold(pool, |pool, after| pool.hedge(*after)).lm()
            }
        };
        if let Some(limits) = limits {
            world.parts().limits.push(limits.clone());
            lm = lm.limits(limits);
        }
        if let Some(attempt) = self.attempt {
            lm = lm.timeouts(Timeouts::new().attempt(attempt));
        }
        if let Some(retry) = &self.retry {
            lm = lm.retry(retry.build());
        }
        if let Some(deadline) = self.deadline {
            lm = lm.deadline(deadline);
        }
        if self.has_cache {
            let cache = Cache::memory();
            world.parts().caches.push(cache.clone());
            lm = lm.cache(cache);
        }
        if matches!(self.model, Model::Alone(_)) {
            lm = lm.layer(Asked(meter.clone()));
            let attempts = self.retry.as_ref().map_or(1, |retry| u64::from(retry.attempts));
            world.parts().meters.push((attempts, meter));
        }
        world.parts().lms.push(lm.clone());
        lm
    }
}

impl Retries {
    fn build(&self) -> Retry {
        let dice = Mutex::new(Rng::with_seed(self.seed));
        Retry::new()
            .attempts(self.attempts)
            .backoff(self.first, self.most)
            .longest_wait(self.longest_wait)
            .budget(self.reserve, self.refill)
            .random(move || dice.lock().unwrap().f64())
    }
}

impl Limited {
    fn build(&self) -> Limits {
        let mut limits = Limits::new();
        if let Some(most) = self.concurrency {
            limits = limits.concurrency(most);
        }
        if let Some(most) = self.per_minute {
            limits = limits.requests_per_minute(most as u64);
        }
        if let Some(most) = self.tokens_per_minute {
            limits = limits.tokens_per_minute(most);
        }
        self.longest_wait.into_iter().fold(limits, Limits::longest_wait)
    }
}

/// Counts the calls of a handle.
struct Asked(Arc<Meter>);

impl Layer for Asked {
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        next.call(request, sink)
    }
}
