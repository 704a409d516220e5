//! `BestOfN` with failed rollouts: which count as failed, how many are tolerated, and which end the call at once.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use karat::{
    BestOfN, Error, ErrorKind, Module, Predict, Prediction, Reply, Result, Rollout, ScriptedLm, Stop, module,
    traverse::{Traverse, Walker, WalkerMut},
};

use crate::support::{
    Qa, QaInput, QaOutput, answers, ask, by_rollout, chosen, echo_id, failure, ids, number, qa, reply,
    rewards, server_error,
};

/// Every reply is a failure that another attempt might mend; each one says which it is.
fn failing() -> ScriptedLm {
    by_rollout(|id| Reply::error(Error::new(ErrorKind::Server, format!("cause {id}"))))
}

fn causes(rollouts: &[Rollout]) -> Vec<String> {
    let causes = rollouts.iter().map(|rollout| rollout.error().expect("a failure").to_string());
    causes.collect()
}

#[tokio::test]
async fn an_error_in_the_module_fails_its_rollout_and_the_others_go_on() {
    let lm = ScriptedLm::new([reply("1"), server_error(), reply("3")]);
    let best = BestOfN::new(qa(&lm), 3, number).call(ask()).await.unwrap();
    assert_eq!(best.answer, "3");
    assert_eq!(rewards(best.rollouts()), [Some(1.0), None, Some(3.0)]);
    assert!(best.rollouts()[1].error().unwrap().is_server());
    assert!(best.rollouts()[1].to_string().contains("scripted Server"), "{}", best.rollouts()[1]);
}

/// Panics where the answer says so.
#[module]
struct Fragile {
    qa: Predict<Qa>,
}

#[module]
impl Fragile {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        let prediction = self.qa.call(input).await?;
        assert!(prediction.answer != "panic", "the module gave up");
        Ok(prediction)
    }
}

#[tokio::test]
async fn a_panic_in_the_module_fails_its_rollout_and_the_others_go_on() {
    let lm = answers(["panic", "2", "panic"]);
    let best = BestOfN::new(Fragile { qa: qa(&lm) }, 3, number).call(ask()).await.unwrap();
    assert_eq!(chosen(best.rollouts()), [1]);
    let error = best.rollouts()[0].error().unwrap();
    assert!(error.is_panic() && error.to_string().contains("the module gave up"), "{error}");
    assert_eq!(best.rollouts()[0].usage().calls, 1, "what it spent before the panic counts");
}

/// Written by hand; it panics before there is a future.
#[derive(Clone)]
struct Hasty(Predict<Qa>);

impl Traverse for Hasty {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        walker.field("qa", &self.0);
    }
    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        walker.field("qa", &mut self.0);
    }
}

impl Module for Hasty {
    type Input = QaInput;
    type Output = QaOutput;

    fn forward(&self, input: QaInput) -> impl Future<Output = Result<Prediction<QaOutput>>> + Send {
        assert!(self.0.predictor().rollout_id() != 0, "too hasty");
        self.0.call(input)
    }
}

#[tokio::test]
async fn a_module_that_panics_before_its_future_exists_fails_its_rollout_alone() {
    let best = BestOfN::new(Hasty(qa(&echo_id())), 2, number).call(ask()).await.unwrap();
    assert_eq!(best.answer, "1");
    assert!(best.rollouts()[0].error().unwrap().to_string().contains("too hasty"));
}

#[tokio::test]
async fn an_error_of_the_reward_fails_its_rollout() {
    let lm = answers(["x", "2"]);
    let best = BestOfN::new(qa(&lm), 2, |_, p| p.answer.parse::<f64>());
    let best = best.call(ask()).await.unwrap();
    assert_eq!(rewards(best.rollouts()), [None, Some(2.0)]);
    let error = best.rollouts()[0].error().unwrap();
    assert!(error.to_string().contains("invalid float"), "{error}");
}

#[tokio::test]
async fn a_panic_in_the_reward_fails_its_rollout() {
    // `number` panics where the answer is no number.
    let best = BestOfN::new(qa(&answers(["x", "2"])), 2, number).call(ask()).await.unwrap();
    assert_eq!(rewards(best.rollouts()), [None, Some(2.0)]);
    let error = best.rollouts()[0].error().unwrap();
    assert!(error.is_panic() && error.to_string().contains("the reward panicked"), "{error}");
    assert!(error.to_string().contains("the answer is a number"), "{error}");
}

#[tokio::test]
async fn a_nan_reward_fails_its_rollout_wherever_it_stands() {
    for (replies, best) in [(["NaN", "1", "2"], 2), (["2", "NaN", "1"], 0), (["1", "2", "NaN"], 1)] {
        let prediction =
            BestOfN::new(qa(&answers(replies)), 3, number).threshold(5.0).call(ask()).await.unwrap();
        assert_eq!(chosen(prediction.rollouts()), [best], "{replies:?}");
        let failed: Vec<_> = prediction.rollouts().iter().filter_map(Rollout::error).collect();
        assert!(failed.len() == 1 && failed[0].is_reward(), "{failed:?}");
    }
}

#[tokio::test]
async fn nan_rewards_alone_are_no_success() {
    let error = BestOfN::new(qa(&answers(["NaN", "NaN"])), 2, number).call(ask()).await.unwrap_err();
    assert!(error.is_exhausted());
    assert_eq!(rewards(error.rollouts()), [None, None]);
}

#[tokio::test]
async fn when_all_rollouts_fail_the_error_has_every_cause() {
    for n in [1, 2, 5] {
        let lm = failing();
        let error = BestOfN::new(qa(&lm), n, number).threshold(1.0).call(ask()).await.unwrap_err();
        assert!(error.is_exhausted(), "{error:?}");
        assert_eq!(lm.calls(), n, "each one had its chance");
        assert_eq!(error.rollouts().len(), n);
        for (index, cause) in causes(error.rollouts()).iter().enumerate() {
            assert!(cause.contains(&format!("cause {index}")), "{cause}");
            assert!(error.to_string().contains(cause.as_str()), "`{cause}` in {error}");
        }
        assert!(chosen(error.rollouts()).is_empty());
    }
}

#[tokio::test]
async fn fail_count_0_ends_the_call_at_the_first_failure() {
    for n in [1, 2, 5] {
        let lm = failing();
        let error = BestOfN::new(qa(&lm), n, number).fail_count(0).call(ask()).await.unwrap_err();
        assert_eq!((lm.calls(), error.rollouts().len()), (1, 1));
        assert!(error.is_exhausted() && error.to_string().contains("cause 0"), "{error}");
    }
}

#[tokio::test]
async fn fail_count_k_tolerates_k_failures_and_the_next_one_ends_the_call() {
    let script = || {
        ScriptedLm::new([server_error(), reply("1"), server_error(), reply("2"), server_error(), reply("3")])
    };
    let lm = script();
    let error = BestOfN::new(qa(&lm), 6, number).fail_count(2).call(ask()).await.unwrap_err();
    assert!(error.is_exhausted());
    assert_eq!(lm.calls(), 5);
    assert_eq!(rewards(error.rollouts()), [None, Some(1.0), None, Some(2.0), None]);

    let best = BestOfN::new(qa(&script()), 6, number).fail_count(3).call(ask()).await.unwrap();
    assert_eq!(best.answer, "3");
}

#[tokio::test]
async fn by_default_so_many_failures_are_tolerated_that_one_success_is_enough() {
    let lm = ScriptedLm::new([server_error(), server_error(), server_error(), reply("1")]);
    let best = BestOfN::new(qa(&lm), 4, number).call(ask()).await.unwrap();
    assert_eq!(best.answer, "1");
}

#[tokio::test]
async fn a_late_failure_after_a_good_rollout_does_not_lose_it() {
    let lm = ScriptedLm::new([reply("1"), server_error(), server_error()]);
    let best = BestOfN::new(qa(&lm), 3, number).threshold(9.0).call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), best.stop_reason()), ("1", Some(Stop::Completed)));

    let lm = ScriptedLm::new([reply("1"), server_error(), reply("2")]);
    let error = BestOfN::new(qa(&lm), 3, number).fail_count(0).call(ask()).await.unwrap_err();
    assert_eq!(rewards(error.rollouts()), [Some(1.0), None], "the report has the good one");
}

#[tokio::test]
async fn a_second_call_behaves_as_the_first_nothing_is_remembered() {
    // Two failures in each call, two tolerated: a count that went on would end the second call.
    let lm = by_rollout(|id| if id < 2 { server_error() } else { reply("1") });
    let best = BestOfN::new(qa(&lm), 3, number).fail_count(2);
    for call in 0..5 {
        let prediction = best.call(ask()).await.unwrap();
        assert_eq!(prediction.answer, "1", "call {call}");
        assert_eq!(prediction.rollouts().len(), 3);
        assert_eq!(prediction.usage().calls, 3, "the usage is this call's alone");
    }
    assert_eq!(ids(&lm), [0, 1, 2].repeat(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn six_tasks_at_once_share_one_instance() {
    let lm = by_rollout(|id| if id < 2 { server_error() } else { reply(&id.to_string()) });
    let best = Arc::new(BestOfN::new(qa(&lm), 4, number).fail_count(2).threshold(3.0).concurrency(1));
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            tokio::spawn({
                let best = best.clone();
                async move { best.call(ask()).await }
            })
        })
        .collect();
    for task in tasks {
        let prediction = task.await.unwrap().unwrap();
        assert_eq!(rewards(prediction.rollouts()), [None, None, Some(2.0), Some(3.0)]);
        assert_eq!((prediction.usage().calls, prediction.trace().steps().len()), (4, 1));
    }
    assert_eq!(lm.calls(), 24);
}

#[tokio::test]
async fn an_error_that_no_retry_mends_ends_the_call_at_once() {
    use ErrorKind::{Auth, BadRequest, Config, MissingKey, NoLm, Quota, Tls, UnknownModel};
    for kind in [Auth, MissingKey, Quota, UnknownModel, BadRequest, NoLm, Config, Tls] {
        let lm = ScriptedLm::computed(move |_| failure(kind));
        let error = BestOfN::new(qa(&lm), 5, number).call(ask()).await.unwrap_err();
        assert_eq!((error.kind(), lm.calls()), (kind, 1), "no second rollout");
        assert_eq!(error.rollouts().len(), 1);
        assert_eq!(error.predictor(), Some("module"));
    }
}

#[tokio::test]
async fn an_error_that_another_attempt_may_mend_does_not_end_the_call() {
    use ErrorKind::{BadResponse, Connect, Filtered, RateLimited, Refused, Server, Timeout, Truncated};
    for kind in [RateLimited, Connect, Timeout, Server, BadResponse, Truncated, Refused, Filtered] {
        let lm = ScriptedLm::new([failure(kind), reply("1")]);
        let best = BestOfN::new(qa(&lm), 2, number).call(ask()).await;
        assert_eq!(best.expect("the second rollout is good").answer, "1", "{kind:?}");
    }
}

#[tokio::test]
async fn an_auth_error_at_the_first_rollout_is_the_error_of_the_call() {
    let lm = ScriptedLm::new([failure(ErrorKind::Auth), reply("1")]);
    let error = BestOfN::new(qa(&lm), 5, number).fail_count(5).call(ask()).await.unwrap_err();
    assert!(error.is_auth() && error.is_permanent() && !error.is_exhausted());
    assert!(error.rollouts()[0].error().unwrap().is_auth());
    assert_eq!(lm.calls(), 1);
}

#[tokio::test]
async fn an_auth_error_after_a_good_rollout_ends_the_call_too_and_the_report_has_both() {
    let lm = ScriptedLm::new([reply("1"), failure(ErrorKind::Auth), reply("2")]);
    let error = BestOfN::new(qa(&lm), 3, number).call(ask()).await.unwrap_err();
    assert!(error.is_auth());
    assert_eq!(rewards(error.rollouts()), [Some(1.0), None]);
}

#[tokio::test]
async fn a_prompt_that_is_too_long_ends_the_call_unless_a_rollout_has_succeeded() {
    let long = || failure(ErrorKind::ContextLength);
    let lm = ScriptedLm::new([long(), reply("1")]);
    let error = BestOfN::new(qa(&lm), 2, number).call(ask()).await.unwrap_err();
    assert!(error.is_context_length());
    assert_eq!(lm.calls(), 1);

    let lm = ScriptedLm::new([reply("1"), long(), reply("3")]);
    let best = BestOfN::new(qa(&lm), 3, number).call(ask()).await.unwrap();
    assert_eq!(rewards(best.rollouts()), [Some(1.0), None, Some(3.0)]);
}

#[tokio::test]
async fn n_0_is_a_config_error_before_any_lm_call_and_any_reward() {
    let judged = Arc::new(AtomicUsize::new(0));
    let (lm, count) = (echo_id(), judged.clone());
    let best = BestOfN::new(qa(&lm), 0, move |_, _| count.fetch_add(1, Ordering::SeqCst) as f64);
    let error = best.call(ask()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("`n` is 0"), "{error}");
    assert_eq!((lm.calls(), judged.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn a_nan_threshold_is_a_config_error_before_any_lm_call() {
    let lm = echo_id();
    let error = BestOfN::new(qa(&lm), 3, number).threshold(f64::NAN).call(ask()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("NaN"), "{error}");
    assert_eq!(lm.calls(), 0);
}

#[tokio::test]
async fn senseless_settings_are_config_errors_before_any_lm_call() {
    let lm = echo_id();
    let best = || BestOfN::new(qa(&lm), 3, number);
    for best in [best().concurrency(0), best().temperature(f64::NAN), best().temperature(-0.5)] {
        assert!(best.call(ask()).await.unwrap_err().is_config());
    }
    assert_eq!(lm.calls(), 0);
}

#[tokio::test]
async fn without_any_lm_the_call_ends_at_once_and_names_the_predictor() {
    let error = BestOfN::new(Predict::<Qa>::new(), 5, number).call(ask()).await.unwrap_err();
    assert!(error.is_config() && error.kind() == ErrorKind::NoLm);
    assert_eq!((error.predictor(), error.rollouts().len()), (Some("module"), 1));
    assert!(error.to_string().contains("set_lm"), "{error}");
}
