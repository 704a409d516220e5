//! The history of LM calls: which calls a module sees, what an entry holds, and what it never holds.

use karat::{
    BestOfN, Error, ErrorKind, JsonAdapter, LanguageModel, Lm, Module, OnParseError, Predict, Refine, Reply,
    Result, Retry, ScriptedLm,
    lm::{BoxFuture, CallHistory, Request, Response},
};
use tokio::time::timeout;

use crate::support::{
    Echo, Qa, Twins, TwoSteps, advice, answers, ask, by_rollout, failure, hi, millis, number, paris, qa,
    question, reply, step_reply, texts,
};

fn predictors(history: &CallHistory) -> Vec<&str> {
    history.iter().map(|entry| entry.predictor().unwrap_or("-")).collect()
}

fn steps_lm() -> ScriptedLm {
    ScriptedLm::computed(|request| step_reply(request, "a query", "Paris"))
}

#[tokio::test]
async fn a_module_sees_the_calls_of_its_predictors_and_an_lm_sees_all() {
    let lm = steps_lm().lm();
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm);
    steps.call(ask()).await.unwrap();
    lm.complete(hi("by hand")).await.unwrap();
    let alone = Predict::<Qa>::new().lm(&lm);
    let _ = alone.call(ask()).await;

    assert_eq!(predictors(&steps.history()), ["query", "answer.predict"]);
    assert_eq!(predictors(&steps.answer.history()), ["answer.predict"]);
    assert_eq!(predictors(&lm.history())[..4], ["query", "answer.predict", "-", "self"]);
    assert!(alone.history().iter().all(|entry| entry.predictor() == Some("self")));
    let entry = &steps.history()[1];
    assert_eq!(entry.lm(), "scripted");
    assert!(entry.response().unwrap().completions[0].text.contains("Paris"));
    assert!(entry.error().is_none() && !entry.is_cancelled() && !entry.is_shortened());
}

#[tokio::test]
async fn an_entry_holds_the_request_as_it_was_sent() {
    let script = answers(["Paris"]);
    let lm = script.lm().temperature(0.3).max_tokens(77).rollout_id(5);
    let qa = Predict::<Qa>::new().lm(&lm).adapter(JsonAdapter).stop("END");
    qa.call(ask()).await.unwrap();
    let (history, sent) = (qa.history(), &script.requests()[0]);
    assert_eq!((history[0].prompt(), history[0].config()), (&sent.prompt, &sent.config));
    assert_eq!((history[0].rollout_id(), history[0].temperature()), (Some(5), Some(0.3)));
    assert_eq!(history[0].response_format(), Some("json_schema"));
    assert_eq!(history[0].config().stop, ["END"]);
}

#[tokio::test(start_paused = true)]
async fn all_rollouts_are_in_the_history_with_id_and_temperature_in_their_order() {
    let script = by_rollout(|id| reply(&id.to_string()).delay(millis(40 - 10 * id)));
    let qa = qa(&script);
    let best = BestOfN::new(qa.clone(), 4, number).concurrency(4);
    best.call(ask()).await.unwrap();
    for history in [best.history(), qa.history(), qa.predictor().lm().unwrap().history()] {
        let seen: Vec<_> = history.iter().map(|e| (e.rollout_id(), e.temperature(), e.elapsed())).collect();
        let expected: Vec<_> = (0..4).map(|id| (Some(id), Some(1.0), millis(40 - 10 * id))).collect();
        assert_eq!(seen, expected);
        assert_eq!(predictors(&history), ["module"; 4]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_leaves_a_cancelled_entry() {
    let script = by_rollout(|id| reply("1").delay(millis(if id == 1 { 10 } else { 500 })));
    let best = BestOfN::new(qa(&script), 3, number).threshold(1.0).concurrency(3);
    best.call(ask()).await.unwrap();
    let history = best.history();
    let cancelled: Vec<_> = history.iter().map(|entry| entry.is_cancelled()).collect();
    assert_eq!(cancelled, [true, false, true]);
    assert_eq!(history[0].elapsed(), millis(10));
    assert!(history[0].response().is_none() && history[0].error().is_none());
    assert!(history[0].prompt().last().contains("Capital of France?"));
    assert!(history.to_string().contains("cancelled before it answered"));

    let lm = script.lm();
    assert!(timeout(millis(1), lm.complete(hi("x").config(history[0].config().clone()))).await.is_err());
    assert!(lm.history()[0].is_cancelled());
}

#[tokio::test]
async fn refine_has_its_rounds_in_its_history_and_the_critics_lm_has_the_advice() {
    let critic = ScriptedLm::new([advice([("self", "think")])]).lm();
    let refine = Refine::new(qa(&answers(["1", "2"])), 2, number).feedback_lm(&critic);
    refine.call(ask()).await.unwrap();
    assert_eq!(predictors(&refine.history()), ["module", "module"]);
    assert_eq!(predictors(&critic.history()), ["critic"]);
}

#[tokio::test]
async fn an_unreadable_answer_and_the_second_try_are_in_the_history() {
    let qa = qa(&ScriptedLm::new([Reply::text("no markers"), reply("Paris")]))
        .on_parse_error(OnParseError::Reask(1));
    qa.call(ask()).await.unwrap();
    let history = qa.history();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].response().unwrap().completions[0].text, "no markers");
    assert_eq!(history[1].prompt().len(), history[0].prompt().len() + 2);
}

#[tokio::test]
async fn modules_on_one_lm_have_separate_histories_which_their_clones_share() {
    let lm = paris().lm();
    let (one, other) = (Predict::<Qa>::new().lm(&lm), Predict::<Qa>::new().lm(&lm));
    one.call(question("first")).await.unwrap();
    other.call(question("second")).await.unwrap();
    one.clone().call(question("third")).await.unwrap();
    let asked = |history: CallHistory| {
        let words = ["first", "second", "third"];
        let word = |text: &str| words.into_iter().find(|word| text.contains(word)).unwrap();
        history.iter().map(|entry| word(entry.prompt().last())).collect::<Vec<_>>()
    };
    assert_eq!(asked(one.history()), ["first", "third"]);
    assert_eq!(asked(other.history()), ["second"]);
    assert_eq!(asked(lm.history()), ["first", "second", "third"]);
}

#[tokio::test]
async fn a_deep_copy_starts_empty() {
    let lm = steps_lm().lm();
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm);
    steps.call(ask()).await.unwrap();
    let copy = steps.deepcopy();
    assert!(copy.history().is_empty());
    copy.call(ask()).await.unwrap();
    assert_eq!((steps.history().len(), copy.history().len(), lm.history().len()), (2, 2, 4));
    // The same through an erased type.
    let boxed = copy.clone().boxed();
    assert_eq!(boxed.history().len(), 2);
    assert!(boxed.deepcopy().history().is_empty());
}

#[tokio::test]
async fn predictors_with_lms_of_their_own_are_merged_in_the_order_of_the_calls() {
    let (left, right) = (paris().named("left").lm(), paris().named("right").lm());
    let mut twins = Twins::new();
    twins.left = twins.left.lm(&left);
    twins.right = twins.right.lm(&right.temperature(0.5));
    for _ in 0..3 {
        twins.call(ask()).await.unwrap();
    }
    assert_eq!(predictors(&twins.history()), ["left", "right", "left", "right", "left", "right"]);
    let lms: Vec<_> = twins.history().last(2).iter().map(|entry| entry.lm().to_owned()).collect();
    assert_eq!(lms, ["left", "right"]);
}

#[tokio::test]
async fn clones_and_setters_share_one_history_and_equality_ignores_it() {
    let lm = paris().lm();
    let (warm, limited, off) =
        (lm.clone().temperature(0.9), lm.clone().history_limits(5, 5000), lm.clone().without_history());
    warm.complete(hi("warm")).await.unwrap();
    limited.complete(hi("limited")).await.unwrap();
    off.complete(hi("off")).await.unwrap();
    assert_eq!(texts(&lm.history()), ["warm"]);
    assert_eq!(texts(&limited.history()), ["limited"]);
    assert!(lm == limited && lm == off && lm != warm);
}

#[tokio::test]
async fn errors_are_recorded_and_a_module_that_never_called_has_none() {
    let unset = Predict::<Qa>::new();
    assert!(unset.history().is_empty());
    let qa = qa(&ScriptedLm::new([failure(ErrorKind::RateLimited), Reply::fields::<String, String>([])]));
    qa.call(ask()).await.unwrap_err();
    assert!(qa.history()[0].error().unwrap().is_rate_limited());
    assert!(qa.history().to_string().contains("  error:\n    scripted RateLimited\n"));

    struct Mute;
    impl LanguageModel for Mute {
        fn name(&self) -> &str {
            "mute"
        }
        fn call<'a>(
            &'a self,
            _: &'a Request,
            _: Option<&'a mut karat::lm::Sink<'a>>,
        ) -> BoxFuture<'a, Result<Response>> {
            Box::pin(async { Ok(Response::default()) })
        }
    }
    let lm = Lm::custom(Mute);
    lm.complete(hi("x")).await.unwrap_err();
    assert!(lm.history()[0].error().unwrap().is_bad_response());
}

#[tokio::test]
async fn an_errors_cause_and_report_are_not_kept() {
    let lm = ScriptedLm::computed(|_| {
        let cause = Error::new(ErrorKind::Other, "the cause");
        Reply::error(Error::new(ErrorKind::Server, "failed").with_source(cause).with_completion("raw"))
    });
    let lm = lm.lm();
    assert!(std::error::Error::source(&lm.complete(hi("x")).await.unwrap_err()).is_some());
    let history = lm.history();
    let kept = history[0].error().unwrap();
    assert!(std::error::Error::source(kept).is_none());
    assert_eq!((kept.to_string().as_str(), kept.completion()), ("failed", Some("raw")));
}

#[tokio::test]
async fn a_panic_in_the_lm_leaves_an_entry_and_a_history_that_still_works() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let script = ScriptedLm::computed(move |_| {
        let first = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        if first { panic!("a bug in the LM") } else { reply("fine") }
    });
    let lm = script.lm();
    let panicking = lm.clone();
    assert!(tokio::spawn(async move { panicking.complete(hi("x")).await }).await.unwrap_err().is_panic());
    lm.complete(hi("y")).await.unwrap();
    let cancelled: Vec<_> = lm.history().iter().map(|entry| entry.is_cancelled()).collect();
    assert_eq!(cancelled, [true, false]);
}

#[tokio::test]
async fn no_secret_is_in_the_history() {
    const CANARY: &str = "sk-canary-7f3a";
    let secret = serde_json::json!({ "x-api-key": CANARY });
    let lm = paris().lm().param("extra_headers", secret.clone());
    let qa = Predict::<Qa>::new().lm(&lm).param("extra_body", secret);
    qa.call(ask()).await.unwrap();
    // A client with a key, whose server cannot be reached.
    let client = Lm::new("openai/gpt-x")
        .unwrap()
        .base_url("http://127.0.0.1:1/v1")
        .api_key(CANARY)
        .retry(Retry::none());
    client.complete(hi("x")).await.unwrap_err();
    for history in [qa.history(), client.history()] {
        assert_eq!(history.len(), 1);
        let text = format!("{history} {history:?} {history:#?} {:?}", history[0].config());
        assert!(!text.contains(CANARY) && !text.contains("7f3a"), "{text}");
        let json = serde_json::to_string(history[0].config()).unwrap();
        assert!(!json.contains("7f3a"), "{json}");
    }
    assert_eq!(qa.history()[0].param_names(), ["extra_body", "extra_headers"]);
    assert!(qa.history().to_string().contains("param extra_body, param extra_headers"));
}

#[tokio::test]
async fn an_lm_inside_of_an_lm_keeps_its_own_history() {
    struct Layer(Lm);
    impl LanguageModel for Layer {
        fn name(&self) -> &str {
            "layer"
        }
        fn call<'a>(
            &'a self,
            request: &'a Request,
            _: Option<&'a mut karat::lm::Sink<'a>>,
        ) -> BoxFuture<'a, Result<Response>> {
            Box::pin(self.0.complete(request.clone()))
        }
    }
    let inner = Lm::custom(Echo);
    let outer = Lm::custom(Layer(inner.clone()));
    outer.complete(hi("x")).await.unwrap();
    assert_eq!((outer.history()[0].lm(), inner.history()[0].lm()), ("layer", "echo"));
}

#[tokio::test]
async fn the_calls_of_a_batch_and_of_frozen_parts_are_in_the_modules_history() {
    let lm = answers(["a", "b", "c"]);
    let module = karat::Frozen::new(qa(&lm));
    let done = module.batch([ask(), ask()]).await;
    assert_eq!(done.errors().count(), 0);
    module.call(ask()).await.unwrap();
    assert_eq!(module.history().len(), 3);
}
