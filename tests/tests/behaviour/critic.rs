//! The critic's call: its inputs, its LM, how often and how long it is, and its failures.

use karat::{
    Critic, ErrorKind, Module, Predict, Prediction, Refine, Reply, ScriptedLm,
    lm::{Request, ResponseFormat},
    reward,
};

use crate::support::{
    QaInput, QaOutput, TwoSteps, advice, answers, ask, echo_id, failure, ids, last_messages, number, qa,
    question, reply, server_error, step_reply, tokens, whole,
};

#[reward]
fn brief(_input: &QaInput, prediction: &Prediction<QaOutput>) -> f64 {
    let letters = prediction.answer.len(); // the fewer the better
    -(letters as f64)
}

/// [`TwoSteps`] on an LM that always answers the same.
fn two_steps(lm: &ScriptedLm) -> TwoSteps {
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm.lm());
    steps
}

fn steady() -> ScriptedLm {
    ScriptedLm::computed(|request| step_reply(request, "paris query", "Lutetia"))
}

/// A field's value in the critic's question.
fn field<'a>(request: &'a Request, name: &str) -> &'a str {
    let marker = format!("[[ ## {name} ## ]]\n");
    let (_, after) = request.prompt.last().split_once(&marker).expect(name);
    let (value, _) = after.split_once("\n\n[[ ##").or(after.split_once("\n\nAnswer with")).expect("an end");
    value
}

const FIELDS: [&str; 9] = [
    "program",
    "modules",
    "inputs",
    "trajectory",
    "outputs",
    "reward_source",
    "threshold",
    "reward",
    "feedback",
];

#[tokio::test]
async fn the_critic_is_given_all_that_is_known_of_the_run() {
    let critic = ScriptedLm::new([advice([])]);
    let refine = Refine::new(two_steps(&steady()), 2, |_, p| (0.25, format!("no {}", p.answer)));
    let refine = refine.threshold(0.5).critic(Critic::Always).feedback_lm(critic.lm());
    refine.call(ask()).await.unwrap();
    let requests = critic.requests();
    let request = &requests[0];
    for (name, parts) in [
        ("program", &["async fn forward(&self, input: QaInput)", ".call(MakeQueryInput {"][..]),
        (
            "modules",
            &[
                "query: question -> query. Write a search query.",
                "answer.predict: question -> reasoning, answer. ",
            ],
        ),
        ("inputs", &["Capital of France?"]),
        ("trajectory", &["query\n", "paris query", "answer.predict\n", "by heart", "Lutetia"]),
        ("outputs", &["Lutetia", "by heart"]),
        ("threshold", &["0.5"]),
        ("reward", &["0.25"]),
        ("feedback", &["no Lutetia"]),
    ] {
        for part in parts {
            assert!(field(request, name).contains(part), "`{part}` in {name}: {}", field(request, name));
        }
    }
    let Some(ResponseFormat::JsonSchema { schema, .. }) = &request.response_format else {
        panic!("{:?}", request.response_format)
    };
    let outputs: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(outputs, ["discussion", "advice"]);
}

#[tokio::test]
async fn a_strict_schema_holds_the_critic_to_the_names_of_the_predictors() {
    let critic = ScriptedLm::new([advice([])]);
    Refine::new(two_steps(&steady()), 2, |_, _| 0.0).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    let requests = critic.requests();
    let Some(ResponseFormat::JsonSchema { schema, strict, .. }) = &requests[0].response_format else {
        panic!("{:?}", requests[0].response_format)
    };
    let advice = &schema["properties"]["advice"];
    let names: Vec<_> = advice["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["query", "answer.predict"]);
    assert!(*strict && advice["additionalProperties"] == false, "{schema}");
}

#[tokio::test]
async fn the_critic_sees_rewards_without_bounds_as_they_are() {
    for (reward, shown) in [(f64::NEG_INFINITY, "-inf"), (1e300, "1000000"), (-0.5, "-0.5")] {
        let critic = ScriptedLm::new([advice([])]);
        let refine = Refine::new(qa(&answers(["a", "b"])), 2, move |_, _| reward).feedback_lm(critic.lm());
        refine.call(ask()).await.unwrap();
        let requests = critic.requests();
        assert!(field(&requests[0], "reward").starts_with(shown), "{}", field(&requests[0], "reward"));
    }
}

#[tokio::test]
async fn the_critic_sees_the_source_of_a_reward_function_and_none_of_a_closure() {
    let critic = ScriptedLm::computed(|_| advice([]));
    let lm = answers(["1", "2", "3", "4"]);
    Refine::new(qa(&lm), 2, brief).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    Refine::new(qa(&lm), 2, |_, _| 0.0).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    let requests = critic.requests();
    let source = field(&requests[0], "reward_source");
    assert!(source.contains("fn brief(") && source.contains("// the fewer the better"), "{source}");
    assert!(!field(&requests[1], "reward_source").contains("fn"));
}

#[tokio::test]
async fn n_rollouts_cost_at_most_n_minus_1_advice_calls() {
    for n in [1, 2, 5] {
        let (lm, critic) = (echo_id(), ScriptedLm::computed(|_| advice([("module", "more")])));
        let best = Refine::new(qa(&lm), n, number).feedback_lm(critic.lm()).call(ask()).await.unwrap();
        assert_eq!((lm.calls(), critic.calls()), (n, n - 1));
        assert_eq!(best.usage().calls as usize, n + n - 1);
    }
}

#[tokio::test]
async fn a_rollout_that_passes_costs_no_advice_call() {
    let critic = ScriptedLm::computed(|_| advice([]));
    let best = Refine::new(qa(&answers(["1"])), 5, number).threshold(1.0).feedback_lm(critic.lm());
    best.call(ask()).await.unwrap();
    assert_eq!(critic.calls(), 0);
}

#[tokio::test]
async fn the_critic_is_asked_about_a_feedback_text_only_if_it_always_is() {
    for (rule, calls) in [(Critic::WithoutFeedback, 0), (Critic::Always, 1)] {
        let critic = ScriptedLm::computed(|_| advice([("module", "from the critic")]));
        let lm = answers(["1", "2"]);
        let refine =
            Refine::new(qa(&lm), 2, |_, _| (0.0, "from the reward")).critic(rule).feedback_lm(critic.lm());
        refine.call(ask()).await.unwrap();
        assert_eq!(critic.calls(), calls);
        let hint = &last_messages(&lm)[1];
        assert_eq!(
            (hint.contains("from the critic"), hint.contains("from the reward")),
            (calls == 1, calls == 0)
        );
    }
}

#[tokio::test]
async fn without_a_feedback_lm_the_critic_is_the_modules_own() {
    let lm = ScriptedLm::computed(|request| match request.response_format {
        Some(_) => advice([("module", "more")]),
        None => reply(&request.config.rollout_id.unwrap().to_string()),
    });
    let best = Refine::new(qa(&lm), 2, number).call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), lm.calls()), ("1", 3));
    assert!(last_messages(&lm)[2].contains("more"));
}

#[tokio::test]
async fn the_critics_cost_is_in_the_usage_and_its_call_is_not_in_the_trace() {
    let lm = ScriptedLm::new([reply("1").usage(tokens(1, 1)), reply("2").usage(tokens(1, 1))]);
    let critic = ScriptedLm::new([advice([]).usage(tokens(100, 50))]);
    let best = Refine::new(qa(&lm), 2, number).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    assert_eq!(best.usage().total_tokens(), 154);
    assert_eq!(best.trace().steps().len(), 1);
}

#[tokio::test]
async fn advice_that_fails_is_reported_the_earlier_advice_stays_and_the_run_goes_on() {
    for bad in [server_error(), failure(ErrorKind::Auth), Reply::text("no json"), Reply::refusal("I won't")] {
        let lm = answers(["1", "2", "3"]);
        let critic = ScriptedLm::new([advice([("module", "first advice")]), bad.clone(), bad]);
        let best = Refine::new(qa(&lm), 3, number).feedback_lm(critic.lm()).call(ask()).await.unwrap();
        assert_eq!(best.answer, "3");
        let failed: Vec<_> =
            best.rollouts().iter().map(|r| r.advice().map(|a| a.error().is_some())).collect();
        assert_eq!(failed, [Some(false), Some(true), None]);
        assert!(best.rollouts()[1].to_string().contains("no advice: "), "{}", best.rollouts()[1]);
        let hinted: Vec<_> =
            last_messages(&lm).iter().map(|message| message.contains("first advice")).collect();
        assert_eq!(hinted, [false, true, true]);
    }
}

#[tokio::test]
async fn a_module_without_any_lm_fails_before_a_critic_is_asked() {
    let critic = ScriptedLm::computed(|_| advice([]));
    let error =
        Refine::new(TwoSteps::new(), 2, |_, _| 0.0).feedback_lm(critic.lm()).call(ask()).await.unwrap_err();
    assert!(error.is_config());
    assert_eq!((error.predictor(), critic.calls()), (Some("module.query"), 0));
}

#[tokio::test]
async fn names_as_small_models_write_them_find_their_predictor() {
    for name in
        ["answer.predict", "answer", "`answer.predict`", "self.answer.predict", "module.answer.predict"]
    {
        let lm = steady();
        let critic = ScriptedLm::new([advice([(name, "be exact")])]);
        let refine = Refine::new(two_steps(&lm), 2, |_, _| 0.0).feedback_lm(critic.lm());
        let best = refine.call(ask()).await.unwrap();
        let hinted: Vec<_> = last_messages(&lm).iter().map(|message| message.contains("be exact")).collect();
        assert_eq!(hinted, [false, false, false, true], "{name}");
        assert_eq!(best.rollouts()[0].advice().unwrap().by_predictor()["answer.predict"], "be exact");
    }
}

#[tokio::test]
async fn advice_for_an_unknown_predictor_is_given_to_none() {
    let lm = steady();
    let critic = ScriptedLm::new([advice([("nobody", "be exact"), ("query", "  "), ("answer", "N/A")])]);
    let best = Refine::new(two_steps(&lm), 2, |_, _| 0.0).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    assert!(last_messages(&lm).iter().all(|message| !message.contains("hint")));
    assert!(best.rollouts()[0].advice().unwrap().by_predictor().is_empty());
    assert_eq!(best.rollouts()[0].advice().unwrap().discussion(), "a discussion");
}

/// The characters of a critic's request that are not the user's own data, its schema included.
fn overhead(request: &Request) -> usize {
    let own: usize = FIELDS.iter().map(|name| field(request, name).chars().count()).sum();
    let schema = match &request.response_format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => schema.to_string().chars().count(),
        _ => 0,
    };
    whole(request).chars().count() + schema - own
}

#[tokio::test]
async fn the_critics_prompt_is_short_beside_the_users_own_data() {
    let critic = ScriptedLm::computed(|_| advice([]));
    let refine = Refine::new(two_steps(&steady()), 2, |_, _| 0.0).feedback_lm(critic.lm());
    refine.call(ask()).await.unwrap();
    let overhead = overhead(&critic.requests()[0]);
    assert!(overhead <= 2_400, "{overhead} characters");
}

#[tokio::test]
async fn long_values_are_cut_in_the_middle_with_a_mark_so_that_small_contexts_do() {
    let long = |letter: &str| format!("begin {} end", letter.repeat(50_000));
    let answer = long("a");
    let lm = ScriptedLm::computed(move |request| step_reply(request, &answer, &answer));
    let critic = ScriptedLm::computed(|_| advice([]));
    let feedback = long("f");
    let refine = Refine::new(two_steps(&lm), 2, move |_, _| (0.0, feedback.clone()));
    let refine = refine.critic(Critic::Always).feedback_lm(critic.lm());
    refine.call(question(&long("q"))).await.unwrap();
    let requests = critic.requests();
    for name in ["inputs", "trajectory", "outputs", "feedback"] {
        let value = field(&requests[0], name);
        assert!(value.contains("characters cut ...]"), "{name}: {value}");
        assert!(value.contains("begin"), "{name}: {value}");
        assert!(value.chars().count() < 2_200, "{name}");
    }
    assert!(field(&requests[0], "feedback").ends_with("end"), "the end stays too");
    // At four characters a token, with room for the answer, in a context of 4,096 tokens.
    let all = whole(&requests[0]).chars().count();
    assert!(all <= 12_000, "{all} characters");
}

#[tokio::test]
async fn the_critics_calls_have_different_rollout_ids() {
    let critic = ScriptedLm::computed(|_| advice([]));
    let lm = answers(["1", "1", "1"]);
    let predict: Predict<_> = Predict::new().lm(&lm.lm());
    Refine::<Predict<crate::support::Qa>>::new(predict, 3, number)
        .feedback_lm(critic.lm())
        .call(ask())
        .await
        .unwrap();
    assert_eq!(ids(&critic), [0, 1]);
}

#[tokio::test]
async fn a_critic_that_panics_costs_the_advice_alone() {
    let lm = answers(["0.3", "0.6", "0.5"]);
    let critic = ScriptedLm::computed(|_| -> Reply { panic!("no critic today") });
    let refine = Refine::new(qa(&lm), 3, number).feedback_lm(critic.lm());
    let refined = refine.call(ask()).await.unwrap();
    assert_eq!((&*refined.answer, lm.calls(), critic.calls()), ("0.6", 3, 2));
    for rollout in &refined.rollouts()[..2] {
        let error = rollout.advice().and_then(karat::trace::Advice::error).expect("why there is no advice");
        assert!(error.kind() == ErrorKind::Panic && error.to_string().contains("no critic today"), "{error}");
    }
}
