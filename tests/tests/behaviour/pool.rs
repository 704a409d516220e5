//! Pools: several endpoints of one model, cooldown, hedging. All in virtual time.

use std::time::Duration;

use karat::{
    Error, ErrorKind, Lm, Reply, ScriptedLm,
    lm::{Caller, CallerId, Delta, Pool},
};
use tokio::time::{Instant, advance, sleep};

use crate::support::{Watched, failure, hi, millis, tokens};

const SECOND: Duration = Duration::from_secs(1);

/// An endpoint that answers after this delay.
fn endpoint(text: &'static str, delay: Duration) -> ScriptedLm {
    ScriptedLm::computed(move |_| Reply::text(text).usage(tokens(3, 1)).delay(delay)).named(text)
}

fn down() -> ScriptedLm {
    ScriptedLm::computed(|_| failure(ErrorKind::Server)).named("down")
}

async fn text(lm: &Lm) -> String {
    lm.complete(hi("x")).await.unwrap().completions.remove(0).text
}

#[tokio::test(start_paused = true)]
async fn equally_busy_endpoints_take_turns_and_the_least_busy_one_is_first() {
    let endpoints = ["a", "b", "c"].map(|name| endpoint(name, Duration::ZERO));
    let lm = Lm::pool(endpoints.each_ref().map(ScriptedLm::lm));
    for _ in 0..30 {
        text(&lm).await;
    }
    assert_eq!(endpoints.each_ref().map(ScriptedLm::calls), [10; 3]);

    let (slow, fast) = (endpoint("slow", SECOND * 10), endpoint("fast", SECOND));
    let lm = Lm::pool([slow.lm(), fast.lm()]);
    let calls: Vec<_> = (0..2)
        .map(|_| {
            tokio::spawn({
                let lm = lm.clone();
                async move { text(&lm).await }
            })
        })
        .collect();
    sleep(millis(1500)).await;
    for _ in 0..5 {
        assert_eq!(text(&lm).await, "fast");
    }
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!((slow.calls(), fast.calls()), (1, 6));
}

#[tokio::test(start_paused = true)]
async fn a_failing_endpoint_cools_down_longer_and_longer_and_the_next_one_is_asked() {
    let (down, good) = (down(), endpoint("good", Duration::ZERO));
    let lm = Lm::pool([down.lm(), good.lm()]);
    let response = lm.complete(hi("x")).await.unwrap();
    assert_eq!((response.usage.calls, response.model.as_deref()), (2, Some("good")));
    let start = Instant::now();
    let mut asked = Vec::new();
    for _ in 0..2000 {
        let before = down.calls();
        text(&lm).await;
        if down.calls() > before {
            asked.push(start.elapsed().as_secs());
        }
        advance(SECOND).await;
    }
    // 10, 20, 40, 80, 160, then 300 s each time, with a second's tolerance for the turns.
    let pauses: Vec<_> =
        std::iter::once(&0).chain(&asked).zip(&asked).map(|(before, after)| after - before).collect();
    assert_eq!(pauses.len(), 10, "{pauses:?}");
    for (pause, expected) in pauses.iter().zip([10, 20, 40, 80, 160, 300, 300, 300, 300, 300]) {
        assert!((expected..=expected + 1).contains(pause), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cooldown_is_as_long_as_the_server_asked_and_ends_with_an_answer() {
    let recovering = ScriptedLm::new([
        Reply::error(Error::new(ErrorKind::RateLimited, "slow down").with_retry_after(SECOND * 3)),
        Reply::text("back"),
        Reply::text("back"),
    ]);
    let good = endpoint("good", Duration::ZERO);
    let lm = Lm::pool([recovering.lm(), good.lm()]);
    for _ in 0..5 {
        assert_eq!(text(&lm).await, "good");
    }
    advance(SECOND * 3).await;
    let answers = [text(&lm).await, text(&lm).await, text(&lm).await];
    assert_eq!(
        answers.iter().filter(|answer| *answer == "back").count(),
        1 + usize::from(answers[0] == "back")
    );
}

#[tokio::test(start_paused = true)]
async fn simultaneous_failures_count_once() {
    let down = ScriptedLm::computed(|_| failure(ErrorKind::Server).delay(millis(10)));
    let lm = Lm::pool([down.lm(), endpoint("good", millis(10)).lm()]);
    let calls: Vec<_> = (0..40)
        .map(|_| {
            tokio::spawn({
                let lm = lm.clone();
                async move { text(&lm).await }
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "good");
    }
    let before = down.calls();
    advance(SECOND * 10).await;
    text(&lm).await;
    text(&lm).await;
    assert_eq!(down.calls(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_to_each_endpoint_at_most_once_even_if_all_cool_down() {
    let downs = [down(), down(), down()];
    let lm = Lm::pool(downs.each_ref().map(ScriptedLm::lm));
    for round in 1..=3 {
        let error = lm.complete(hi("x")).await.unwrap_err();
        assert!(error.is_server() && error.to_string().contains("(3) scripted Server"), "{error}");
        assert_eq!(downs.each_ref().map(ScriptedLm::calls), [round; 3]);
    }
    let strict = Pool::new(downs.each_ref().map(ScriptedLm::lm)).strict(true).lm();
    assert!(strict.complete(hi("x")).await.is_err());
    advance(SECOND * 4).await;
    let error = strict.complete(hi("x")).await.unwrap_err();
    assert!(error.is_server() && error.to_string().contains("all endpoints cool down"), "{error}");
    assert_eq!((error.retry_after(), downs[0].calls()), (Some(SECOND * 6), 4));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_request_goes_to_the_caller_and_cools_nothing_down() {
    for kind in [ErrorKind::BadRequest, ErrorKind::ContextLength, ErrorKind::Refused, ErrorKind::Filtered] {
        let (first, second) =
            (ScriptedLm::computed(move |_| failure(kind)), endpoint("good", Duration::ZERO));
        let lm = Lm::pool([first.lm(), second.lm()]);
        assert_eq!(lm.complete(hi("x")).await.unwrap_err().kind(), kind);
        text(&lm).await;
        assert!(lm.complete(hi("x")).await.is_err());
        assert_eq!((first.calls(), second.calls()), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_asks_a_second_endpoint_and_drops_the_one_that_lost() {
    let slow = Watched::new(endpoint("slow", SECOND * 60));
    let lm = Pool::new([slow.lm(), endpoint("fast", SECOND).lm()]).hedge(SECOND * 2).lm();
    let start = Instant::now();
    let response = lm.complete(hi("x")).await.unwrap();
    assert_eq!((&*response.completions[0].text, start.elapsed()), ("fast", SECOND * 3));
    assert_eq!((response.usage.calls, slow.in_flight(), slow.dropped()), (2, 0, 1));

    // The first endpoint may still win, and if it is fast enough, no second one is asked.
    for (delay, calls) in [(SECOND * 3, 2), (SECOND, 1)] {
        let slower = Watched::new(endpoint("slower", SECOND * 60));
        let lm = Pool::new([endpoint("first", delay).lm(), slower.lm()]).hedge(SECOND * 2).lm();
        let response = lm.complete(hi("x")).await.unwrap();
        assert_eq!((&*response.completions[0].text, response.usage.calls), ("first", calls));
        assert_eq!(slower.dropped() as u64, calls - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_fails_leaves_the_first_one_running() {
    let lm = Pool::new([endpoint("slow", SECOND * 5).lm(), down().lm()]).hedge(SECOND).lm();
    let start = Instant::now();
    let response = lm.complete(hi("x")).await.unwrap();
    assert_eq!((&*response.completions[0].text, start.elapsed()), ("slow", SECOND * 5));
    assert_eq!(response.usage.calls, 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_streams_only_the_first_to_send_is_passed_on() {
    let stream = |name: &str, delay| {
        let pieces = [format!("{name}1"), format!("{name}2"), format!("{name}3")];
        ScriptedLm::computed(move |_| Reply::pieces(pieces.clone()).delay(delay).pace(SECOND))
    };
    for (first, second, expected, calls) in [(5, 0, "b1b2b3", 2), (4, 3, "a1a2a3", 2), (1, 0, "a1a2a3", 1)] {
        let (a, b) = (stream("a", SECOND * first), stream("b", SECOND * second));
        let lm = Pool::new([a.lm(), b.lm()]).hedge(millis(2500)).lm();
        let mut heard = String::new();
        let sink = &mut |delta: Delta<'_>| heard += delta.text;
        let response = lm.stream_for(Caller::new("me", CallerId::unique()), hi("x"), sink).await.unwrap();
        assert_eq!((&*response.completions[0].text, &*heard), (expected, expected));
        assert_eq!(response.usage.calls, calls, "{expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_after_its_first_part_is_not_asked_for_again() {
    let broken = ScriptedLm::computed(|_| Reply::pieces(["a"]).cut(Error::new(ErrorKind::Connect, "cut")));
    let good = endpoint("good", Duration::ZERO);
    let lm = Lm::pool([broken.lm(), good.lm()]);
    let mut heard = String::new();
    let sink = &mut |delta: Delta<'_>| heard += delta.text;
    let error = lm.stream_for(Caller::new("me", CallerId::unique()), hi("x"), sink).await.unwrap_err();
    assert_eq!((error.kind(), &*heard, good.calls()), (ErrorKind::Connect, "a", 0));
}
