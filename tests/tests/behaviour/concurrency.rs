//! Concurrent rollouts, deadlines, and what is dropped and counted when a call ends early.

use std::{
    future::Future,
    task::{Context, Waker},
    time::Duration,
};

use karat::{BestOfN, ErrorKind, Module, Predict, Refine, Reply, Rollout, ScriptedLm, Stop, lm::Usage};
use tokio::time::{Instant, timeout};

use crate::support::{
    Qa, TwoSteps, Watched, answers, ask, by_rollout, chosen, failure, ids, millis, number, reply, rewards,
    server_error, tokens,
};

/// Answers with the rollout's id after this many milliseconds.
fn after(delays: &'static [u64]) -> Watched {
    Watched::new(by_rollout(|id| {
        reply(&id.to_string()).usage(tokens(10, 1)).delay(millis(delays[id as usize]))
    }))
}

fn qa(lm: &Watched) -> Predict<Qa> {
    Predict::new().lm(&lm.lm())
}

fn cancelled(rollouts: &[Rollout]) -> Vec<usize> {
    let cancelled = rollouts.iter().filter(|rollout| rollout.is_cancelled());
    cancelled.map(Rollout::index).collect()
}

#[tokio::test(start_paused = true)]
async fn c_rollouts_are_in_flight_and_never_more() {
    for (concurrency, expected, time) in [(1, 1, 60), (2, 2, 30), (3, 3, 20), (6, 6, 10), (100, 6, 10)] {
        let lm = after(&[10; 6]);
        let start = Instant::now();
        let best = BestOfN::new(qa(&lm), 6, number).concurrency(concurrency);
        let best = best.call(ask()).await.unwrap();
        assert_eq!(lm.most_in_flight(), expected);
        assert_eq!(start.elapsed(), millis(time), "{concurrency} at once");
        assert_eq!((best.rollouts().len(), lm.dropped()), (6, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_free_is_used_at_once() {
    // One slow rollout beside three fast ones: 30 ms, not 30 + 10.
    let lm = after(&[30, 10, 10, 10]);
    let start = Instant::now();
    BestOfN::new(qa(&lm), 4, number).concurrency(2).call(ask()).await.unwrap();
    assert_eq!(start.elapsed(), millis(30));
}

#[tokio::test(start_paused = true)]
async fn the_first_to_pass_the_threshold_drops_the_others_on_the_wire() {
    let lm = after(&[500, 20, 500, 500]);
    let start = Instant::now();
    let best = BestOfN::new(qa(&lm), 4, |_, p| p.answer == "1").threshold(1.0).concurrency(3);
    let best = best.call(ask()).await.unwrap();
    assert_eq!(start.elapsed(), millis(20));
    assert_eq!((best.answer.as_str(), best.stop_reason()), ("1", Some(Stop::Threshold)));
    assert_eq!((lm.dropped(), lm.in_flight()), (2, 0));
    // Rollout 3 never started, so there is nothing to report of it.
    assert_eq!(rewards(best.rollouts()), [None, Some(1.0), None]);
    assert_eq!(cancelled(best.rollouts()), [0, 2]);
    assert_eq!(best.rollouts()[0].elapsed(), millis(20));
    assert!(best.rollouts()[0].to_string().contains("cancelled"), "{}", best.rollouts()[0]);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_has_not_begun_when_another_passes_does_not_begin() {
    let lm = ScriptedLm::computed(|_| reply("1"));
    let predict = Predict::<Qa>::new().lm(&lm.lm());
    let best = BestOfN::new(predict, 5, number).threshold(1.0).concurrency(5).call(ask()).await.unwrap();
    assert_eq!((best.usage().calls, lm.calls()), (1, 1), "nothing else is paid");
    assert_eq!(best.rollouts().len(), 1, "there is nothing to report of the others");
}

#[tokio::test]
async fn the_usage_of_a_dropped_rollout_is_reported_and_summed() {
    // Rollout 0 is fast in both steps; rollout 1 has paid for its first step when it is dropped in its second.
    let query = by_rollout(|_| Reply::fields([("query", "q")]).usage(tokens(100, 10)).delay(millis(10)));
    let answer = by_rollout(|id| {
        let fields = Reply::fields([("reasoning", "r".to_owned()), ("answer", id.to_string())]);
        fields.usage(tokens(7, 1)).delay(millis(if id == 0 { 10 } else { 100 }))
    });
    let mut steps = TwoSteps::new();
    steps.query = steps.query.lm(&query.lm());
    steps.answer = steps.answer.lm(&answer.lm());
    let best = BestOfN::new(steps, 2, |_, _| true).threshold(1.0).concurrency(2);
    let best = best.call(ask()).await.unwrap();
    let dropped = &best.rollouts()[1];
    assert!(dropped.is_cancelled());
    assert_eq!(dropped.usage().total_tokens(), 110);
    assert_eq!(best.usage().total_tokens(), 110 + 110 + 8);
    // Every call is counted; the tokens of the dropped one are unknown.
    assert_eq!((dropped.usage().calls, best.usage().calls), (2, 4));
    assert_eq!(query.calls() + answer.calls(), 4);
}

#[tokio::test]
async fn the_usage_is_the_sum_over_all_rollouts() {
    let lm = ScriptedLm::new([
        reply("1").usage(tokens(1, 10)),
        // An unreadable answer: the fallback's call costs too.
        Reply::text("no fields").usage(tokens(2, 20)),
        reply("2").usage(tokens(4, 40)),
        reply("x").usage(tokens(8, 80)),
        server_error(),
    ]);
    let best = BestOfN::new(crate::support::qa(&lm), 4, number).call(ask()).await.unwrap();
    let all = Usage::new().calls(5).prompt_tokens(15).completion_tokens(150);
    assert_eq!(best.usage(), all);
    assert_eq!(best.rollouts().iter().map(Rollout::usage).sum::<Usage>(), all);
    assert_eq!(best.rollouts()[1].usage().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_ends_the_call_drops_the_others_and_reports_them() {
    let lm = Watched::new(by_rollout(|id| match id {
        1 => failure(ErrorKind::Auth).delay(millis(5)),
        _ => reply("1").delay(millis(50)),
    }));
    let error = BestOfN::new(qa(&lm), 4, number).concurrency(3).call(ask()).await.unwrap_err();
    assert!(error.is_auth());
    assert_eq!((lm.dropped(), lm.in_flight()), (2, 0));
    assert_eq!(cancelled(error.rollouts()), [0, 2]);
}

#[tokio::test(start_paused = true)]
async fn failures_in_any_order_of_arrival_are_counted() {
    let lm = Watched::new(by_rollout(|id| match id {
        0 => reply("1").delay(millis(30)),
        1 => server_error().delay(millis(20)),
        _ => server_error().delay(millis(10)),
    }));
    let best = BestOfN::new(qa(&lm), 3, number).concurrency(3);
    assert_eq!(best.clone().fail_count(2).call(ask()).await.unwrap().answer, "1");
    let error = best.fail_count(1).call(ask()).await.unwrap_err();
    assert!(error.is_exhausted());
    assert_eq!(cancelled(error.rollouts()), [0]);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_best_so_far_is_returned_and_marked() {
    let lm = after(&[10, 20, 500, 500]);
    let start = Instant::now();
    let best = BestOfN::new(qa(&lm), 4, number).threshold(9.0).concurrency(4).deadline(millis(100));
    let best = best.call(ask()).await.unwrap();
    assert_eq!(start.elapsed(), millis(100));
    assert_eq!((best.answer.as_str(), best.stop_reason()), ("1", Some(Stop::Deadline)));
    assert_eq!(chosen(best.rollouts()), [1]);
    assert_eq!(cancelled(best.rollouts()), [2, 3]);
    assert_eq!((lm.dropped(), lm.in_flight()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_is_done_at_the_deadline_counts() {
    let lm = after(&[100, 100]);
    let best = BestOfN::new(qa(&lm), 2, number).concurrency(2).deadline(millis(100));
    assert_eq!(rewards(best.call(ask()).await.unwrap().rollouts()), [Some(0.0), Some(1.0)]);
}

#[tokio::test(start_paused = true)]
async fn if_no_rollout_is_done_by_the_deadline_it_is_a_timeout_with_the_report() {
    for concurrency in [1, 3] {
        let lm = after(&[500; 3]);
        let best = BestOfN::new(qa(&lm), 3, number).concurrency(concurrency).deadline(millis(100));
        let error = best.call(ask()).await.unwrap_err();
        assert!(error.is_timeout() && !error.is_exhausted(), "{error}");
        assert_eq!(cancelled(error.rollouts()), (0..concurrency).collect::<Vec<_>>());
        assert_eq!(error.rollouts()[0].elapsed(), millis(100));
        assert_eq!(lm.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn failures_before_the_deadline_are_causes_of_the_timeout() {
    let lm = by_rollout(|id| if id == 0 { server_error() } else { reply("1").delay(millis(500)) });
    let error =
        BestOfN::new(crate::support::qa(&lm), 3, number).deadline(millis(100)).call(ask()).await.unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("scripted Server"), "{error}");
    assert_eq!(error.rollouts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_far_or_endless_changes_nothing() {
    for deadline in [Duration::from_secs(3600), Duration::MAX] {
        let best = BestOfN::new(qa(&after(&[10, 10])), 2, number).deadline(deadline);
        assert_eq!(best.call(ask()).await.unwrap().stop_reason(), Some(Stop::Completed));
    }
}

/// Advances the clock without waiting, like blocking work.
fn work(time: Duration) {
    let mut passing = std::pin::pin!(tokio::time::advance(time));
    // The first poll moves the clock; the rest only yields.
    let _ = passing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

#[tokio::test(start_paused = true)]
async fn no_rollout_starts_after_the_deadline_even_if_none_ever_waits() {
    let best = BestOfN::new(crate::support::qa(&answers(["1"; 9])), 9, |input, p| {
        work(millis(40));
        (number(input, p), "more")
    });
    let best = best.deadline(millis(100)).call(ask()).await.unwrap();
    assert_eq!((best.rollouts().len(), best.stop_reason()), (3, Some(Stop::Deadline)));

    let refine = Refine::new(crate::support::qa(&answers(["1"; 9])), 9, |input, p| {
        work(millis(40));
        (number(input, p), "more")
    });
    let best = refine.deadline(millis(100)).call(ask()).await.unwrap();
    assert_eq!((best.rollouts().len(), best.stop_reason()), (3, Some(Stop::Deadline)));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_0_is_a_timeout_before_any_lm_call() {
    let lm = after(&[10; 2]);
    assert!(
        BestOfN::new(qa(&lm), 2, number).deadline(Duration::ZERO).call(ask()).await.unwrap_err().is_timeout()
    );
    assert!(
        Refine::new(qa(&lm), 2, number).deadline(Duration::ZERO).call(ask()).await.unwrap_err().is_timeout()
    );
    assert_eq!(lm.most_in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_drops_the_lm_calls() {
    let lm = after(&[500; 3]);
    let best = BestOfN::new(qa(&lm), 3, number).concurrency(3);
    assert!(timeout(millis(50), best.call(ask())).await.is_err());
    assert_eq!((lm.most_in_flight(), lm.dropped(), lm.in_flight()), (3, 3, 0));

    let lm = after(&[500; 3]);
    let refine = Refine::new(qa(&lm), 3, number);
    assert!(timeout(millis(50), refine.call(ask())).await.is_err());
    assert_eq!((lm.dropped(), lm.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_after_a_dropped_one_behaves_as_the_first() {
    let lm = Watched::new(by_rollout(|id| reply(&id.to_string()).delay(millis(20))));
    let best = BestOfN::new(qa(&lm), 2, number).fail_count(0).concurrency(2);
    assert!(timeout(millis(10), best.call(ask())).await.is_err());
    let prediction = best.call(ask()).await.unwrap();
    assert_eq!((prediction.answer.as_str(), prediction.usage().calls), ("1", 2));
}

#[tokio::test(start_paused = true)]
async fn refine_keeps_the_best_so_far_at_its_deadline() {
    // The reward's text is the advice, so that only rollouts take time.
    let lm = after(&[10, 10, 500]);
    let refine = Refine::new(qa(&lm), 3, |input, p| (-number(input, p), "less"));
    let best = refine.deadline(millis(100)).call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), best.stop_reason()), ("0", Some(Stop::Deadline)));
    assert_eq!(cancelled(best.rollouts()), [2]);
    assert_eq!((lm.dropped(), lm.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn refine_that_meets_its_deadline_in_the_advice_call_keeps_the_best_so_far() {
    let critic = Watched::new(ScriptedLm::computed(|_| reply("never").delay(millis(500))));
    let lm = answers(["1", "2"]);
    let refine = Refine::new(crate::support::qa(&lm), 2, number).feedback_lm(critic.lm());
    let best = refine.deadline(millis(100)).call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), best.stop_reason()), ("1", Some(Stop::Deadline)));
    assert_eq!((critic.dropped(), ids(&lm)), (1, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn refine_whose_first_rollout_is_slower_than_the_deadline_is_a_timeout() {
    let error =
        Refine::new(qa(&after(&[500; 3])), 3, number).deadline(millis(100)).call(ask()).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(cancelled(error.rollouts()), [0]);
}
