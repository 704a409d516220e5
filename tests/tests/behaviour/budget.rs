//! Budgets: what a call tree may spend, kept to the call.

use std::time::Duration;

use karat::{
    BestOfN, Budget, Budgeted, Cache, Critic, ErrorKind, LanguageModel, Lm, Module, Predict, Refine, Reply,
    Result, Retry, ScriptedLm, Stop, Usage,
    lm::{BoxFuture, Pool, Price, Prices, Request, Response, Sink},
};

use crate::support::{
    Qa, QaInput, Twins, TwoSteps, advice, ask, by_rollout, echo_id, failure, millis, number, qa, reply,
    step_reply,
};

fn costing(tokens: u64) -> ScriptedLm {
    let usage = Usage::new().calls(1).prompt_tokens(tokens - 1).completion_tokens(1);
    ScriptedLm::computed(move |_| reply("0.5").usage(usage))
}

#[tokio::test]
async fn the_call_beyond_the_budget_is_refused_before_it_is_sent() {
    let lm = ScriptedLm::computed(|request| step_reply(request, "q", "a"));
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm.lm());
    let error = steps.clone().budget(Budget::new().calls(1)).call(ask()).await.unwrap_err();
    assert!(error.is_budget() && !error.is_permanent(), "{error}");
    assert_eq!((lm.calls(), error.predictor()), (1, Some("answer.predict")));
    let text = error.to_string();
    assert!(text.contains("the budget of 1 LM calls is used up: 1 LM calls, "), "{text}");
    // The error still has the calls that ran.
    assert_eq!((error.usage().calls, error.trace().unwrap().steps().len()), (1, 2));

    let answer = steps.budget(Budget::new().calls(2)).call(ask()).await.unwrap();
    assert_eq!((answer.usage().calls, answer.trace().steps().len()), (2, 2));
}

#[tokio::test]
async fn each_call_has_the_whole_budget() {
    let lm = echo_id_free();
    let qa = qa(&lm).budget(Budget::new().calls(1));
    for _ in 0..3 {
        qa.call(ask()).await.unwrap();
    }
    let results = qa.batch([ask(), ask(), ask()]).await;
    assert!(results.iter().all(|item| item.result.is_ok()));
}

fn echo_id_free() -> ScriptedLm {
    ScriptedLm::computed(|_| reply("x"))
}

#[tokio::test]
async fn best_of_n_gives_the_best_until_the_budget_was_used_up() {
    let best = BestOfN::new(qa(&echo_id()), 10, number).budget(Budget::new().calls(3));
    let best = best.call(ask()).await.unwrap();
    assert_eq!((&*best.answer, best.stop_reason(), best.usage().calls), ("2", Some(Stop::Budget), 3));
    assert_eq!(best.rollouts().len(), 4);
    assert!(best.rollouts()[3].error().unwrap().is_budget());
}

#[tokio::test]
async fn a_budget_refusal_is_not_a_failure_of_a_rollout() {
    let best = BestOfN::new(qa(&echo_id()), 10, number).fail_count(0).budget(Budget::new().calls(3));
    let best = best.call(ask()).await.unwrap();
    assert_eq!((&*best.answer, best.stop_reason(), best.rollouts().len()), ("2", Some(Stop::Budget), 4));
}

#[tokio::test]
async fn tokens_and_money_are_bounds_too() {
    let prices = Prices::new().model("scripted", Price::per_million(1.0, 1.0));
    for (budget, rollouts) in [
        (Budget::new().tokens(1_000), 10),
        (Budget::new().tokens(950), 10),
        (Budget::new().cost(0.0005), 5),
        (Budget::new().tokens(901).calls(4), 4),
    ] {
        let lm = costing(100);
        let qa = Predict::<Qa>::new().lm(&lm.lm().prices(&prices));
        let best = BestOfN::new(qa, 20, number).budget(budget).call(ask()).await.unwrap();
        assert_eq!((lm.calls(), best.stop_reason()), (rollouts, Some(Stop::Budget)), "{budget}");
        assert_eq!(best.usage().cost.amount(), 0.0001 * rollouts as f64);
    }
}

#[tokio::test]
async fn without_any_success_the_error_is_the_budgets_with_the_report() {
    let lm = ScriptedLm::computed(|_| failure(ErrorKind::Server));
    let error =
        BestOfN::new(qa(&lm), 10, number).budget(Budget::new().calls(2)).call(ask()).await.unwrap_err();
    assert!(error.is_budget(), "{error}");
    assert_eq!((lm.calls(), error.rollouts().len()), (2, 3));
    let error =
        BestOfN::new(qa(&lm), 10, number).budget(Budget::new().calls(0)).call(ask()).await.unwrap_err();
    assert!(error.is_budget() && lm.calls() == 2);
}

#[tokio::test]
async fn a_budget_of_each_rollout_fails_that_rollout_alone() {
    let lm = by_rollout(|id| reply(&id.to_string()));
    let best = BestOfN::new(qa(&lm).budget(Budget::new().calls(0)), 3, |_, _| 1.0);
    let error = best.call(ask()).await.unwrap_err();
    assert!(error.is_exhausted() && error.rollouts().len() == 3, "{error}");
    let best =
        BestOfN::new(qa(&lm).budget(Budget::new().calls(1)), 3, |_: &QaInput, p| p.answer.len() as f64);
    assert_eq!(best.call(ask()).await.unwrap().rollouts().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn simultaneous_rollouts_share_the_budget_and_those_in_flight_end() {
    let lm = by_rollout(|id| reply(&id.to_string()).delay(Duration::from_secs(10 - id % 10)));
    let best = BestOfN::new(qa(&lm), 8, number).concurrency(8).budget(Budget::new().calls(5));
    let best = best.call(ask()).await.unwrap();
    assert_eq!((lm.calls(), &*best.answer, best.stop_reason()), (5, "4", Some(Stop::Budget)));
    assert_eq!(best.rollouts().iter().filter(|rollout| rollout.reward().is_some()).count(), 5);

    let mut twins = Twins::new();
    let lm = ScriptedLm::computed(|_| reply("x").delay(Duration::from_secs(1)));
    twins.set_lm(&lm.lm());
    assert!(twins.budget(Budget::new().calls(1)).call(ask()).await.unwrap_err().is_budget());
    assert_eq!(lm.calls(), 1);
}

#[tokio::test]
async fn refine_gives_the_best_until_the_budget_was_used_up_advice_included() {
    let lm =
        ScriptedLm::new([reply("0.3"), advice([("self", "more")]), reply("0.6"), advice([("self", "more")])]);
    let refine = Refine::new(qa(&lm), 9, number).threshold(1.0).critic(Critic::Always);
    let refined = refine.budget(Budget::new().calls(4)).call(ask()).await.unwrap();
    assert_eq!((&*refined.answer, refined.stop_reason(), lm.calls()), ("0.6", Some(Stop::Budget), 4));
}

#[tokio::test]
async fn budgets_may_be_nested_and_the_narrowest_holds() {
    let lm = echo_id_free();
    let inner = qa(&lm).budget(Budget::new().calls(5));
    let best =
        BestOfN::new(inner, 9, |_, _| 0.5).budget(Budget::new().calls(2)).budget(Budget::new().calls(3));
    assert_eq!(best.call(ask()).await.unwrap().stop_reason(), Some(Stop::Budget));
    assert_eq!(lm.calls(), 2);
}

#[tokio::test]
async fn a_budgeted_module_has_the_paths_and_the_state_of_the_module() {
    let steps = TwoSteps::new();
    let within: Budgeted<TwoSteps> = steps.clone().budget(Budget::new().tokens(10));
    let paths: Vec<_> = within.named_predictors().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["query", "answer.predict"]);
    assert_eq!(
        serde_json::to_value(within.dump_state()).unwrap(),
        serde_json::to_value(steps.dump_state()).unwrap()
    );
}

#[tokio::test]
async fn a_reask_is_a_call_of_the_budget() {
    let lm = ScriptedLm::new([Reply::text("nonsense"), reply("a")]);
    let error = qa(&lm).budget(Budget::new().calls(1)).call(ask()).await.unwrap_err();
    assert!(error.is_budget(), "{error}");
    assert_eq!(lm.calls(), 1);
}

/// An LM that always fails with a transient error.
fn down() -> ScriptedLm {
    ScriptedLm::computed(|_| failure(ErrorKind::Server).delay(Duration::from_secs(1)))
}

#[tokio::test(start_paused = true)]
async fn a_retry_counts_for_the_budget_and_is_not_waited_for_if_it_is_refused() {
    let lm = down();
    let retry = Retry::new().attempts(9).random(|| 1.0);
    let predict = Predict::<Qa>::new().lm(&lm.lm().retry(retry));
    let start = tokio::time::Instant::now();
    let error = predict.clone().budget(Budget::new().calls(3)).call(ask()).await.unwrap_err();
    assert!(
        error.is_budget() && error.to_string().contains("the budget of 3 LM calls is used up"),
        "{error}"
    );
    assert_eq!((lm.calls(), error.usage().calls, error.attempts()), (3, 3, 3));
    let cause = std::error::Error::source(&error).expect("why it was to be tried again");
    assert!(cause.to_string().contains("scripted Server"), "{cause}");
    // Three attempts of a second each with waits of 0.5 s and 1 s; none of 2 s after the last.
    assert_eq!(start.elapsed(), Duration::from_millis(4_500));

    let best = BestOfN::new(predict, 5, number).budget(Budget::new().calls(4));
    assert!(best.call(ask()).await.unwrap_err().is_budget());
    assert_eq!(lm.calls(), 3 + 4);
}

#[tokio::test(start_paused = true)]
async fn further_members_and_second_endpoints_are_calls_of_the_budget() {
    let (a, b) = (down(), down());
    for lm in [Lm::fallback([a.lm(), b.lm()]), Lm::pool([a.lm(), b.lm()])] {
        let before = a.calls() + b.calls();
        let predict = Predict::<Qa>::new().lm(&lm);
        let error = predict.clone().budget(Budget::new().calls(1)).call(ask()).await.unwrap_err();
        assert!(error.is_budget(), "{error}");
        assert_eq!((a.calls() + b.calls() - before, error.usage().calls), (1, 1));
        let error = predict.budget(Budget::new().calls(2)).call(ask()).await.unwrap_err();
        assert_eq!((error.kind(), error.usage().calls), (ErrorKind::Server, 2));
    }
    // A hedge beyond the budget is left out, and the first endpoint is waited for.
    let slow = || ScriptedLm::computed(|_| reply("x").delay(Duration::from_secs(9)));
    let (a, b) = (slow(), slow());
    let lm = Pool::new([a.lm(), b.lm()]).hedge(Duration::from_secs(1)).lm();
    let predict = Predict::<Qa>::new().lm(&lm);
    let answer = predict.clone().budget(Budget::new().calls(1)).call(ask()).await.unwrap();
    assert_eq!((a.calls() + b.calls(), answer.usage().calls), (1, 1));
    assert_eq!(predict.budget(Budget::new().calls(2)).call(ask()).await.unwrap().usage().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn a_member_without_a_key_costs_nothing() {
    let (keyless, good) = (ScriptedLm::computed(|_| failure(ErrorKind::MissingKey)), echo_id_free());
    for lm in [Lm::fallback([keyless.lm(), good.lm()]), Lm::pool([keyless.lm(), good.lm()])] {
        let predict = Predict::<Qa>::new().lm(&lm).budget(Budget::new().calls(1));
        assert_eq!(predict.call(ask()).await.unwrap().usage().calls, 1);
    }
}

/// A model that asks another one, once or twice.
struct Asks(Lm, usize);

impl LanguageModel for Asks {
    fn name(&self) -> &str {
        "asks"
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        _: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            for _ in 1..self.1 {
                self.0.complete(request.clone()).await?;
            }
            self.0.complete(request.clone()).await
        })
    }
}

#[tokio::test]
async fn requests_of_a_model_to_another_lm_count_once_and_within_the_budget() {
    let lm = echo_id_free();
    for (asks, calls) in [(1, 1), (2, 2), (3, 2)] {
        let before = lm.calls();
        let predict = Predict::<Qa>::new().lm(&Lm::custom(Asks(lm.lm(), asks)));
        let outcome = predict.budget(Budget::new().calls(2)).call(ask()).await;
        let usage = match &outcome {
            Ok(answer) => answer.usage(),
            Err(error) => error.usage(),
        };
        assert_eq!((usage.calls, lm.calls() - before), (calls, calls as usize));
        assert_eq!(outcome.err().map(|error| error.is_budget()), (asks > 2).then_some(true));
    }
}

#[tokio::test]
async fn a_call_without_a_key_and_one_that_a_cache_answers_send_nothing() {
    let keyless = ScriptedLm::computed(|_| failure(ErrorKind::MissingKey));
    let error = qa(&keyless).budget(Budget::new().calls(1)).call(ask()).await.unwrap_err();
    assert_eq!((error.kind(), error.usage().calls), (ErrorKind::MissingKey, 0));
    let lm = Lm::custom(Asks(echo_id_free().lm().cache(Cache::memory()), 1));
    let predict = Predict::<Qa>::new().lm(&lm);
    for sent in [1, 0] {
        assert_eq!(predict.call(ask()).await.unwrap().usage().sent_calls(), sent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_out_of_budget_fails_alone_not_for_equal_calls_that_wait() {
    let lm =
        ScriptedLm::new([failure(ErrorKind::Server), reply("Paris")].map(|reply| reply.delay(millis(10))));
    let lm = lm.lm().retry(Retry::new()).cache(Cache::memory());
    let poor = Predict::<Qa>::new().lm(&lm).budget(Budget::new().calls(1));
    let rich = Predict::<Qa>::new().lm(&lm);
    let (poor, rich) = tokio::join!(poor.call(ask()), rich.call(ask()));
    assert!(poor.unwrap_err().is_budget());
    assert_eq!(&*rich.unwrap().answer, "Paris");
}

#[tokio::test(start_paused = true)]
async fn retries_of_a_call_that_is_dropped_are_in_the_usage() {
    let lm = by_rollout(|id| match id {
        0 => reply("1.0").delay(Duration::from_secs(20)),
        _ => failure(ErrorKind::Server).delay(Duration::from_secs(1)),
    });
    let retry =
        Retry::new().attempts(9).backoff(Duration::from_secs(4), Duration::from_secs(4)).random(|| 1.0);
    let predict = Predict::<Qa>::new().lm(&lm.lm().retry(retry));
    let best = BestOfN::new(predict, 2, number).concurrency(2).threshold(1.0).call(ask()).await.unwrap();
    // An attempt every five seconds: at 0, 5, 10 and 15, and perhaps at 20.
    let dropped = &best.rollouts()[1];
    assert!(dropped.is_cancelled() && dropped.usage().calls >= 4, "{dropped}");
    assert_eq!((dropped.usage().calls + 1, best.usage().calls), (lm.calls() as u64, lm.calls() as u64));
}
