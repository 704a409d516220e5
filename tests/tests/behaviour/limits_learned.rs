//! Limits learned from the server's reports. All in virtual time.

use std::{sync::Mutex, time::Duration};

use karat::{
    Error, ErrorKind, LanguageModel, Limits, Lm,
    lm::{Allowance, Layer, RateLimit, Request, Response},
};
use tokio::time::Instant;

use crate::support::hi;

const SECOND: Duration = Duration::from_secs(1);

/// A model that reports limits by a function of the request's number.
struct Reporting<F>(Mutex<usize>, F);

impl<F: Fn(usize) -> Result<RateLimit, Error> + Send + Sync + 'static> LanguageModel for Reporting<F> {
    fn name(&self) -> &str {
        "reporting"
    }
    fn call<'a>(
        &'a self,
        _: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> karat::lm::BoxFuture<'a, karat::Result<Response>> {
        let mut number = self.0.lock().unwrap();
        *number += 1;
        let report = (self.1)(*number);
        Box::pin(async {
            let completions = vec![karat::lm::Completion::new("x")];
            Ok(Response::new(completions).rate_limit(report?))
        })
    }
}

fn reporting(report: impl Fn(usize) -> Result<RateLimit, Error> + Send + Sync + 'static) -> Lm {
    Lm::custom(Reporting(Mutex::new(0), report))
}

fn requests(limit: u64, remaining: u64, reset: Duration) -> RateLimit {
    let requests = Allowance::new().limit(limit).remaining(remaining).reset(reset);
    RateLimit::new().requests(requests)
}

async fn together(lm: &Lm, count: usize) {
    let calls = (0..count).map(|_| {
        let lm = lm.clone();
        tokio::spawn(async move { lm.complete(hi("x")).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
}

/// The times at which successive calls were answered, in seconds.
async fn answered(lm: &Lm, count: usize) -> Vec<u64> {
    let start = Instant::now();
    let mut times = Vec::new();
    for _ in 0..count {
        let _ = lm.complete(hi("x")).await;
        times.push(start.elapsed().as_secs());
    }
    times
}

#[tokio::test(start_paused = true)]
async fn the_servers_remaining_requests_are_learned_and_kept() {
    // The report of a server with 60 a minute, of which two are left.
    let report = |_| Ok(requests(60, 2, SECOND * 58));
    let limits = Limits::new();
    let once = reporting(move |number| if number == 1 { report(1) } else { Ok(RateLimit::default()) });
    let lm = once.limits(limits.clone());
    // The two that are left, then one a second: 58 come back in 58 s.
    assert_eq!(answered(&lm, 6).await, [0, 0, 0, 1, 2, 3]);
    assert_eq!(limits.last_report(), Some(RateLimit::default()));

    // It can be switched off.
    assert_eq!(answered(&reporting(report).limits(Limits::new().learn(false)), 6).await, [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_count_against_the_servers_remaining_ones() {
    // Each answer says that one is left; all are in flight when the first one is answered.
    let lm = reporting(|_| Ok(requests(10, 1, SECOND * 90)));
    let lm = lm.layer(Delay(SECOND)).limits(Limits::new());
    let start = Instant::now();
    together(&lm, 1).await;
    let at = || start.elapsed().as_secs();
    // The last answer says: one left, and one more in ten seconds each.
    let (a, b, c) = tokio::join!(lm.complete(hi("a")), async { (lm.complete(hi("b")).await, at()) }, async {
        (lm.complete(hi("c")).await, at())
    });
    assert!(a.is_ok() && b.0.is_ok() && c.0.is_ok());
    // `a` goes at once. Its answer again leaves one, for `b`, and then `c` has to wait ten seconds or for `b`'s answer.
    assert!(b.1 <= 12 && c.1 >= b.1, "{} {}", b.1, c.1);
}

/// Answers later.
struct Delay(Duration);

impl Layer for Delay {
    fn call<'a>(
        &'a self,
        request: &'a karat::lm::Request,
        sink: Option<&'a mut karat::lm::Sink<'a>>,
        next: karat::lm::Next<'a>,
    ) -> karat::lm::BoxFuture<'a, karat::Result<Response>> {
        Box::pin(async move {
            tokio::time::sleep(self.0).await;
            next.call(request, sink).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn odd_reports_of_a_server_stop_nothing_for_ever() {
    for allowance in [
        Allowance::default(),
        Allowance::new().limit(0).remaining(0).reset(Duration::ZERO),
        Allowance::new().limit(5).reset(SECOND),
        Allowance::new().remaining(0).reset(SECOND),
        Allowance::new().limit(1).remaining(u64::MAX).reset(Duration::MAX),
        Allowance::new().limit(u64::MAX).remaining(0).reset(Duration::MAX),
        Allowance::new().limit(10).remaining(0),
        Allowance::new().limit(10).remaining(0).reset(Duration::ZERO),
    ] {
        let report = RateLimit::new().requests(allowance).tokens(allowance);
        let lm = reporting(move |_| Ok(report)).limits(Limits::new());
        let times = answered(&lm, 4).await;
        assert!(times[3] <= 3 * 86_400, "{allowance:?}: {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_requests_wait_as_long_as_the_server_asks() {
    let lm = reporting(|number| match number {
        1 => Err(Error::new(ErrorKind::RateLimited, "slow down").with_retry_after(SECOND * 7)),
        _ => Ok(RateLimit::default()),
    });
    let lm = lm.limits(Limits::new());
    assert!(lm.complete(hi("x")).await.unwrap_err().is_rate_limited());
    let start = Instant::now();
    together(&lm, 5).await;
    assert_eq!(start.elapsed(), SECOND * 7);
    // Not for ever, whatever a server says.
    let lm = reporting(|number| match number {
        1 => Err(Error::new(ErrorKind::RateLimited, "go away").with_retry_after(Duration::MAX)),
        _ => Ok(RateLimit::default()),
    });
    let lm = lm.limits(Limits::new());
    let _ = lm.complete(hi("x")).await;
    let start = Instant::now();
    together(&lm, 5).await;
    assert_eq!(start.elapsed(), SECOND * 300);
}
