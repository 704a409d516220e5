//! Cancellation: calls dropped at every poll, on every surface, through every layer leave nothing behind, and the next call works.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
    time::Duration,
};

use karat::{
    BestOfN, Budget, Cache, ChainOfThought, Critic, ErrorKind, Limits, Lm, Module, Predict, Refine, Reply,
    Result, Retry, ScriptedLm,
    lm::{Pool, Request},
    stream::StreamEvent,
};
use tokio::runtime::Handle;

use crate::support::{Qa, Watched, ask, failure, hi, millis, question};

const TICK: Duration = Duration::from_millis(1);

/// Two endpoints, the layers before them, and the LM on top.
struct Stage {
    endpoints: [Watched; 2],
    limits: [Limits; 2],
    cache: Cache,
    lm: Lm,
}

type Stack = fn([Lm; 2], &[Limits; 2], &Cache) -> Lm;

/// The first endpoint fails every other time, the second one never.
const STACKS: [(&str, Stack); 7] = [
    ("alone", |[_, good], _, _| good),
    ("limits", |[_, good], [limits, _], _| good.limits(limits.clone())),
    ("retry", |[bad, _], _, _| bad.retry(retry()).deadline(Duration::from_secs(5))),
    ("cache", |[_, good], _, cache| good.cache(cache.clone())),
    ("fallback", |lms, _, _| Lm::fallback(lms)),
    ("pool", |lms, _, _| Pool::new(lms).hedge(TICK).cooldown(TICK * 5).lm()),
    ("all of them", |[bad, good], [inner, outer], cache| {
        let bad = bad.retry(retry()).limits(inner.clone());
        let pool = Pool::new([bad, good.limits(inner.clone())]).hedge(TICK * 2).cooldown(TICK).lm();
        pool.limits(outer.clone()).retry(retry()).deadline(Duration::from_secs(5)).cache(cache.clone())
    }),
];

fn retry() -> Retry {
    Retry::new().attempts(4).backoff(TICK * 2, TICK * 2).random(|| 1.0)
}

impl Stage {
    fn new(stack: Stack) -> Self {
        let endpoints = [endpoint(true), endpoint(false)].map(Watched::new);
        let limits = [2, 1].map(|most| Limits::new().concurrency(most));
        let cache = Cache::memory();
        let lm = stack(endpoints.each_ref().map(Watched::lm), &limits, &cache);
        Self { endpoints, limits, cache, lm }
    }

    fn is_empty(&self, when: &str) {
        assert_eq!(self.endpoints.each_ref().map(Watched::in_flight), [0, 0], "on their way, {when}");
        assert_eq!(self.limits.each_ref().map(Limits::in_flight), [0, 0], "places taken, {when}");
        assert_eq!(self.limits.each_ref().map(Limits::waiting), [0, 0], "waiting, {when}");
        assert_eq!(self.cache.stats().in_flight, 0, "waited for, {when}");
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "tasks, {when}");
    }
}

fn endpoint(is_bad: bool) -> ScriptedLm {
    let calls = AtomicUsize::new(0);
    ScriptedLm::computed(move |request| {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        let reply =
            if is_bad && number.is_multiple_of(2) { failure(ErrorKind::Server) } else { answer(request) };
        reply.delay(TICK * 2).pace(TICK)
    })
}

fn answer(request: &Request) -> Reply {
    if request.response_format.is_some() {
        return Reply::text(r#"{"discussion": "bad", "advice": {"self": "be good"}}"#);
    }
    Reply::pieces(["[[ ## reasoning ## ]]\nknown\n", "[[ ## answer ## ]]\nParis\n", "[[ ## completed ## ]]"])
}

type Call = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

type Surface = fn(&Lm) -> Call;

/// Every kind of call that can be awaited.
const SURFACES: [(&str, Surface); 7] = [
    ("predict", |lm| {
        let qa = thought(lm);
        Box::pin(async move { qa.call(ask()).await.map(drop) })
    }),
    ("stream", |lm| {
        let mut stream = thought(lm).stream(ask());
        Box::pin(async move {
            loop {
                match stream.next().await {
                    Some(Ok(StreamEvent::Done(_))) => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => panic!("no end"),
                }
            }
        })
    }),
    ("batch", |lm| {
        // Two of them are equal.
        let inputs = ["a", "b", "a", "c"].map(question);
        let batch = thought(lm).batch(inputs).concurrency(3).timeout(Duration::from_secs(60));
        Box::pin(async move { batch.await.into_predictions().map(drop) })
    }),
    ("best of n", |lm| {
        let best = BestOfN::new(thought(lm), 4, |_, _| 0.5).concurrency(3).deadline(Duration::from_secs(60));
        Box::pin(async move { best.call(ask()).await.map(drop) })
    }),
    ("refine", |lm| {
        let refine = Refine::new(thought(lm), 2, |_, _| 0.5).critic(Critic::Always);
        Box::pin(async move { refine.call(ask()).await.map(drop) })
    }),
    ("budget", |lm| {
        let best = BestOfN::new(thought(lm), 2, |_, _| 0.5).concurrency(2).budget(Budget::new().calls(20));
        Box::pin(async move { best.call(ask()).await.map(drop) })
    }),
    ("two at once", |lm| {
        let qa = thought(lm);
        Box::pin(async move {
            let (one, other) = tokio::join!(qa.call(ask()), qa.call(ask()));
            one.and(other).map(drop)
        })
    }),
];

fn thought(lm: &Lm) -> ChainOfThought<Qa> {
    ChainOfThought::new().lm(lm)
}

/// Polls a future `times` times, a tick apart; its output, if it ended.
async fn polled<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send>>, times: usize) -> Option<T> {
    for _ in 0..times {
        if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Some(output);
        }
        tokio::time::sleep(TICK).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_poll_leaves_nothing_behind_and_the_next_one_works() {
    for (stacked, stack) in STACKS {
        for (surface, call) in SURFACES {
            for polls in 0.. {
                let when = format!("{surface} over {stacked}, dropped after {polls} polls");
                let stage = Stage::new(stack);
                let mut first = call(&stage.lm);
                let ended = polled(&mut first, polls).await;
                drop(first);
                stage.is_empty(&when);
                call(&stage.lm).await.unwrap_or_else(|error| panic!("{when}: {error}"));
                stage.is_empty(&when);
                if let Some(outcome) = ended {
                    outcome.unwrap_or_else(|error| panic!("{surface} over {stacked}: {error}"));
                    assert!(polls > 2, "{surface} over {stacked} waits for nothing");
                    break;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_calls_go_on_whichever_is_dropped_at_whatever_poll() {
    for (stacked, stack) in STACKS {
        for polls in 0..20 {
            for dropped in 0..3 {
                let when = format!("number {dropped} over {stacked}, dropped after {polls} polls");
                let stage = Stage::new(stack);
                // Equal calls of the same caller: they share state, and wait for each other.
                let qa = Predict::<Qa>::new().lm(&stage.lm);
                let mut calls: Vec<Call> = (0..3)
                    .map(|_| {
                        let qa = qa.clone();
                        let call: Call = Box::pin(async move { qa.call(ask()).await.map(drop) });
                        call
                    })
                    .collect();
                for _ in 0..polls {
                    for call in &mut calls {
                        // It ended at the last poll, so it is not polled again.
                        let done = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
                        if let Poll::Ready(outcome) = done {
                            *call = Box::pin(std::future::ready(outcome));
                        }
                    }
                    tokio::time::sleep(TICK).await;
                }
                drop(calls.swap_remove(dropped));
                for call in calls {
                    call.await.unwrap_or_else(|error| panic!("{when}: {error}"));
                }
                stage.is_empty(&when);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_dropped_before_it_begins_gives_its_token_back() {
    const RESERVE: usize = 5;
    for polls in 0..60 {
        let sent = ScriptedLm::computed(|_| failure(ErrorKind::Server).delay(TICK * 3));
        let lm = sent.lm().retry(retry().attempts(100).budget(RESERVE as u32, 0.0));
        let call = lm.clone();
        let mut first: Call = Box::pin(async move { call.complete(hi("x")).await.map(drop) });
        polled(&mut first, polls).await;
        drop(first);
        let begun = usize::from(polls > 0);
        assert!(lm.complete(hi("x")).await.unwrap_err().kind() == ErrorKind::Server);
        assert_eq!(sent.calls(), begun + 1 + RESERVE, "after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_of_a_pool_keeps_no_endpoint_busy() {
    let ends = ["a", "b"].map(|name| ScriptedLm::computed(|_| Reply::text("x").delay(millis(5))).named(name));
    let lm = Pool::new(ends.each_ref().map(ScriptedLm::lm)).hedge(TICK).lm();
    for polls in 1..6 {
        let call = lm.clone();
        let mut first: Call = Box::pin(async move { call.complete(hi("x")).await.map(drop) });
        polled(&mut first, polls).await;
    }
    // Both are idle: they are asked in turn.
    let before = ends.each_ref().map(ScriptedLm::calls);
    let pool = |_| lm.complete(hi("x"));
    for call in (0..4).map(pool) {
        call.await.unwrap();
    }
    let asked: Vec<_> = ends.iter().zip(before).map(|(end, before)| end.calls() - before).collect();
    assert_eq!(asked, [4, 4]);
}
