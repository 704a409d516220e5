//! The usage has every call that was paid for, even if its outcome is an error.

use karat::{
    BestOfN, Budget, Cache, Error, ErrorKind, Lm, Module, OnParseError, Predict, Refine, Reply, Retry,
    ScriptedLm, Usage,
    lm::{Finish, Pool, Price, Prices, Replay},
    stream::StreamEvent,
};

use crate::support::{Qa, TwoSteps, ask, hi, millis, number, question, reply, tokens};

/// A failure whose tokens the server reported.
fn paid(kind: ErrorKind) -> Reply {
    Reply::error(Error::new(kind, "no").with_usage(tokens(5, 6)))
}

fn failing(kind: ErrorKind) -> ScriptedLm {
    ScriptedLm::computed(move |_| paid(kind))
}

fn fails(lm: &Lm) -> Predict<Qa> {
    Predict::new().on_parse_error(OnParseError::Fail).lm(lm)
}

fn times(usage: Usage, times: u64) -> Usage {
    std::iter::repeat_n(usage, times.try_into().unwrap()).sum()
}

#[tokio::test]
async fn the_error_of_a_predictor_has_the_cost_of_its_calls() {
    let answers = |reply: Reply| ScriptedLm::computed(move |_| reply.clone().usage(tokens(5, 6)));
    for lm in [
        failing(ErrorKind::Filtered),
        failing(ErrorKind::BadResponse),
        failing(ErrorKind::Server),
        answers(Reply::text("no form at all")),
        answers(Reply::text("")),
        answers(Reply::refusal("I can't")),
        answers(Reply::text("cut").finish(Finish::Length)),
        answers(Reply::text("held back").finish(Finish::ContentFilter)),
    ] {
        let qa = fails(&lm.lm());
        let error = qa.call(ask()).await.unwrap_err();
        assert_eq!(error.usage(), tokens(5, 6), "{error}");
        assert_eq!(error.trace().unwrap().steps()[0].calls()[0].usage(), tokens(5, 6), "{error}");
        // Outside of a run nothing else counts.
        assert_eq!(qa.forward(ask()).await.unwrap_err().usage(), tokens(5, 6));
        let mut stream = qa.stream(ask());
        let error = loop {
            match stream.next().await.unwrap() {
                Ok(StreamEvent::Done(_)) => panic!("an answer"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.usage(), tokens(5, 6), "{error}");
    }
}

#[tokio::test]
async fn an_unreadable_answer_and_a_failing_second_one_are_both_paid() {
    let lm = ScriptedLm::new([Reply::text("no form").usage(tokens(3, 4)), paid(ErrorKind::Filtered)]);
    let error = Predict::<Qa>::new().lm(&lm.lm()).call(ask()).await.unwrap_err();
    assert_eq!((error.usage(), lm.calls()), (tokens(8, 10).calls(2), 2), "{error}");
}

#[tokio::test(start_paused = true)]
async fn failed_attempts_are_paid_whether_or_not_a_later_one_succeeds() {
    let retry = || Retry::new().attempts(3);
    let error = failing(ErrorKind::Server).lm().retry(retry()).complete(hi("x")).await.unwrap_err();
    assert_eq!(error.usage(), times(tokens(5, 6), 3));
    let lm = ScriptedLm::new([
        paid(ErrorKind::Server),
        paid(ErrorKind::RateLimited),
        Reply::text("a").usage(tokens(1, 2)),
    ]);
    let response = lm.lm().retry(retry()).complete(hi("x")).await.unwrap();
    assert_eq!(response.usage, tokens(11, 14).calls(3));
    let slow = ScriptedLm::new([paid(ErrorKind::Server), Reply::text("a").delay(millis(60_000))]);
    let error = slow.lm().retry(retry()).deadline(millis(10_000)).complete(hi("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.usage()), (ErrorKind::Timeout, tokens(5, 6).calls(2)));
    let qa = fails(&failing(ErrorKind::Server).lm().retry(retry())).budget(Budget::new().calls(2));
    let error = qa.call(ask()).await.unwrap_err();
    assert_eq!((error.kind(), error.usage()), (ErrorKind::Budget, times(tokens(5, 6), 2)));
}

#[tokio::test]
async fn members_that_fail_before_another_one_answers_are_paid() {
    let good = || ScriptedLm::computed(|_| Reply::text("a").usage(tokens(1, 2)));
    let both = [failing(ErrorKind::BadResponse).lm(), good().lm()];
    for lm in [Lm::fallback(both.clone()), Pool::new(both).lm()] {
        assert_eq!(lm.complete(hi("x")).await.unwrap().usage, tokens(6, 8).calls(2));
    }
    let none = || [failing(ErrorKind::Server).lm(), failing(ErrorKind::BadResponse).lm()];
    for lm in [Lm::fallback(none()), Pool::new(none()).lm()] {
        assert_eq!(lm.complete(hi("x")).await.unwrap_err().usage(), times(tokens(5, 6), 2));
    }
    let refused = [failing(ErrorKind::BadResponse).lm(), failing(ErrorKind::Filtered).lm()];
    for lm in [Lm::fallback(refused.clone()), Pool::new(refused).lm()] {
        assert_eq!(lm.complete(hi("x")).await.unwrap_err().usage(), times(tokens(5, 6), 2));
    }
}

#[tokio::test]
async fn the_reports_of_batches_and_rollouts_have_the_cost_of_failures() {
    let lm = failing(ErrorKind::Filtered);
    let report = fails(&lm.lm()).batch([ask(), question("b"), question("c")]).await;
    assert_eq!(report.usage(), times(tokens(5, 6), 3));
    assert!(report.iter().all(|item| item.usage() == tokens(5, 6)));

    let best = BestOfN::new(fails(&lm.lm()), 3, number);
    for error in [best.call(ask()).await.unwrap_err(), best.forward(ask()).await.unwrap_err()] {
        assert_eq!(error.usage(), times(tokens(5, 6), 3));
        assert!(error.rollouts().iter().all(|rollout| rollout.usage() == tokens(5, 6)));
    }
    let refine = Refine::new(fails(&lm.lm()), 3, number);
    for error in [refine.call(ask()).await.unwrap_err(), refine.forward(ask()).await.unwrap_err()] {
        assert_eq!(error.usage(), times(tokens(5, 6), 3), "{error}");
    }
    let mixed = ScriptedLm::new([
        paid(ErrorKind::Filtered),
        reply("0.5").usage(tokens(1, 1)),
        paid(ErrorKind::Server),
    ]);
    let best = BestOfN::new(fails(&mixed.lm()), 3, number).call(ask()).await.unwrap();
    assert_eq!(best.usage(), tokens(11, 13).calls(3));
}

#[tokio::test]
async fn a_modules_error_has_the_cost_of_its_failed_step() {
    let query = Reply::fields([("query", "q")]).usage(tokens(1, 1));
    let lm = ScriptedLm::new([query, paid(ErrorKind::Filtered)]);
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm.lm());
    let error = steps.call(ask()).await.unwrap_err();
    assert_eq!((error.usage(), error.predictor()), (tokens(6, 7).calls(2), Some("answer.predict")));
}

#[tokio::test]
async fn failures_use_a_budget_up() {
    let best =
        BestOfN::new(fails(&failing(ErrorKind::Filtered).lm()), 10, number).budget(Budget::new().tokens(30));
    let error = best.call(ask()).await.unwrap_err();
    assert_eq!((error.kind(), error.usage()), (ErrorKind::Budget, times(tokens(5, 6), 3)), "{error}");
    let prices = Prices::new().model("scripted", Price::per_million(1e6, 1e6));
    let lm = failing(ErrorKind::Filtered).lm().prices(&prices);
    let error =
        BestOfN::new(fails(&lm), 10, number).budget(Budget::new().cost(30.0)).call(ask()).await.unwrap_err();
    assert_eq!((error.kind(), error.usage().cost.amount()), (ErrorKind::Budget, 33.0), "{error}");
}

#[tokio::test]
async fn histories_and_recordings_have_the_cost_of_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let lm = failing(ErrorKind::Filtered).lm().record(&path);
    fails(&lm).call(ask()).await.unwrap_err();
    let history = lm.history();
    assert_eq!((history[0].usage(), history[0].response()), (tokens(5, 6), None));
    let mut shown = Vec::new();
    lm.inspect_history_to(1, &mut shown).unwrap();
    assert!(String::from_utf8(shown).unwrap().contains("5 tokens read, 6 written"));
    let error = fails(&Replay::from_file(&path).unwrap().lm()).call(ask()).await.unwrap_err();
    assert_eq!((error.kind(), error.usage()), (ErrorKind::Filtered, tokens(5, 6)));
}

#[tokio::test(start_paused = true)]
async fn of_simultaneous_equal_calls_the_sent_one_pays() {
    let lm = ScriptedLm::computed(|_| {
        Reply::error(Error::new(ErrorKind::BadRequest, "no").with_usage(tokens(5, 6))).delay(millis(10))
    });
    let cached = lm.lm().cache(Cache::memory());
    let calls = (0..4).map(|_| cached.complete(hi("x")));
    let errors = futures_util::future::join_all(calls).await;
    let sum: u64 = errors.into_iter().map(|outcome| outcome.unwrap_err().usage().total_tokens()).sum();
    assert_eq!((sum, lm.calls()), (11, 1));
}
