//! What a run tells `tracing` under karat's own names.

mod spans;

use std::{future::IntoFuture, time::Duration};

use karat::{
    BestOfN, ChainOfThought, Error, ErrorKind, Lm, Module, Predict, Prediction, Refine, Reply, Result,
    Reward, Score, ScriptedLm, module, reward,
};
use spans::{Qa, QaInput, QaOutput, SECRETS, Spans, Twins, TwoSteps, ask, script, two_steps};
use tracing::{Instrument, Level, info_span};

/// Says a different thing each time.
fn growing() -> impl Fn(&QaInput, &Prediction<karat::Reasoned<QaOutput>>) -> (f64, String) + Send + Sync {
    let count = std::sync::atomic::AtomicU32::new(0);
    move |_, _| {
        (f64::from(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) / 2.0, "the-feedback".into())
    }
}

#[tokio::test]
async fn a_best_of_n_over_two_steps_is_told_as_a_tree() {
    let (spans, _guard) = Spans::listen();
    let best = BestOfN::new(two_steps(&script().lm()), 5, growing()).threshold(0.5);
    best.call(ask()).await.unwrap();
    let tree =
        spans.tree(&["name", "path", "signature", "index", "rollout_id", "score", "passed", "temperature"]);
    assert_eq!(
        tree,
        "module BestOfN<TwoSteps>\
        \n  rollout 0 0\
        \n    module TwoSteps\
        \n      predictor module.query MakeQuery\
        \n        lm 0 1.0\
        \n      module ChainOfThought<Qa>\
        \n        predictor module.answer.predict Qa\
        \n          lm 0 1.0\
        \n    reward reward 0.0 false\
        \n  rollout 1 1\
        \n    module TwoSteps\
        \n      predictor module.query MakeQuery\
        \n        lm 1 1.0\
        \n      module ChainOfThought<Qa>\
        \n        predictor module.answer.predict Qa\
        \n          lm 1 1.0\
        \n    reward reward 0.5 true\n"
    );
    assert!(spans.all().iter().all(|told| told.is_closed && told.level == Level::INFO), "all ended");
    assert!(spans.all().iter().all(|told| told.get("cancelled").is_empty() && told.get("error").is_empty()));
}

#[tokio::test]
async fn an_lm_call_tells_model_settings_and_usage() {
    let (spans, _guard) = Spans::listen();
    let lm = script().lm().temperature(0.25).max_tokens(300).seed(7);
    Predict::<Qa>::new().lm(&lm).call(ask()).await.unwrap();
    let lm = spans.named("lm").remove(0);
    for (field, value) in [
        ("provider", "acme"),
        ("model", "parrot-1"),
        ("temperature", "0.25"),
        ("max_tokens", "300"),
        ("seed", "7"),
        ("stream", "false"),
        ("format", "text"),
        ("finish", "stop"),
        ("prompt_tokens", "100"),
        ("completion_tokens", "20"),
        ("cached_tokens", "64"),
        ("reasoning_tokens", "7"),
    ] {
        assert_eq!(lm.get(field), value, "{field}");
    }
    assert_eq!(lm.target, "karat::lm");
    for absent in ["prompt", "completion", "host", "rollout_id", "error", "n"] {
        assert!(!lm.fields.contains_key(absent), "{absent}");
    }
}

#[tokio::test]
async fn content_is_told_only_where_the_lm_was_asked_to() {
    let (spans, _guard) = Spans::listen();
    BestOfN::new(two_steps(&script().lm()), 1, growing()).call(ask()).await.unwrap();
    let text = spans.text();
    for secret in SECRETS.iter().chain(&["the-feedback"]) {
        assert!(!text.contains(secret), "{secret}");
    }
    let mut steps = two_steps(&script().lm());
    steps.answer.set_lm(&script().lm().record_content(true));
    BestOfN::new(steps, 1, growing()).call(ask()).await.unwrap();
    let [quiet, open] = <[_; 2]>::try_from(spans.named("lm").split_off(2)).unwrap();
    assert!(!quiet.fields.contains_key("prompt") && !quiet.fields.contains_key("completion"));
    assert!(open.get("prompt").contains("the-query"), "{open:?}");
    assert!(open.get("completion").contains("the-answer"), "{open:?}");
    let feedback: Vec<_> = spans.named("reward").iter().map(|told| told.get("feedback").to_owned()).collect();
    assert_eq!(feedback, ["", "the-feedback"]);
}

#[tokio::test]
async fn errors_are_told_by_their_kind_and_never_by_their_message() {
    let (spans, _guard) = Spans::listen();
    let busy = || Reply::error(Error::new(ErrorKind::RateLimited, "the-answer was too much"));
    let lm = ScriptedLm::new([busy(), Reply::text("the-answer in no form")]).lm();
    let qa = ChainOfThought::<Qa>::new().lm(&lm);
    qa.call(ask()).await.unwrap_err();
    assert_eq!(
        spans.tree(&["error"]),
        "module rate_limited\n  predictor rate_limited\n    lm rate_limited\n"
    );
    BestOfN::new(Predict::<Qa>::new().lm(&script().lm()), 1, |_, _| -> Result<f64> { panic!("the-answer") })
        .call(ask())
        .await
        .unwrap_err();
    assert_eq!(spans.named("reward")[0].get("error"), "panic");
    assert_eq!(spans.named("rollout")[0].get("error"), "panic");
    assert!(!spans.text().contains("the-answer"));
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_marked_as_cancelled() {
    let (spans, _guard) = Spans::listen();
    let lm = ScriptedLm::computed(|request| {
        let reply = Reply::fields([("answer", "a")]);
        if request.config.rollout_id == Some(1) { reply } else { reply.delay(Duration::from_secs(60)) }
    });
    let best = BestOfN::new(Predict::<Qa>::new().lm(&lm.lm()), 3, |_, _| 1.0).threshold(1.0).concurrency(3);
    best.call(ask()).await.unwrap();
    assert_eq!(
        spans.tree(&["index", "cancelled"]),
        "module\
        \n  rollout 0 true\n    predictor true\n      lm true\
        \n  rollout 1\n    predictor\n      lm\n    reward\n",
        "the third has not begun"
    );
    assert!(spans.all().iter().all(|told| told.is_closed));
}

#[tokio::test]
async fn calls_at_once_do_not_mix_their_spans() {
    let (spans, _guard) = Spans::listen();
    let lm = ScriptedLm::computed(|_| Reply::fields([("answer", "a")]).delay(Duration::from_millis(1))).lm();
    let mut twins = Twins { left: Predict::new(), right: Predict::new() };
    twins.set_lm(&lm);
    let batch = twins.batch((0..3).map(|_| ask())).concurrency(3).into_future();
    async { assert_eq!(batch.await.len(), 3) }.instrument(info_span!("own")).await;
    let one = "  module Twins\n    predictor left\n      lm\n    predictor right\n      lm\n";
    assert_eq!(spans.tree(&["name", "path"]), format!("own\n{}", one.repeat(3)));
}

#[tokio::test]
async fn a_stream_is_a_part_of_what_asked_for_it() {
    let (spans, _guard) = Spans::listen();
    let mut stream = info_span!("asker").in_scope(|| two_steps(&script().lm()).stream(ask()));
    async {
        while let Some(event) = stream.next().await {
            event.unwrap();
        }
    }
    .instrument(info_span!("taker"))
    .await;
    assert_eq!(
        spans.tree(&["path", "stream"]),
        "asker\
        \n  module\
        \n    predictor query\n      lm true\
        \n    module\n      predictor answer.predict\n        lm true\
        \ntaker\n"
    );
}

#[tokio::test]
async fn a_reward_is_called_by_its_name_and_its_own_calls_are_below_it() {
    #[reward]
    fn short(_: &QaInput, p: &Prediction<QaOutput>) -> bool {
        p.answer.len() < 3
    }
    #[module]
    struct Judge {
        rate: Predict<Qa>,
    }
    impl Reward<QaInput, QaOutput> for Judge {
        async fn evaluate(&self, input: &QaInput, _: &Prediction<QaOutput>) -> Result<Score> {
            self.rate.call(input.clone()).await?;
            Ok(Score::new(0.5))
        }
    }
    let (spans, _guard) = Spans::listen();
    let qa = Predict::<Qa>::new().lm(&script().lm());
    BestOfN::new(qa.clone(), 1, short).call(ask()).await.unwrap();
    BestOfN::with_reward(qa.clone(), 1, Judge { rate: qa }).call(ask()).await.unwrap();
    let names: Vec<_> = spans.named("reward").iter().map(|told| told.get("name").to_owned()).collect();
    assert_eq!(names, ["short", "Judge"]);
    let tree = spans.tree(&["path"]);
    assert!(tree.ends_with("    reward\n      predictor reward.rate\n        lm\n"), "{tree}");
}

#[tokio::test]
async fn the_critic_stands_between_the_rollouts() {
    let (spans, _guard) = Spans::listen();
    let lm = ScriptedLm::computed(|request| match &request.response_format {
        Some(_) => Reply::fields([("discussion", "d".into()), ("advice", serde_json::json!({}))]),
        None => Reply::fields([("answer", "a")]),
    });
    let refine = Refine::new(Predict::<Qa>::new().lm(&lm.lm()), 2, |_, _| 0.0);
    refine.call(ask()).await.unwrap();
    assert_eq!(
        spans.tree(&["path", "format"]),
        "module\
        \n  rollout\n    predictor module\n      lm text\n    reward\
        \n  predictor critic\n    lm json\
        \n  rollout\n    predictor module\n      lm text\n    reward\n"
    );
}

#[tokio::test]
async fn no_key_and_no_query_of_the_address_is_ever_told() {
    let server = wiremock::MockServer::start().await;
    let echo = serde_json::json!({
        "model": "echo", "usage": { "prompt_tokens": 3, "completion_tokens": 2 },
        "choices": [{ "message": { "content": "[[ ## answer ## ]]\nyour key is sk-canary" }, "finish_reason": "stop" }],
    });
    let answer = wiremock::ResponseTemplate::new(200).set_body_json(echo);
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&server).await;
    let (spans, _guard) = Spans::listen();
    let url = format!("{}/v1?token=sk-query", server.uri());
    let lm = Lm::new("groq/x").unwrap().base_url(url).api_key("sk-canary").record_content(true);
    Predict::<Qa>::new().lm(&lm).call(ask()).await.unwrap();
    let lm = spans.named("lm").remove(0);
    assert_eq!((lm.get("provider"), lm.get("model"), lm.get("response_model")), ("groq", "x", "echo"));
    assert_eq!(lm.get("host"), "127.0.0.1");
    assert_eq!(lm.get("port"), server.address().port().to_string());
    assert!(lm.get("completion").contains("your key is ***"), "{lm:?}");
    assert!(!spans.text().contains("sk-"), "{}", spans.text());
}

#[tokio::test]
async fn wrappers_that_hand_all_on_are_not_told() {
    let (spans, _guard) = Spans::listen();
    let steps: TwoSteps = two_steps(&script().lm());
    let boxed = karat::Frozen::new(steps).budget(karat::Budget::new().calls(9)).boxed();
    boxed.call(ask()).await.unwrap();
    assert!(spans.tree(&["name"]).starts_with("module TwoSteps\n  predictor\n"), "{}", spans.tree(&["name"]));
}
