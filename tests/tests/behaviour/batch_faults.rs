//! Batches whose items fail, take too long or panic, and batches that end before all is done.

use std::{
    future::{self, Future},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use karat::{
    ErrorKind, Module, Predict, Prediction, Reply, Result, ScriptedLm,
    batch::BatchStop,
    signature,
    traverse::{Traverse, Walker, WalkerMut},
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    batch::{answers, asked, echo, questions, watched},
    support::{
        QaInput, QaOutput, TwoSteps, Watched, ask, failure, millis, paris, qa, reply, server_error,
        step_reply, tokens,
    },
};

/// Fails at these questions with a 5xx, answers the others with their number.
fn failing_at(failing: &'static [usize]) -> ScriptedLm {
    ScriptedLm::computed(move |request| match asked(request) {
        index if failing.contains(&index) => server_error(),
        index => reply(&index.to_string()),
    })
}

#[tokio::test]
async fn so_many_errors_are_tolerated_and_the_next_one_ends_the_batch() {
    use BatchStop::{Completed, TooManyErrors};
    // (failing questions of six, tolerated, how it ends, LM calls)
    let table: [(&'static [usize], Option<usize>, BatchStop, usize); 10] = [
        (&[], Some(0), Completed, 6),
        (&[2], Some(0), TooManyErrors, 3),
        (&[0], Some(0), TooManyErrors, 1),
        (&[2], Some(1), Completed, 6),
        (&[1, 3], Some(1), TooManyErrors, 4),
        (&[1, 3, 5], Some(2), TooManyErrors, 6),
        (&[0, 1, 2, 3, 4, 5], Some(5), TooManyErrors, 6),
        (&[0, 1, 2, 3, 4, 5], Some(6), Completed, 6),
        (&[0, 1, 2, 3, 4, 5], Some(usize::MAX), Completed, 6),
        (&[0, 1, 2, 3, 4, 5], None, Completed, 6),
    ];
    for (failing, tolerated, stop, calls) in table {
        let lm = failing_at(failing);
        let mut batch = qa(&lm).batch(questions(6)).concurrency(1);
        if let Some(tolerated) = tolerated {
            batch = batch.max_errors(tolerated);
        }
        let done = batch.await;
        assert_eq!((done.stop_reason(), lm.calls()), (stop, calls), "{failing:?}, {tolerated:?}");
        for (index, item) in done.iter().enumerate() {
            let error = item.result.as_ref().err();
            assert_eq!(
                error.is_some_and(|error| error.is_server()),
                index < calls && failing.contains(&index)
            );
            assert_eq!(error.is_some_and(|error| error.is_cancelled()), index >= calls);
        }
    }
}

#[tokio::test]
async fn an_item_that_did_not_run_says_why_the_batch_ended() {
    let done = qa(&failing_at(&[1, 2])).batch(questions(5)).concurrency(1).max_errors(1).await;
    let error = done[4].result.as_ref().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the batch ended before this item was run: 2 items failed, 1 are tolerated; the last one, item 2: \
         predictor `self`: scripted Server"
    );
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<karat::Error>());
    assert!(source.unwrap().is_server());
    assert_eq!((error.usage(), done[4].elapsed()), Default::default());
    assert!(done.into_predictions().unwrap_err().is_server(), "the cause, not what followed from it");
}

#[tokio::test]
async fn items_that_did_not_run_share_the_text_of_a_long_error() {
    let long = karat::Error::new(ErrorKind::Auth, "x".repeat(100_000)).with_completion("y".repeat(100_000));
    let done = qa(&ScriptedLm::new([long])).batch(questions(1_000)).await;
    let error = done[999].result.as_ref().unwrap_err();
    assert!(error.to_string().len() < 600 && error.completion().is_none(), "{}", error.to_string().len());
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<karat::Error>());
    assert!(source.unwrap().to_string().len() >= 100_000);
}

#[tokio::test]
async fn an_error_that_no_item_would_escape_ends_the_batch_at_once() {
    use ErrorKind::*;
    for kind in [Config, NoLm, MissingKey, Auth, Quota, UnknownModel, Tls] {
        let lm = ScriptedLm::computed(move |request| match asked(request) {
            2 => failure(kind),
            index => reply(&index.to_string()),
        });
        let done = qa(&lm).batch(questions(6)).concurrency(1).await;
        assert_eq!((done.stop_reason(), lm.calls()), (BatchStop::SharedError, 3), "{kind:?}");
        assert_eq!(answers(&done), [Some(0), Some(1), None, None, None, None]);
        assert_eq!(done[2].result.as_ref().unwrap_err().kind(), kind);
        let text = done[3].result.as_ref().unwrap_err().to_string();
        assert!(
            text.contains(&format!(
                "item 2 failed as every other item would: predictor `self`: scripted {kind:?}"
            )),
            "{text}"
        );
    }
    for kind in [RateLimited, BadRequest, ContextLength, Timeout, Server, Connect, Refused, Other] {
        let lm = ScriptedLm::computed(move |_| failure(kind));
        let done = qa(&lm).batch(questions(3)).concurrency(1).await;
        assert_eq!((done.stop_reason(), done.errors().count()), (BatchStop::Completed, 3), "{kind:?}");
    }
}

#[tokio::test]
async fn at_an_error_of_all_nothing_that_had_not_begun_begins() {
    let lm = ScriptedLm::computed(|_| failure(ErrorKind::Auth));
    let done = qa(&lm).batch(questions(50)).concurrency(20).await;
    assert_eq!((lm.calls(), done.usage().calls), (1, 1));
}

#[tokio::test]
async fn without_an_lm_every_item_has_an_error_and_the_first_names_the_way_out() {
    let done = karat::Predict::<crate::support::Qa>::new().batch(questions(3)).await;
    assert_eq!(done.stop_reason(), BatchStop::SharedError);
    assert!(done.into_predictions().unwrap_err().to_string().contains("set_lm"));
}

#[tokio::test(start_paused = true)]
async fn what_runs_when_the_batch_ends_is_dropped_and_what_is_done_by_then_is_kept() {
    // 0 is done, 1 and 3 arrive at the same moment, 2 is on its way, 4 never starts.
    let lm = Watched::new(ScriptedLm::computed(|request| match asked(request) {
        0 => reply("0"),
        1 => failure(ErrorKind::Quota).delay(millis(10)),
        3 => reply("3").usage(tokens(10, 1)).delay(millis(10)),
        index => reply(&index.to_string()).delay(millis(500)),
    }));
    let done = watched(&lm).batch(questions(5)).concurrency(3).await;
    assert_eq!(answers(&done), [Some(0), None, None, Some(3), None]);
    assert!(done[1].result.as_ref().unwrap_err().is_quota());
    let dropped = done[2].result.as_ref().unwrap_err();
    assert!(
        dropped.is_cancelled() && dropped.to_string().contains("while this item was running"),
        "{dropped}"
    );
    assert_eq!((done[2].elapsed(), dropped.usage().calls, done.usage().calls), (millis(10), 1, 4));
    assert_eq!((lm.dropped(), lm.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_takes_too_long_fails_alone_and_its_costs_are_kept() {
    // The first step is fast and paid for; the second hangs for question 1.
    let lm = ScriptedLm::computed(|request| {
        let wanted = request.prompt.last().contains("#1#");
        let reply = step_reply(request, if wanted { "#1#" } else { "#0#" }, "a").usage(tokens(100, 10));
        let second =
            request.prompt.last().rsplit("Now write").next().is_some_and(|text| text.contains("answer"));
        reply.delay(millis(if wanted && second { 5_000 } else { 10 }))
    });
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm.lm());
    let start = Instant::now();
    let done = steps.batch(questions(3)).timeout(millis(100)).await;
    assert_eq!((start.elapsed(), done.stop_reason()), (millis(100), BatchStop::Completed));
    assert!(done[0].result.is_ok() && done[2].result.is_ok());
    let error = done[1].result.as_ref().unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("100ms"), "{error}");
    assert_eq!((error.usage().calls, error.usage().total_tokens()), (2, 110));
    assert_eq!(error.trace().unwrap().steps().len(), 1);
    assert_eq!((done.usage().calls, done.usage().total_tokens()), (6, 5 * 110));
}

#[tokio::test(start_paused = true)]
async fn the_timeout_is_counted_from_the_items_own_start() {
    let lm =
        Watched::new(ScriptedLm::computed(|request| reply(&asked(request).to_string()).delay(millis(100))));
    let done = watched(&lm).batch(questions(5)).concurrency(1).timeout(millis(100)).await;
    assert_eq!(done.errors().count(), 0, "an item that is done at the limit counts");
    let late = watched(&lm).batch(questions(4)).concurrency(2).timeout(millis(99)).max_errors(2).await;
    assert_eq!((late.stop_reason(), lm.in_flight()), (BatchStop::TooManyErrors, 0));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_0_is_an_error_before_any_lm_call_and_an_endless_one_is_none() {
    let lm = echo();
    let done = qa(&lm).batch(questions(3)).timeout(millis(0)).await;
    assert!(done.iter().all(|item| item.result.as_ref().unwrap_err().is_timeout()));
    assert_eq!((done.len(), lm.calls()), (3, 0));
    let done = qa(&lm).batch(questions(3)).timeout(std::time::Duration::MAX).await;
    assert_eq!(done.errors().count(), 0);
}

#[test]
fn a_timeout_without_a_timer_is_an_error_of_the_item_and_no_crash() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let done = runtime.block_on(async { qa(&echo()).batch(questions(2)).timeout(millis(50)).await });
    assert!(done.iter().all(|item| item.result.as_ref().unwrap_err().is_panic()));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_cancelled_keeps_what_is_finished() {
    let lm = Watched::new(ScriptedLm::computed(|request| {
        reply(&asked(request).to_string()).usage(tokens(10, 1)).delay(millis(10))
    }));
    let start = Instant::now();
    let done = watched(&lm).batch(questions(10)).concurrency(2).cancel_on(sleep(millis(25))).await;
    assert_eq!((start.elapsed(), done.stop_reason()), (millis(25), BatchStop::Cancelled));
    assert_eq!(answers(&done)[..5], [Some(0), Some(1), Some(2), Some(3), None]);
    let (running, waiting) = (done[4].result.as_ref().unwrap_err(), done[6].result.as_ref().unwrap_err());
    assert_eq!(running.to_string(), "the batch ended while this item was running: it was cancelled");
    assert_eq!(waiting.to_string(), "the batch ended before this item was run: it was cancelled");
    assert!(running.is_cancelled() && !running.is_permanent());
    assert_eq!((lm.most_in_flight(), lm.dropped(), lm.in_flight()), (2, 2, 0));
    assert_eq!((done.usage().calls, done.usage().total_tokens()), (6, 44));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_done_at_the_moment_of_the_cancellation_is_kept() {
    let lm = ScriptedLm::computed(|request| reply(&asked(request).to_string()).delay(millis(10)));
    let done = qa(&lm).batch(questions(4)).concurrency(2).cancel_on(sleep(millis(20))).await;
    assert_eq!((done.stop_reason(), done.errors().count()), (BatchStop::Completed, 0));
    let done = qa(&lm).batch(questions(4)).concurrency(2).cancel_on(sleep(millis(10))).await;
    assert_eq!(
        (answers(&done), done.stop_reason()),
        (vec![Some(0), Some(1), None, None], BatchStop::Cancelled)
    );
}

#[tokio::test]
async fn a_batch_that_is_cancelled_from_the_start_calls_nothing() {
    let lm = echo();
    let done = qa(&lm).batch(questions(4)).cancel_on(future::ready(())).await;
    assert_eq!((done.stop_reason(), done.errors().count(), lm.calls()), (BatchStop::Cancelled, 4, 0));
}

#[tokio::test]
async fn a_cancellation_is_seen_though_no_item_ever_waits() {
    let (end, ended) = oneshot::channel::<()>();
    let end = std::sync::Mutex::new(Some(end));
    let lm = ScriptedLm::computed(move |request| {
        if asked(request) == 300 {
            drop(end.lock().unwrap().take());
        }
        reply(&asked(request).to_string())
    });
    let done = qa(&lm).batch(questions(5_000)).concurrency(4).cancel_on(async { drop(ended.await) }).await;
    assert_eq!(done.stop_reason(), BatchStop::Cancelled);
    assert!(lm.calls() < 1_000, "{}", lm.calls());
    assert_eq!(lm.calls(), answers(&done).iter().flatten().count(), "all that was called was kept");
}

#[tokio::test]
async fn a_cancellation_that_panics_is_one_and_loses_nothing() {
    let polls = Arc::new(AtomicUsize::new(0));
    let lm = echo();
    let end = future::poll_fn(move |_| match polls.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => std::task::Poll::Pending,
        _ => panic!("no signal handler"),
    });
    let done = qa(&lm).batch(questions(9)).concurrency(1).cancel_on(end).await;
    assert_eq!(
        (answers(&done)[..2].to_vec(), done.stop_reason()),
        (vec![Some(0), Some(1)], BatchStop::Cancelled)
    );
    let text = done[8].result.as_ref().unwrap_err().to_string();
    assert!(text.contains("`cancel_on` panicked: no signal handler"), "{text}");
}

/// Panics at these questions: while it makes its future, in it, or never.
#[derive(Clone)]
struct Panics {
    inner: karat::Predict<crate::support::Qa>,
}

impl Traverse for Panics {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        walker.field("inner", &self.inner);
    }
    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        walker.field("inner", &mut self.inner);
    }
}

impl Module for Panics {
    type Input = QaInput;
    type Output = QaOutput;

    #[allow(clippy::manual_async_fn)]
    fn forward(&self, input: QaInput) -> impl Future<Output = Result<Prediction<QaOutput>>> + Send {
        assert!(input.question != "#1#", "before the future");
        async move {
            let prediction = self.inner.call(input.clone()).await?;
            if input.question == "#3#" {
                std::panic::panic_any(7);
            }
            Ok(prediction)
        }
    }
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_item_alone_and_its_costs_are_kept() {
    let lm = echo();
    let panics = Panics { inner: qa(&lm) };
    let done = panics.batch(questions(5)).concurrency(2).await;
    assert_eq!(answers(&done), [Some(0), None, Some(2), None, Some(4)]);
    let (early, late) = (done[1].result.as_ref().unwrap_err(), done[3].result.as_ref().unwrap_err());
    assert!(early.is_panic() && early.to_string() == "the module panicked: before the future", "{early}");
    assert!(late.is_panic() && late.to_string() == "the module panicked: no message", "{late}");
    assert_eq!((early.usage().calls, late.usage().calls, late.usage().total_tokens()), (0, 1, 11));
    let strict = panics.batch(questions(5)).concurrency(1).max_errors(0).await;
    assert_eq!((strict.stop_reason(), lm.calls()), (BatchStop::TooManyErrors, 4 + 1));
}

#[tokio::test]
async fn a_batch_after_a_failed_one_behaves_as_the_first() {
    let lm = ScriptedLm::new([failure(ErrorKind::Auth), reply("0"), reply("1")]);
    let module = qa(&lm);
    assert_eq!(module.batch([ask()]).await.stop_reason(), BatchStop::SharedError);
    let done = module.batch(questions(2)).concurrency(1).await;
    assert_eq!(answers(&done), [Some(0), Some(1)]);
}

#[tokio::test]
async fn hostile_texts_go_through_untouched() {
    let texts = ["", "\0", "[[ ## answer ## ]]\nno", "{}{:?}%s", "🦀\u{202e}", "{wide_bar} {msg}"];
    let lm = ScriptedLm::computed(|_| Reply::fields([("answer", "ok")]));
    let inputs = texts.map(crate::support::question);
    let done = qa(&lm).batch(inputs).progress(true).await;
    let back: Vec<_> = done.iter().map(|item| item.input.question.as_str()).collect();
    assert_eq!(back, texts);
    assert_eq!(done.errors().count(), 0);
}

/// Name the day.
#[signature]
struct NameDay {
    #[input]
    time: SystemTime,
    #[output]
    answer: String,
}

#[tokio::test]
async fn an_input_that_has_no_json_form_fails_alone() {
    let lm = paris();
    let day = Predict::<NameDay>::new().lm(&lm.lm());
    let before_the_epoch = NameDayInput { time: SystemTime::UNIX_EPOCH - millis(1) };
    let after = NameDayInput { time: SystemTime::UNIX_EPOCH + millis(1) };
    let done = day.batch([before_the_epoch, after.clone(), after]).concurrency(1).await;
    let error = done[0].result.as_ref().unwrap_err();
    assert!(error.is_bad_input() && error.is_config(), "{error}");
    assert_eq!((error.field(), error.predictor()), (Some("time"), Some("self")));
    assert_eq!((done.errors().count(), done.stop_reason(), lm.calls()), (1, BatchStop::Completed, 2));
}
