//! Calls keep apart: the trace is the winner's, an error has its predictor's path, and the user's module stays as it was.

use std::collections::BTreeMap;

use karat::{BestOfN, ErrorKind, Module, Predict, Prediction, Refine, Reply, Result, ScriptedLm, module};

use crate::support::{
    Qa, QaInput, QaOutput, Twins, TwoSteps, advice, answers, ask, echo_id, failure, ids, millis, number, qa,
    reply, server_error, step_reply, tokens,
};

fn steps_lm() -> ScriptedLm {
    ScriptedLm::computed(|request| {
        let id = request.config.rollout_id.unwrap_or_default();
        step_reply(request, &format!("q{id}"), &id.to_string())
    })
}

fn two_steps(lm: &ScriptedLm) -> TwoSteps {
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm.lm());
    steps
}

#[tokio::test]
async fn the_trace_is_the_winners_alone_and_names_predictors_from_the_root() {
    let best = BestOfN::new(two_steps(&steps_lm()), 3, |_, p| p.answer == "1").call(ask()).await.unwrap();
    let steps: Vec<_> =
        best.trace().steps().iter().map(|step| (step.predictor(), step.signature())).collect();
    assert_eq!(steps, [("module.query", "MakeQuery"), ("module.answer.predict", "Qa")]);
    let query = &best.trace().steps()[0];
    assert_eq!(query.inputs()[0], ("question".into(), "Capital of France?".into()));
    assert_eq!(query.outputs()[0], ("query".into(), "q1".into()));
    assert_eq!(best.rollouts().len(), 3, "every rollout is in the report");
    assert_eq!(best.usage().calls, 6);
}

#[tokio::test]
async fn losers_and_failures_are_not_in_the_trace_of_an_outer_module() {
    #[module]
    struct Outer {
        first: Predict<Qa>,
        best: BestOfN<Predict<Qa>>,
    }
    #[module]
    impl Outer {
        async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
            let first = self.first.call(input).await?;
            let best = self.best.call(QaInput { question: first.into_inner().answer }).await?;
            // What a wrapper inside costs is its own alone.
            assert_eq!(best.usage().calls, 3);
            Ok(best)
        }
    }
    let lm = ScriptedLm::new([reply("0"), reply("1"), server_error(), reply("2")]);
    let mut outer = Outer { first: Predict::new(), best: BestOfN::new(Predict::new(), 3, number) };
    outer.set_lm(&lm.lm());
    let prediction = outer.call(ask()).await.unwrap();
    let steps: Vec<_> =
        prediction.trace().steps().iter().map(|s| (s.predictor(), s.outputs()[0].1.clone())).collect();
    assert_eq!(steps, [("first", "0".into()), ("best.module", "2".into())]);
    assert_eq!(prediction.usage().calls, 4);
}

#[tokio::test]
async fn an_error_names_the_path_of_the_failing_predictor() {
    let query = ScriptedLm::computed(|_| Reply::fields([("query", "q")]));
    let answer = ScriptedLm::computed(|_| failure(ErrorKind::Server));
    let mut steps = TwoSteps::new();
    steps.query = steps.query.lm(&query.lm());
    steps.answer = steps.answer.lm(&answer.lm());

    let error = steps.call(ask()).await.unwrap_err();
    assert_eq!(error.predictor(), Some("answer.predict"));
    assert!(error.to_string().contains("`answer.predict`"), "{error}");

    let error = BestOfN::new(steps.clone(), 2, |_, _| 0.0).call(ask()).await.unwrap_err();
    for rollout in error.rollouts() {
        assert_eq!(rollout.error().unwrap().predictor(), Some("module.answer.predict"));
    }

    let bare = Predict::<Qa>::new().call(ask()).await.unwrap_err();
    assert_eq!(bare.predictor(), Some("self"));
}

#[tokio::test]
async fn an_error_knows_what_its_run_did_and_what_it_cost() {
    let lm = ScriptedLm::new([
        Reply::fields([("query", "q")]).usage(tokens(10, 1)),
        Reply::text("unreadable").usage(tokens(20, 2)),
        Reply::text("unreadable too").usage(tokens(40, 4)),
    ]);
    let error = two_steps(&lm).call(ask()).await.unwrap_err();
    let trace = error.trace().unwrap();
    let steps: Vec<_> =
        trace.steps().iter().map(|s| (s.predictor(), s.calls().len(), s.error().is_some())).collect();
    assert_eq!(steps, [("query", 1, false), ("answer.predict", 2, true)]);
    assert_eq!((error.usage().calls, error.usage().total_tokens()), (3, 77));

    let lm = ScriptedLm::new([server_error(), reply("x"), server_error()]);
    let error = BestOfN::new(qa(&lm), 3, number).call(ask()).await.unwrap_err();
    assert_eq!(error.usage().calls, 3, "all rollouts");
    assert!(error.trace().unwrap().steps().is_empty(), "there is no winner");
}

#[tokio::test]
async fn nothing_leaks_into_the_users_own_module() {
    let lm = steps_lm();
    let handle = lm.lm().temperature(0.7).rollout_id(3);
    let mut steps = two_steps(&lm);
    steps.set_lm(&handle);
    steps.query = steps.query.temperature(0.1);
    let prompt = steps.query.prompt(&crate::support::MakeQueryInput { question: "?".into() }).unwrap();
    let best = BestOfN::new(steps.clone(), 2, |_, _| (0.0, "be brief"));
    let refine = Refine::new(steps.clone(), 2, |_, _| (0.0, "be brief"));
    best.call(ask()).await.unwrap();
    refine.call(ask()).await.unwrap();
    steps.call(ask()).await.unwrap();
    for module in [&steps, best.module(), refine.module()] {
        for (path, predictor) in module.named_predictors() {
            assert_eq!(predictor.lm(), Some(&handle), "{path}");
            assert_eq!(predictor.rollout_id(), 3);
            assert_eq!((predictor.run_temperature(), predictor.run_inputs().len()), (None, 0));
            assert!(predictor.tracer().is_none() && &*predictor.path() == "self");
        }
        assert_eq!(module.query.predictor().config().temperature, Some(0.1));
        let now = module.query.prompt(&crate::support::MakeQueryInput { question: "?".into() }).unwrap();
        assert_eq!(now, prompt, "no hint in the prompt");
    }
}

#[tokio::test]
async fn a_plain_call_after_rollouts_sends_what_one_before_would_have_sent() {
    let lm = answers(["1", "2", "3", "4", "5"]);
    let module = qa(&lm);
    let refine = Refine::new(module.clone(), 3, |_, _| (0.0, "be brief"));
    module.call(ask()).await.unwrap();
    refine.call(ask()).await.unwrap();
    module.call(ask()).await.unwrap();
    let requests = lm.requests();
    assert_eq!(requests[0], requests[4]);
    assert_eq!((requests[0].config.rollout_id, requests[0].config.temperature), (None, None));
}

#[tokio::test]
async fn what_is_changed_on_a_copy_leaves_the_original_as_it_is() {
    let (one, other) = (echo_id().named("one"), echo_id().named("other"));
    let mut original = TwoSteps::new();
    original.set_lm(&one.lm());
    let mut copy = original.deepcopy();
    copy.set_lm(&other.lm());
    for (_, predictor) in copy.named_predictors_mut() {
        predictor.set_instructions("changed");
        predictor.set_rollout_id(9);
    }
    assert_eq!(original.get_lm().unwrap().unwrap().name(), "one");
    assert_eq!(copy.get_lm().unwrap().unwrap().name(), "other");
    let instructions: Vec<_> = original.predictors().iter().map(|p| p.instructions().to_owned()).collect();
    assert_eq!(instructions, ["Write a search query.", "Answer the question."]);
    assert_eq!(original.predictors()[0].rollout_id(), 0);
    // And the other way round.
    original.named_predictors_mut()[0].1.set_instructions("mine");
    assert_eq!(copy.predictors()[0].instructions(), "changed");
}

#[tokio::test(start_paused = true)]
async fn two_calls_of_one_module_at_the_same_time_keep_their_traces_apart() {
    let lm = ScriptedLm::computed(|request| {
        let first = request.prompt.last().contains("one");
        reply(if first { "1" } else { "2" }).delay(millis(if first { 20 } else { 10 }))
    });
    let module = qa(&lm);
    let (one, two) = tokio::join!(
        module.call(crate::support::question("one")),
        module.call(crate::support::question("two"))
    );
    for (prediction, question, answer) in [(one.unwrap(), "one", "1"), (two.unwrap(), "two", "2")] {
        let [step] = prediction.trace().steps() else { panic!("{:?}", prediction.trace()) };
        assert_eq!((&step.inputs()[0].1, &step.outputs()[0].1), (&question.into(), &answer.into()));
        assert_eq!(prediction.usage().calls, 1);
    }
}

#[tokio::test]
async fn two_predictors_in_a_join_write_both_their_steps_to_one_trace() {
    let mut twins = Twins::new();
    twins.set_lm(&answers(["1", "2"]).lm());
    let prediction = twins.call(ask()).await.unwrap();
    let paths: Vec<_> = prediction.trace().steps().iter().map(|step| step.predictor()).collect();
    assert_eq!((paths, prediction.usage().calls), (vec!["left", "right"], 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modules_and_wrappers_of_them_can_be_spawned() {
    let lm = steps_lm();
    let steps = two_steps(&lm);
    let best = BestOfN::new(steps.clone(), 2, |_, _| 1.0).concurrency(2);
    let refine = Refine::new(best.clone(), 2, |_, _| (1.0, "fine"));
    let plain = steps.clone();
    let plain = tokio::spawn(async move { plain.call(ask()).await });
    let best = tokio::spawn(async move { best.call(ask()).await });
    let refine = tokio::spawn(async move { refine.call(ask()).await });
    let boxed = BestOfN::new(steps.boxed(), 2, |_, _| 1.0).boxed();
    let boxed = tokio::spawn(async move { boxed.call(ask()).await });
    let calls = [plain, best, refine, boxed].map(|task| async { task.await.unwrap().unwrap().usage().calls });
    let mut counted = Vec::new();
    for call in calls {
        counted.push(call.await);
    }
    assert_eq!(counted, [2, 4, 8, 4]);
}

#[tokio::test]
async fn demos_and_instructions_are_the_same_in_every_rollout() {
    let lm = echo_id();
    let module = qa(&lm).demo(Qa { question: "2+2".into(), answer: "4".into() }).instructions("Be exact.");
    BestOfN::new(module, 3, number).call(ask()).await.unwrap();
    let requests = lm.requests();
    assert!(requests.iter().all(|request| request.prompt == requests[0].prompt));
    assert!(crate::support::whole(&requests[2]).contains("Be exact."));
    assert_eq!(ids(&lm), [0, 1, 2]);
}

#[tokio::test]
async fn what_a_module_holds_beside_predictors_is_copied_into_each_rollout() {
    #[module]
    struct Prefixed {
        qa: Predict<Qa>,
        prefix: String,
        limits: BTreeMap<String, u32>,
    }
    #[module]
    impl Prefixed {
        async fn forward(&self, input: QaInput) -> Result<Prediction<String>> {
            let answer = self.qa.call(input).await?;
            Ok(answer.map(|answer| format!("{}{}{}", self.prefix, answer.answer, self.limits["most"])))
        }
    }
    let module = Prefixed {
        qa: qa(&answers(["1", "2"])),
        prefix: "#".into(),
        limits: BTreeMap::from([("most".into(), 7)]),
    };
    let best = BestOfN::new(module, 2, |_, p| p.as_str() == "#27").call(ask()).await.unwrap();
    assert_eq!((best.as_str(), best.reward()), ("#27", Some(1.0)));
}

#[tokio::test]
async fn advice_stays_out_of_the_modules_that_were_advised() {
    let (lm, critic) = (answers(["1", "2"]), ScriptedLm::new([advice([("module", "secret tip")])]));
    let refine = Refine::new(qa(&lm), 2, number).feedback_lm(critic.lm());
    let best = refine.call(ask()).await.unwrap();
    assert!(!format!("{:?}", best.trace()).contains("secret tip"));
    let prompt = refine.module().prompt(&ask()).unwrap();
    assert!(prompt.iter().all(|message| !message.content.contains("secret tip")));
}
