//! Retries: which errors, when, how often, and for how long. In virtual time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use karat::{
    BestOfN, Error, ErrorKind, Lm, Module, Predict, Reply, Result, Retry, ScriptedLm, Usage,
    lm::{Response, Timeouts},
};
use tokio::time::Instant;

use crate::support::{Qa, Watched, ask, failure, hi, millis, reply, server_error, tokens};

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The longest waits that there can be: 0.5 s, 1 s, 2 s, ...
fn longest() -> Retry {
    Retry::new().random(|| 1.0)
}

/// Waits of no length.
pub fn at_once() -> Retry {
    Retry::new().backoff(Duration::ZERO, Duration::ZERO)
}

async fn complete(lm: &Lm) -> Result<Response> {
    lm.complete(hi("hi")).await
}

/// The outcome of a call, and its time.
async fn timed(lm: &Lm) -> (Result<Response>, Duration) {
    let start = Instant::now();
    let outcome = complete(lm).await;
    (outcome, start.elapsed())
}

fn limited(wait: Duration) -> Reply {
    Reply::error(Error::new(ErrorKind::RateLimited, "slow down").with_retry_after(wait))
}

#[tokio::test(start_paused = true)]
async fn only_transient_errors_are_retried() {
    use ErrorKind::*;
    for (kind, calls) in [
        (Connect, 2),
        (RateLimited, 2),
        (Server, 2),
        (Timeout, 2),
        (Auth, 1),
        (MissingKey, 1),
        (Quota, 1),
        (BadRequest, 1),
        (ContextLength, 1),
        (UnknownModel, 1),
        (Tls, 1),
        (BadResponse, 1),
        (TooLarge, 1),
        (Refused, 1),
        (Filtered, 1),
        (Config, 1),
        (Other, 1),
    ] {
        let script = ScriptedLm::new([failure(kind), reply("Paris")]);
        let outcome = complete(&script.lm().retry(at_once())).await;
        assert_eq!((script.calls(), outcome.is_ok()), (calls, calls == 2), "{kind:?}");
        if let Err(error) = outcome {
            // Nothing was retried, and the error does not mention retries.
            assert_eq!((error.attempts(), error.to_string()), (1, format!("scripted {kind:?}")));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_servers_advice_counts_but_never_for_permanent_errors() {
    for (kind, word, calls) in [
        (ErrorKind::Server, false, 1),
        (ErrorKind::RateLimited, false, 1),
        (ErrorKind::Server, true, 2),
        (ErrorKind::UnknownModel, true, 2),
        (ErrorKind::Quota, true, 1),
        (ErrorKind::Auth, true, 1),
        (ErrorKind::BadRequest, true, 1),
        (ErrorKind::Filtered, true, 1),
    ] {
        let script =
            ScriptedLm::new([Reply::error(Error::new(kind, "x").with_should_retry(word)), reply("Paris")]);
        let _ = complete(&script.lm().retry(at_once())).await;
        assert_eq!(script.calls(), calls, "{kind:?} {word}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_waits_double_and_the_last_error_names_the_attempts() {
    let script = ScriptedLm::computed(|_| server_error());
    let (outcome, took) = timed(&script.lm().retry(longest())).await;
    let error = outcome.unwrap_err();
    assert_eq!((script.calls(), error.attempts(), took), (4, 4, millis(3_500)));
    assert_eq!(error.to_string(), "scripted Server (after 4 attempts with waits of 3.5 s in all)");
    assert_eq!(error.kind(), ErrorKind::Server);

    let script = ScriptedLm::computed(|_| server_error());
    let lm = script.lm().retry(longest().attempts(8).backoff(millis(100), seconds(1)));
    let (outcome, took) = timed(&lm).await;
    assert_eq!(outcome.unwrap_err().attempts(), 8);
    assert_eq!(took, millis(100 + 200 + 400 + 800 + 1_000 + 1_000 + 1_000));
}

#[tokio::test(start_paused = true)]
async fn usual_waits_are_random_and_within_their_bounds() {
    let mut sums = Vec::new();
    for _ in 0..50 {
        let script = ScriptedLm::computed(|_| server_error());
        let (_, took) = timed(&script.lm().retry(Retry::new())).await;
        assert!(took <= millis(3_510), "{took:?}");
        sums.push(took);
    }
    sums.sort_unstable();
    sums.dedup();
    assert!(sums.len() > 30, "{sums:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_how_long_to_wait_is_obeyed_up_to_the_longest_wait() {
    for (asked, waited) in [(millis(1), millis(1)), (seconds(7), seconds(7)), (seconds(100), seconds(60))] {
        let script = ScriptedLm::new([limited(asked), reply("Paris")]);
        let (outcome, took) = timed(&script.lm().retry(longest())).await;
        assert_eq!((outcome.is_ok(), took), (true, waited));
    }
    let script = ScriptedLm::new([limited(Duration::MAX), reply("Paris")]);
    let lm = script.lm().retry(Retry::new().longest_wait(seconds(2)));
    assert_eq!(timed(&lm).await.1, seconds(2));
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_fails_at_once_and_is_in_the_error() {
    for asked in [seconds(10), seconds(100), Duration::MAX] {
        let script = ScriptedLm::new([limited(asked)]);
        let (outcome, took) = timed(&script.lm().retry(longest()).deadline(seconds(10))).await;
        let error = outcome.unwrap_err();
        assert_eq!((took, error.retry_after(), error.attempts()), (Duration::ZERO, Some(asked), 1));
        assert!(error.is_rate_limited());
        let text = error.to_string();
        assert!(text.contains("asks to wait") && text.contains("the deadline of 10 s"), "{text}");
    }
    // The same for the back-off's own wait.
    let script = ScriptedLm::computed(|_| server_error());
    let (outcome, took) = timed(&script.lm().retry(longest()).deadline(millis(1_600))).await;
    let error = outcome.unwrap_err();
    assert_eq!((took, error.attempts(), error.kind()), (millis(1_500), 3, ErrorKind::Server));
    assert!(error.to_string().contains("a wait of 2 s would pass the deadline of 1.6 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_call_and_cancels_its_request() {
    let watched = Watched::new(ScriptedLm::computed(|_| reply("Paris").delay(seconds(1_000))));
    let (outcome, took) = timed(&watched.lm().retry(longest()).deadline(seconds(5))).await;
    let error = outcome.unwrap_err();
    assert!(error.is_timeout() && error.is_transient(), "{error}");
    assert_eq!((took, error.attempts()), (seconds(5), 1));
    assert_eq!((watched.in_flight(), watched.dropped()), (0, 1));
    assert!(error.to_string().contains("the deadline of 5 s passed before the answer came"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_all_attempts_and_waits_and_keeps_the_last_failure() {
    let slow = || server_error().delay(seconds(2));
    let script = ScriptedLm::new([slow(), slow(), reply("Paris").delay(seconds(100))]);
    let (outcome, took) = timed(&script.lm().retry(longest()).deadline(seconds(6))).await;
    let error = outcome.unwrap_err();
    assert_eq!((took, error.attempts()), (seconds(6), 3));
    assert!(error.is_timeout() && error.to_string().contains("after 3 attempts"), "{error}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("scripted Server"));
}

#[tokio::test(start_paused = true)]
async fn odd_limits_neither_panic_nor_hang() {
    let script = ScriptedLm::computed(|_| reply("Paris").delay(seconds(1)));
    let none = complete(&script.lm().deadline(Duration::ZERO)).await.unwrap_err();
    assert_eq!((none.is_timeout(), none.attempts(), script.calls()), (true, 0, 0));
    let huge = script.lm().deadline(Duration::MAX).timeouts(Timeouts::new().attempt(Duration::MAX));
    complete(&huge.retry(Retry::new().attempts(u32::MAX).backoff(Duration::MAX, Duration::MAX)))
        .await
        .unwrap();
    let failing = ScriptedLm::computed(|_| server_error());
    let none = complete(&failing.lm().retry(Retry::new().attempts(0))).await.unwrap_err();
    assert_eq!((none.attempts(), failing.calls()), (1, 1));
    let zero = failing.lm().timeouts(Timeouts::new().attempt(Duration::ZERO));
    assert!(complete(&zero).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_beyond_its_own_limit_is_retried() {
    let script = ScriptedLm::new([reply("late").delay(seconds(100)), reply("Paris")]);
    let lm = script.lm().retry(at_once()).timeouts(Timeouts::new().attempt(seconds(3)));
    let (outcome, took) = timed(&lm).await;
    assert_eq!((outcome.unwrap().usage.calls, took), (2, seconds(3)));

    let script = ScriptedLm::computed(|_| reply("late").delay(seconds(100)));
    let lm = script.lm().retry(at_once()).timeouts(Timeouts::new().attempt(seconds(3)));
    let (outcome, took) = timed(&lm).await;
    let error = outcome.unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("its limit of 3 s"), "{error}");
    assert_eq!((error.attempts(), took), (4, seconds(12)));
}

#[tokio::test(start_paused = true)]
async fn the_shorter_of_deadline_and_attempt_limit_holds() {
    // A shorter deadline ends the call; a shorter attempt limit ends only the attempt.
    for (attempt, deadline, calls, took) in [(3, 10, 2, 3), (30, 10, 1, 10), (10, 10, 1, 10)] {
        let script = ScriptedLm::new([reply("late").delay(seconds(100)), reply("Paris")]);
        let timeouts = Timeouts::new().attempt(seconds(attempt));
        let lm = script.lm().retry(at_once()).timeouts(timeouts).deadline(seconds(deadline));
        let (outcome, spent) = timed(&lm).await;
        assert_eq!((script.calls(), spent, outcome.is_ok()), (calls, seconds(took), calls == 2));
        if let Err(error) = outcome {
            assert!(error.to_string().contains("the deadline of 10 s passed"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_written_in_milliseconds_below_a_second_and_else_in_seconds() {
    for (milliseconds, shown) in
        [(999, "999 ms"), (1_000, "1 s"), (1_500, "1.5 s"), (99_900, "99.9 s"), (100_400, "100 s")]
    {
        let script = ScriptedLm::computed(|_| server_error());
        let retry = longest().attempts(2).backoff(millis(milliseconds), seconds(1_000));
        let error = complete(&script.lm().retry(retry)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("scripted Server (after 2 attempts with waits of {shown} in all)")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_count_of_calls_counts_as_one_like_each_attempt() {
    let free = || reply("Paris").usage(Usage::default());
    for (script, calls) in [(vec![free()], 1), (vec![server_error(), free()], 2)] {
        let lm = ScriptedLm::new(script).lm().retry(at_once());
        assert_eq!(complete(&lm).await.unwrap().usage.calls, calls);
    }
}

#[tokio::test(start_paused = true)]
async fn the_usage_counts_every_attempt() {
    let script = ScriptedLm::new([server_error(), server_error(), reply("Paris").usage(tokens(3, 2))]);
    let qa = Predict::<Qa>::new().lm(&script.lm().retry(at_once()));
    let prediction = qa.call(ask()).await.unwrap();
    assert_eq!((prediction.usage().calls, prediction.usage().prompt_tokens), (3, 3));

    let script = ScriptedLm::computed(|_| server_error());
    let error = Predict::<Qa>::new().lm(&script.lm().retry(at_once())).call(ask()).await.unwrap_err();
    assert_eq!((error.attempts(), error.usage().calls, script.calls()), (4, 4, 4));
    assert_eq!(error.predictor(), Some("self"));
}

#[tokio::test(start_paused = true)]
async fn each_rollout_is_retried_by_itself() {
    let count = AtomicUsize::new(0);
    let script = ScriptedLm::computed(move |_| match count.fetch_add(1, Ordering::Relaxed) % 2 {
        0 => server_error(),
        _ => reply("Paris"),
    });
    let best = BestOfN::new(Predict::<Qa>::new().lm(&script.lm().retry(at_once())), 3, |_, _| 0.5);
    let best = best.call(ask()).await.unwrap();
    assert!(best.rollouts().iter().all(|rollout| rollout.error().is_none() && rollout.usage().calls == 2));
    assert_eq!(best.usage().calls, 6);
}

/// The requests of so many calls to a model that answers every `good`th request.
async fn requests(retry: Retry, calls: usize, good: usize) -> usize {
    let script = Arc::new(AtomicUsize::new(0));
    let asked = script.clone();
    let lm = ScriptedLm::computed(move |_| {
        let number = script.fetch_add(1, Ordering::Relaxed) + 1;
        if good > 0 && number.is_multiple_of(good) { reply("Paris") } else { server_error() }
    });
    let lm = lm.lm().retry(retry).without_history();
    for _ in 0..calls {
        let _ = complete(&lm).await;
    }
    asked.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn an_outage_gets_no_more_than_a_fifth_on_top() {
    const CALLS: usize = 10_000;
    // Nothing succeeds: the reserve and no more.
    assert_eq!(requests(at_once(), CALLS, 0).await, CALLS + 500);
    // Some requests succeed.
    for good in [2, 3, 5, 10, 100] {
        let load = requests(at_once(), CALLS, good).await;
        assert!((CALLS..=CALLS * 12 / 10).contains(&load), "one in {good}: {load}");
    }
    // If nearly all succeed, every failure is retried.
    assert_eq!(requests(at_once(), 100, 1).await, 100);
    assert_eq!(requests(at_once().budget(0, 0.0), 100, 0).await, 100);
    assert_eq!(requests(at_once().budget(7, 0.0), 100, 0).await, 107);
}

#[tokio::test(start_paused = true)]
async fn a_used_up_budget_says_so_and_belongs_to_one_endpoint_and_one_value() {
    let retry = at_once().budget(3, 0.2);
    let failing = ScriptedLm::computed(|_| server_error()).named("down");
    let lm = failing.lm().retry(retry.clone());
    complete(&lm).await.unwrap_err();
    // Its clones share it, with whatever settings of their own, and so does another handle with the same value.
    for lm in [lm.clone().temperature(0.5), failing.lm().retry(retry.clone())] {
        let error = complete(&lm).await.unwrap_err();
        assert_eq!(error.attempts(), 1);
        assert!(error.to_string().contains("budget of retries is used up"), "{error}");
    }
    let other = ScriptedLm::computed(|_| server_error()).named("other");
    assert_eq!(complete(&other.lm().retry(retry)).await.unwrap_err().attempts(), 4);
    assert_eq!(complete(&failing.lm().retry(at_once())).await.unwrap_err().attempts(), 4);
}

#[tokio::test(start_paused = true)]
async fn ten_tasks_at_once_share_the_budget_and_mix_nothing_up() {
    let seen = Arc::new(Mutex::new(std::collections::HashMap::<String, usize>::new()));
    let tries = seen.clone();
    let lm = ScriptedLm::computed(move |request| {
        let mut seen = seen.lock().unwrap();
        let tries = seen.entry(request.prompt.last().to_owned()).or_default();
        *tries += 1;
        if *tries < 3 { server_error() } else { Reply::text(request.prompt.last()) }
    });
    let lm = lm.lm().retry(Retry::new());
    let calls: Vec<_> = (0..10)
        .map(|task| {
            let lm = lm.clone();
            tokio::spawn(async move { lm.complete(hi(&task.to_string())).await })
        })
        .collect();
    for (task, call) in calls.into_iter().enumerate() {
        let response = call.await.unwrap().unwrap();
        assert_eq!((response.completions[0].text.clone(), response.usage.calls), (task.to_string(), 3));
    }
    assert!(tries.lock().unwrap().values().all(|tries| *tries == 3));
}

#[tokio::test(start_paused = true)]
async fn a_custom_model_is_retried_only_on_demand() {
    let script = ScriptedLm::computed(|_| server_error());
    assert_eq!(complete(&script.lm()).await.unwrap_err().attempts(), 1);
    assert_eq!(complete(&script.lm().retry(at_once().attempts(2))).await.unwrap_err().attempts(), 2);
    assert_eq!(complete(&script.lm().retry(at_once()).retry(Retry::none())).await.unwrap_err().attempts(), 1);
    assert_eq!(script.calls(), 4);
}

#[test]
fn lms_with_other_retries_or_limits_are_not_equal() {
    let lm = || Lm::new("openai/gpt-x").unwrap();
    assert_eq!(lm(), lm());
    assert_eq!(lm().retry(Retry::new()).deadline(seconds(600)), lm());
    assert_ne!(lm().retry(Retry::none()), lm());
    assert_ne!(lm().deadline(seconds(5)), lm());
    assert_ne!(lm().timeouts(Timeouts::new().idle(seconds(5))), lm());
    assert_ne!(lm().retry(Retry::new().backoff(millis(1), seconds(8))), lm());
    assert_ne!(lm().retry(Retry::new().backoff(millis(500), seconds(9))), lm());
    let seeded = longest();
    assert_eq!(lm().retry(seeded.clone()), lm().retry(seeded.clone()));
    assert_ne!(lm().retry(seeded.clone()), lm());
    assert_ne!(lm().retry(seeded), lm().retry(longest()), "another source of random numbers");
    assert_ne!(lm().retry(longest().backoff(millis(1), seconds(8))), lm());
}

#[test]
fn the_debug_text_of_a_retry_shows_its_bounds() {
    let text = format!("{:?}", Retry::new());
    assert!(text.contains("first: 500ms") && text.contains("most: 8s"), "{text}");
}

#[test]
fn outside_of_a_runtime_a_call_with_a_deadline_is_an_error_and_no_panic() {
    let lm = ScriptedLm::new([reply("Paris")]).lm().deadline(seconds(5));
    let mut call = Box::pin(complete(&lm));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(outcome) = call.as_mut().poll(&mut context) else { panic!("it waits") };
    let error = outcome.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("Tokio"), "{error}");
}

/// An LM whose answers hold no completion, once it has failed twice.
struct Empty(AtomicUsize);

impl karat::LanguageModel for Empty {
    fn name(&self) -> &str {
        "empty"
    }

    fn call<'a>(
        &'a self,
        _: &'a karat::lm::Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> karat::lm::BoxFuture<'a, Result<Response>> {
        Box::pin(async {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err(Error::new(ErrorKind::Server, "busy")),
                _ => Ok(Response::default()),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_completion_is_an_error_with_the_attempts_before_it() {
    let error = complete(&Lm::custom(Empty(AtomicUsize::new(0))).retry(at_once())).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::BadResponse, 3), "{error}");
}
