//! Limits: requests at a time and per minute, fair between callers. All in virtual time.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use karat::{
    Error, ErrorKind, Limits, Lm, Module, Predict, Reply, ScriptedLm,
    lm::{Caller, CallerId},
};
use tokio::time::Instant;

use crate::support::{Qa, Watched, ask, hi, millis, paris, reply, tokens};

const SECOND: Duration = Duration::from_secs(1);

/// When each request was sent, in milliseconds.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<u128>>>);

impl Sent {
    fn lm(&self, usage: u64, delay: Duration) -> Lm {
        let (start, sent) = (Instant::now(), self.0.clone());
        let lm = ScriptedLm::computed(move |_| {
            sent.lock().unwrap().push(start.elapsed().as_millis());
            Reply::text("x").usage(tokens(usage, 0)).delay(delay)
        });
        lm.lm().without_history()
    }

    fn times(&self) -> Vec<u128> {
        self.0.lock().unwrap().clone()
    }

    /// The most that were sent in any window of 60 s.
    fn most_in_a_minute(&self) -> usize {
        let times = self.times();
        let within =
            |start: u128| times.iter().filter(|time| (start..start + 60_000).contains(*time)).count();
        times.iter().map(|start| within(*start)).max().unwrap_or(0)
    }
}

/// Sends so many requests at once and waits for all.
async fn send(lm: &Lm, count: usize) {
    let calls: Vec<_> = (0..count)
        .map(|_| {
            tokio::spawn({
                let lm = lm.clone();
                async move { lm.complete(hi("x")).await }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_at_once_never_exceed_the_concurrency() {
    let watched = Watched::new(ScriptedLm::computed(|_| Reply::text("x").delay(millis(10))));
    let limits = Limits::new().concurrency(7);
    let lm = watched.lm().limits(limits.clone());
    let start = Instant::now();
    send(&lm, 1000).await;
    assert_eq!(watched.most_in_flight(), 7);
    // 143 rounds of 10 ms: no place was ever idle.
    assert_eq!(start.elapsed(), millis(1430));
    assert_eq!((limits.in_flight(), limits.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn several_lms_with_clones_of_one_limits_share_its_places() {
    let watched = Watched::new(ScriptedLm::computed(|_| Reply::text("x").delay(millis(10))));
    let limits = Limits::new().concurrency(3);
    let (one, other) =
        (watched.lm().limits(limits.clone()), watched.lm().temperature(0.5).limits(limits.clone()));
    tokio::join!(send(&one, 20), send(&other, 20));
    assert_eq!(watched.most_in_flight(), 3);
    // A setter gives limits of their own.
    let wider = watched.lm().limits(limits.concurrency(4));
    tokio::join!(send(&one, 20), send(&wider, 20));
    assert_eq!(watched.most_in_flight(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_place_given_to_a_call_that_is_dropped_unpolled_goes_to_the_next_one() {
    let sent = Sent::default();
    let limits = Limits::new().concurrency(1).requests_per_minute(2);
    let lm = sent.lm(1, millis(10)).limits(limits.clone());
    let first = lm.complete(hi("1"));
    let mut context = Context::from_waker(Waker::noop());
    let mut first = Box::pin(first);
    let mut second = Box::pin(lm.complete(hi("2")));
    let mut third = Box::pin(lm.complete(hi("3")));
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    assert!(third.as_mut().poll(&mut context).is_pending());
    assert_eq!((limits.in_flight(), limits.waiting()), (1, 2));
    // The second call has the place now, and has not been polled since.
    drop(first);
    assert_eq!((limits.in_flight(), limits.waiting()), (1, 1));
    drop(second);
    third.await.unwrap();
    // The second one did not count for the minute either.
    assert_eq!((sent.times().len(), limits.in_flight()), (2, 0));
    assert!(sent.times()[1] < 60_000, "{:?}", sent.times());
}

#[tokio::test(start_paused = true)]
async fn requests_per_minute_are_kept_in_every_minute() {
    let sent = Sent::default();
    let lm = sent.lm(1, millis(7)).limits(Limits::new().requests_per_minute(10));
    let start = Instant::now();
    // Some now, some in the middle of the minute, and a flood at its end.
    send(&lm, 4).await;
    tokio::time::sleep(SECOND * 30).await;
    send(&lm, 4).await;
    tokio::time::sleep(SECOND * 29).await;
    send(&lm, 50).await;
    assert_eq!((sent.most_in_a_minute(), sent.times().len()), (10, 58));
    // No slower than allowed: the flood's last one came in the sixth minute.
    assert!(start.elapsed() < SECOND * 60 * 6, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn tokens_per_minute_count_as_estimated_until_the_usage_is_known() {
    // Estimated at 1 + 499 tokens each, so two at once; they turn out to take 100.
    let sent = Sent::default();
    let lm = sent.lm(100, SECOND).max_tokens(499).limits(Limits::new().tokens_per_minute(1_000));
    send(&lm, 6).await;
    // 0 s: 500 + 500. 1 s: 200 are spent, one more fits. 2 s: 300 are spent. 3 s: 400. 4 s: 500, the last.
    assert_eq!(sent.times(), [0, 0, 1_000, 2_000, 3_000, 4_000]);

    // If they take more than estimated, later requests wait for the excess.
    let sent = Sent::default();
    let lm = sent.lm(900, SECOND).max_tokens(99).limits(Limits::new().tokens_per_minute(1_000));
    send(&lm, 3).await;
    send(&lm, 1).await;
    // Three at once of 100 each; 2,700 were spent, so the next one waits until the last of them is a minute ago.
    assert_eq!(sent.times(), [0, 0, 0, 60_000]);
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_the_whole_limit_is_sent_alone() {
    let sent = Sent::default();
    let lm = sent.lm(5_000, millis(1)).max_tokens(5_000).limits(Limits::new().tokens_per_minute(1_000));
    send(&lm, 3).await;
    assert_eq!(sent.times(), [0, 60_000, 120_000]);
}

#[tokio::test(start_paused = true)]
async fn a_callers_only_request_waits_for_one_of_another_caller_not_for_a_thousand() {
    let sent = Sent::default();
    let lm = sent.lm(1, millis(10)).limits(Limits::new().concurrency(1));
    let flood = Caller::new("flood", CallerId::unique());
    for _ in 0..1000 {
        let (lm, flood) = (lm.clone(), flood.clone());
        tokio::spawn(async move { lm.complete_for(flood, hi("x")).await });
    }
    tokio::time::sleep(millis(5)).await;
    let start = Instant::now();
    lm.complete_for(Caller::new("single", CallerId::unique()), hi("y")).await.unwrap();
    // The rest of the request in flight, the next one, and its own.
    assert_eq!(start.elapsed(), millis(25));
}

#[tokio::test(start_paused = true)]
async fn predictors_are_callers_by_themselves() {
    let limits = Limits::new().concurrency(1);
    let lm = ScriptedLm::computed(|_| reply("x").delay(millis(10))).lm().limits(limits);
    let flood = Predict::<Qa>::new().lm(&lm);
    let single = Predict::<Qa>::new().lm(&lm);
    tokio::spawn(async move { flood.batch(vec![ask(); 500]).concurrency(500).await });
    tokio::time::sleep(millis(5)).await;
    let start = Instant::now();
    single.call(ask()).await.unwrap();
    assert_eq!(start.elapsed(), millis(25));
}

#[tokio::test(start_paused = true)]
async fn requests_of_one_caller_keep_their_order() {
    let lm = ScriptedLm::computed(|_| Reply::text("x").delay(millis(1)));
    let limited = lm.lm().limits(Limits::new().concurrency(1));
    let calls: Vec<_> = (0..50)
        .map(|i| {
            tokio::spawn({
                let lm = limited.clone();
                async move { lm.complete(hi(&i.to_string())).await }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let order: Vec<_> = lm.requests().iter().map(|request| request.prompt.last().to_owned()).collect();
    assert_eq!(order, (0..50).map(|i| i.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_stream_keeps_its_place_until_it_ends_or_is_dropped() {
    let lm = ScriptedLm::computed(|_| Reply::pieces(["{\"answer\": \"", "Paris", "\"}"]).pace(SECOND));
    let limits = Limits::new().concurrency(1);
    let qa = Predict::<Qa>::new().adapter(karat::JsonAdapter).lm(&lm.lm().limits(limits.clone()));
    let mut stream = qa.stream(ask());
    stream.next().await.unwrap().unwrap();
    assert_eq!(limits.in_flight(), 1);
    assert_eq!(&*stream.finish().await.unwrap().answer, "Paris");
    assert_eq!(limits.in_flight(), 0);
    let mut stream = qa.stream(ask());
    stream.next().await.unwrap().unwrap();
    assert_eq!(limits.in_flight(), 1);
    drop(stream);
    assert_eq!(limits.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_longest_is_an_error_with_the_remaining_wait() {
    let sent = Sent::default();
    let limits = Limits::new().requests_per_minute(1).longest_wait(SECOND * 10);
    let lm = sent.lm(1, millis(1)).limits(limits.clone());
    send(&lm, 1).await;
    let start = Instant::now();
    let error = lm.complete(hi("x")).await.unwrap_err();
    assert!(error.is_rate_limited() && error.to_string().contains("`scripted`: no place"), "{error}");
    assert_eq!(start.elapsed(), SECOND * 10);
    assert_eq!(error.retry_after(), Some(SECOND * 50 - millis(1)));
    assert_eq!((limits.waiting(), sent.times().len()), (0, 1));

    let at_once = Limits::new().concurrency(1).longest_wait(Duration::ZERO);
    let lm = sent.lm(1, SECOND).limits(at_once);
    let (one, other) = tokio::join!(lm.complete(hi("x")), lm.complete(hi("x")));
    assert!(one.is_ok() && other.unwrap_err().is_rate_limited());
}

#[tokio::test]
async fn a_limit_of_0_is_an_error_of_the_first_call() {
    for limits in [
        Limits::new().concurrency(0),
        Limits::new().requests_per_minute(0),
        Limits::new().tokens_per_minute(0),
    ] {
        let error = paris().lm().limits(limits).complete(hi("x")).await.unwrap_err();
        assert!(error.is_config() && error.to_string().contains("of 0 lets nothing through"), "{error}");
    }
    let huge = Limits::new()
        .concurrency(usize::MAX)
        .requests_per_minute(u64::MAX)
        .tokens_per_minute(u64::MAX)
        .longest_wait(Duration::MAX);
    let lm = paris().lm().max_tokens(u32::MAX).limits(huge);
    for _ in 0..3 {
        lm.complete(hi("x").config(karat::lm::Config::new().n(u32::MAX))).await.unwrap();
    }
}

#[test]
fn a_request_that_need_not_wait_for_time_needs_no_runtime() {
    let lm = paris().lm().limits(Limits::new().requests_per_minute(1));
    let mut context = Context::from_waker(Waker::noop());
    let mut call = Box::pin(lm.complete(hi("x")));
    assert!(matches!(call.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    let mut call = Box::pin(lm.complete(hi("x")));
    let Poll::Ready(Err(error)) = call.as_mut().poll(&mut context) else { panic!("no error") };
    assert!(error.is_config() && error.to_string().contains("Tokio"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_gives_its_tokens_back_and_a_panicking_one_its_place() {
    let lm = ScriptedLm::computed(|request| match request.prompt.last() {
        "panic" => panic!("no model"),
        "refused" => Reply::error(Error::new(ErrorKind::RateLimited, "slow down")),
        _ => Reply::text("x"),
    });
    let limits = Limits::new().concurrency(1).tokens_per_minute(600);
    let lm = lm.lm().limits(limits.clone());
    let start = Instant::now();
    for _ in 0..10 {
        assert!(lm.complete(hi("refused")).await.is_err());
    }
    lm.complete(hi("x")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let panicking = tokio::spawn({
        let lm = lm.clone();
        async move { lm.complete(hi("panic")).await }
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(limits.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn calls_of_many_threads_dropped_at_any_moment_leave_nothing_behind() {
    let watched = Watched::new(ScriptedLm::computed(|_| Reply::text("x").delay(millis(1))));
    let limits = Limits::new().concurrency(5);
    let lm = watched.lm().without_history().limits(limits.clone());
    let calls: Vec<_> = (0..2000_u64)
        .map(|i| {
            let lm = lm.clone();
            let caller = Caller::new("me", CallerId::unique());
            tokio::spawn(async move {
                let call = lm.complete_for(caller, hi("x"));
                tokio::time::timeout(Duration::from_micros(i * 7919 % 50_000), call).await.is_ok()
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!((limits.in_flight(), limits.waiting(), watched.in_flight()), (0, 0, 0));
    assert!(watched.most_in_flight() <= 5);
    lm.complete(hi("x")).await.unwrap();
}
