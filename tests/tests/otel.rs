//! What a run tells `tracing` under the names of OpenTelemetry's GenAI conventions. `just otel` runs it.

mod spans;

use karat::{
    BestOfN, Error, ErrorKind, Lm, Module, Predict, Reply, Result, ScriptedLm,
    telemetry::{Names, set_names},
};
use serde_json::{Value, json};
use spans::{Qa, SECRETS, Spans, Twins, ask, script, two_steps};
use tracing::subscriber::DefaultGuard;

/// Listens to this thread; the whole process has OpenTelemetry's names.
fn listen() -> (Spans, DefaultGuard) {
    set_names(Names::OpenTelemetry);
    Spans::listen()
}

#[tokio::test]
async fn spans_are_called_as_the_conventions_say() {
    let (spans, _guard) = listen();
    BestOfN::new(two_steps(&script().lm()), 1, |_, _| 0.5).threshold(1.0).call(ask()).await.unwrap();
    assert_eq!(
        spans.tree(&["otel.name", "otel.kind", "gen_ai.operation.name"]),
        "module invoke_workflow BestOfN<TwoSteps> internal invoke_workflow\
        \n  rollout rollout internal\
        \n    module invoke_workflow TwoSteps internal invoke_workflow\
        \n      predictor invoke_agent module.query internal invoke_agent\
        \n        lm chat parrot-1 client chat\
        \n      module invoke_workflow ChainOfThought<Qa> internal invoke_workflow\
        \n        predictor invoke_agent module.answer.predict internal invoke_agent\
        \n          lm chat parrot-1 client chat\
        \n    reward reward internal\
        \n    gen_ai.evaluation.result\n"
    );
    let module = spans.named("module").remove(0);
    assert_eq!(module.get("gen_ai.workflow.name"), "BestOfN<TwoSteps>");
    assert_eq!(spans.named("predictor")[0].get("gen_ai.agent.name"), "module.query");
    let text = spans.text();
    SECRETS.iter().for_each(|secret| assert!(!text.contains(secret), "{secret}"));
}

#[tokio::test]
async fn an_lm_call_has_the_attributes_of_the_conventions() {
    let (spans, _guard) = listen();
    let lm = script().lm().temperature(0.25).max_tokens(300).seed(u64::MAX);
    Predict::<Qa>::new().n(2).lm(&lm).call(ask()).await.unwrap();
    let lm = spans.named("lm").remove(0);
    for (field, value) in [
        ("gen_ai.provider.name", "acme"),
        ("gen_ai.request.model", "parrot-1"),
        ("gen_ai.request.temperature", "0.25"),
        ("gen_ai.request.max_tokens", "300"),
        ("gen_ai.request.choice.count", "2"),
        ("gen_ai.request.seed", "9223372036854775807"),
        ("gen_ai.request.stream", "false"),
        ("gen_ai.output.type", "text"),
        ("gen_ai.response.finish_reasons", r#"["stop"]"#),
        ("gen_ai.usage.input_tokens", "100"),
        ("gen_ai.usage.output_tokens", "20"),
        ("gen_ai.usage.cache_read.input_tokens", "64"),
        ("gen_ai.usage.reasoning.output_tokens", "7"),
    ] {
        assert_eq!(lm.get(field), value, "{field}");
    }
    for absent in [
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "error.type",
        "otel.status_code",
        "server.address",
    ] {
        assert!(!lm.fields.contains_key(absent), "{absent}");
    }
}

#[tokio::test]
async fn content_has_the_form_of_the_conventions_and_is_there_on_demand_only() {
    let (spans, _guard) = listen();
    let lm = script().lm().record_content(true);
    BestOfN::new(Predict::<Qa>::new().lm(&lm), 1, |_, _| (0.0, "the-feedback")).call(ask()).await.unwrap();
    let lm = spans.named("lm").remove(0);
    let input: Value = serde_json::from_str(lm.get("gen_ai.input.messages")).unwrap();
    assert_eq!(input[0]["role"], "system");
    assert_eq!(input[1]["role"], "user");
    assert_eq!(input[1]["parts"][0]["type"], "text");
    assert!(input[1]["parts"][0]["content"].as_str().unwrap().contains("the-question"));
    let output: Value = serde_json::from_str(lm.get("gen_ai.output.messages")).unwrap();
    assert_eq!(output[0]["finish_reason"], "stop");
    assert_eq!(output[0]["role"], json!("assistant"));
    assert!(output[0]["parts"][0]["content"].as_str().unwrap().contains("the-answer"));
    let event = spans.named("gen_ai.evaluation.result").remove(0);
    assert_eq!(event.get("gen_ai.evaluation.explanation"), "the-feedback");
}

#[tokio::test]
async fn each_reward_is_an_evaluation_event_of_its_rollout() {
    let (spans, _guard) = listen();
    let qa = Predict::<Qa>::new().lm(&script().lm());
    let count = std::sync::atomic::AtomicU32::new(0);
    let reward = move |_: &spans::QaInput, _: &karat::Prediction<spans::QaOutput>| -> Result<(f64, &str)> {
        match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Ok((0.25, "the-feedback")),
            1 => Err(Error::new(ErrorKind::Other, "no idea")),
            _ => Ok((1.0, "the-feedback")),
        }
    };
    BestOfN::new(qa, 5, reward).threshold(1.0).call(ask()).await.unwrap();
    let fields = [
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.value",
        "gen_ai.evaluation.score.label",
        "gen_ai.evaluation.explanation",
        "error.type",
    ];
    let events = spans.named("gen_ai.evaluation.result");
    let told: Vec<_> = events.iter().map(|event| fields.map(|field| event.get(field)).join("|")).collect();
    assert_eq!(told, ["reward|0.25|fail||", "reward||||reward", "reward|1.0|pass||"]);
    let rollouts: Vec<_> =
        events.iter().map(|event| spans.all()[event.parent.unwrap()].name.clone()).collect();
    assert_eq!(rollouts, ["rollout"; 3]);
}

#[tokio::test]
async fn a_failed_call_has_an_error_type_and_a_status() {
    let (spans, _guard) = listen();
    // A closed port.
    let lm = Lm::new("deepseek/x").unwrap().base_url("http://127.0.0.1:9/v1?sk-query").api_key("sk-canary");
    Predict::<Qa>::new().lm(&lm).call(ask()).await.unwrap_err();
    let lm = spans.named("lm").remove(0);
    for (field, value) in [
        ("error.type", "connect"),
        ("otel.status_code", "ERROR"),
        ("gen_ai.provider.name", "deepseek"),
        ("server.address", "127.0.0.1"),
        ("server.port", "9"),
    ] {
        assert_eq!(lm.get(field), value, "{field}");
    }
    assert!(!spans.text().contains("sk-"));
}

#[tokio::test]
async fn predictors_at_once_keep_their_calls() {
    let (spans, _guard) = listen();
    let mut twins = Twins { left: Predict::new(), right: Predict::new() };
    twins.set_lm(&ScriptedLm::computed(|_| Reply::fields([("answer", "a")])).lm());
    twins.call(ask()).await.unwrap();
    assert_eq!(
        spans.tree(&["gen_ai.agent.name"]),
        "module\n  predictor left\n    lm\n  predictor right\n    lm\n"
    );
}
