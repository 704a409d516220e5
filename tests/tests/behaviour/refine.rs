//! `Refine`: rollouts one after another, with advice in between.

use std::sync::Arc;

use karat::{
    BestOfN, Critic, ErrorKind, Module, Predict, Prediction, Refine, Result, ScriptedLm, Stop, module,
};

use crate::support::{
    Qa, QaInput, QaOutput, Twins, TwoSteps, advice, answers, ask, by_rollout, chosen, echo_id, failure, ids,
    last_messages, number, qa, reply, rewards, server_error, step_reply, temperatures, whole,
};

/// A number and a text, so that the text is the advice.
fn with_text(input: &QaInput, prediction: &Prediction<QaOutput>) -> (f64, String) {
    (number(input, prediction), format!("{} is too little", prediction.answer))
}

#[tokio::test]
async fn rollout_i_of_refine_has_the_id_i_and_temperature_1() {
    let lm = echo_id();
    let best = Refine::new(qa(&lm), 3, with_text).call(ask()).await.unwrap();
    assert_eq!((ids(&lm), temperatures(&lm)), (vec![0, 1, 2], vec![Some(1.0); 3]));
    assert_eq!((best.answer.as_str(), best.stop_reason()), ("2", Some(Stop::Completed)));
}

#[tokio::test]
async fn refine_stops_at_the_threshold() {
    let lm = echo_id();
    let best = Refine::new(qa(&lm), 5, with_text).threshold(1.0).call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), lm.calls(), best.stop_reason()), ("1", 2, Some(Stop::Threshold)));
}

#[tokio::test]
async fn refine_runs_one_rollout_after_another() {
    let lm = crate::support::Watched::new(by_rollout(|_| reply("0").delay(crate::support::millis(1))));
    Refine::new(Predict::<Qa>::new().lm(&lm.lm()), 4, with_text).call(ask()).await.unwrap();
    assert_eq!(lm.most_in_flight(), 1);
}

#[tokio::test]
async fn refine_is_never_worse_than_the_best_rollout_it_saw() {
    for (replies, index) in
        [(["3", "2", "1"], 0), (["1", "3", "2"], 1), (["2", "1", "2"], 0), (["1", "2", "3"], 2)]
    {
        let best = Refine::new(qa(&answers(replies)), 3, with_text).call(ask()).await.unwrap();
        assert_eq!(chosen(best.rollouts()), [index], "{replies:?}");
        assert_eq!(best.answer, replies[index]);
        assert_eq!(best.trace().steps()[0].outputs()[0].1, replies[index], "its trace is the winner's");
    }
}

#[tokio::test]
async fn refine_whose_later_rollouts_fail_returns_the_good_one() {
    let lm = ScriptedLm::new([reply("1"), server_error(), reply("panic"), reply("NaN")]);
    let best = Refine::new(qa(&lm), 4, with_text).call(ask()).await.unwrap();
    assert_eq!(rewards(best.rollouts()), [Some(1.0), None, None, None]);
    assert_eq!(best.answer, "1");
}

#[tokio::test]
async fn when_all_rollouts_of_refine_fail_the_error_has_every_cause() {
    for n in [1, 2, 5] {
        let lm = by_rollout(|id| karat::Error::new(ErrorKind::Server, format!("cause {id}")).into());
        let error = Refine::new(qa(&lm), n, with_text).call(ask()).await.unwrap_err();
        assert!(error.is_exhausted());
        assert_eq!((lm.calls(), error.rollouts().len()), (n, n), "no critic was asked about failures");
        for index in 0..n {
            assert!(error.to_string().contains(&format!("cause {index}")), "{error}");
        }
    }
}

#[tokio::test]
async fn refine_obeys_its_fail_count() {
    let lm = ScriptedLm::new([reply("1"), server_error(), server_error(), reply("2")]);
    let error = Refine::new(qa(&lm), 4, with_text).fail_count(1).call(ask()).await.unwrap_err();
    assert!(error.is_exhausted());
    assert_eq!((lm.calls(), rewards(error.rollouts())), (3, vec![Some(1.0), None, None]));

    let lm = ScriptedLm::new([server_error(), reply("2")]);
    let error = Refine::new(qa(&lm), 2, with_text).fail_count(0).call(ask()).await.unwrap_err();
    assert_eq!((error.is_exhausted(), lm.calls()), (true, 1));
}

#[tokio::test]
async fn refine_ends_at_once_at_an_error_that_no_retry_mends() {
    let lm = ScriptedLm::new([reply("1"), failure(ErrorKind::Quota), reply("2")]);
    let error = Refine::new(qa(&lm), 3, with_text).call(ask()).await.unwrap_err();
    assert!(error.is_quota());
    assert_eq!((lm.calls(), rewards(error.rollouts())), (2, vec![Some(1.0), None]));
}

#[tokio::test]
async fn senseless_settings_of_refine_are_config_errors_before_any_lm_call() {
    let lm = echo_id();
    for refine in [
        Refine::new(qa(&lm), 0, with_text),
        Refine::new(qa(&lm), 3, with_text).threshold(f64::NAN),
        Refine::new(qa(&lm), 3, with_text).temperature(f64::NAN),
    ] {
        assert!(refine.call(ask()).await.unwrap_err().is_config());
    }
    assert_eq!(lm.calls(), 0);
}

#[tokio::test]
async fn feedback_text_goes_to_the_predictors_as_it_is_and_no_critic_is_asked() {
    let lm = answers(["1", "2", "3"]);
    let best = Refine::new(qa(&lm), 3, with_text).call(ask()).await.unwrap();
    assert_eq!((lm.calls(), best.usage().calls), (3, 3));
    let messages = last_messages(&lm);
    assert!(!messages[0].contains("hint"), "{}", messages[0]);
    assert!(messages[1].contains("[[ ## hint_ ## ]]\n1 is too little\n"), "{}", messages[1]);
    assert!(messages[2].contains("[[ ## hint_ ## ]]\n2 is too little\n"), "{}", messages[2]);
    assert!(!messages[2].contains("1 is too little"), "the newest advice alone");
    let advice = best.rollouts()[0].advice().unwrap();
    assert_eq!(advice.by_predictor()["self"], "1 is too little");
    assert!(best.rollouts()[2].advice().is_none(), "nobody is left to be advised");
}

#[tokio::test]
async fn the_feedback_text_reaches_every_predictor_of_the_module() {
    let lm = ScriptedLm::computed(|request| step_reply(request, "q", "a"));
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm.lm());
    Refine::new(steps, 2, |_, _| (0.0, "be brief")).call(ask()).await.unwrap();
    let hinted: Vec<_> = last_messages(&lm).iter().map(|message| message.contains("be brief")).collect();
    assert_eq!(hinted, [false, false, true, true]);
}

/// A module, a critic for it, and what the module's own LM answers.
fn twins(lm: &ScriptedLm) -> Twins {
    let mut twins = Twins::new();
    twins.set_lm(&lm.lm());
    twins
}

#[tokio::test]
async fn two_predictors_of_one_signature_that_run_in_a_join_get_each_its_own_hint() {
    let lm = echo_id();
    let critic = ScriptedLm::new([advice([("left", "go left"), ("right", "go right")])]);
    let best = Refine::new(twins(&lm), 2, |_, _| 0.0).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    let messages = last_messages(&lm);
    assert_eq!(messages.len(), 4);
    let hint = |text: &str| format!("[[ ## hint_ ## ]]\n{text}\n");
    let second: Vec<_> =
        messages[2..].iter().map(|m| (m.contains(&hint("go left")), m.contains(&hint("go right")))).collect();
    assert_eq!(second, [(true, false), (false, true)], "{messages:#?}");
    assert!(messages[..2].iter().all(|message| !message.contains("hint")));
    assert_eq!(best.rollouts()[0].advice().unwrap().by_predictor().len(), 2);
}

#[tokio::test]
async fn a_predictor_that_the_critic_left_out_gets_no_hint() {
    let lm = echo_id();
    let critic = ScriptedLm::new([advice([("right", "go right")])]);
    Refine::new(twins(&lm), 2, |_, _| 0.0).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    let messages = last_messages(&lm);
    assert!(!messages[2].contains("hint") && messages[3].contains("go right"), "{messages:#?}");
}

#[tokio::test]
async fn a_predictor_that_gets_no_new_advice_keeps_the_earlier_one() {
    let lm = echo_id();
    let critic = ScriptedLm::new([advice([("left", "go left")]), advice([("right", "go right")])]);
    Refine::new(twins(&lm), 3, |_, _| 0.0).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    let messages = last_messages(&lm);
    assert!(messages[4].contains("go left") && messages[5].contains("go right"), "{messages:#?}");
}

/// Moves its predictor into a task of its own.
#[module]
struct Spawning {
    qa: Predict<Qa>,
}

#[module]
impl Spawning {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        let qa = self.qa.clone();
        tokio::spawn(async move { qa.call(input).await }).await.map_err(karat::Error::other)?
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_and_a_trace_reach_a_task_that_the_module_spawns() {
    let lm = answers(["1", "2"]);
    let best = Refine::new(Spawning { qa: qa(&lm) }, 2, with_text).call(ask()).await.unwrap();
    assert!(last_messages(&lm)[1].contains("1 is too little"));
    assert_eq!(ids(&lm), [0, 1]);
    assert_eq!(best.trace().steps()[0].predictor(), "module.qa");
    assert_eq!(best.usage().calls, 2);
}

#[tokio::test]
async fn a_hint_shows_in_no_trace_and_no_demo() {
    let lm = answers(["1", "2"]);
    let demo = Qa { question: "q".into(), answer: "a".into() };
    let refine = Refine::new(qa(&lm).demo(demo), 2, with_text);
    let best = refine.call(ask()).await.unwrap();
    let requests = lm.requests();
    assert!(last_messages(&lm)[1].contains("1 is too little"));
    assert_eq!(best.answer, "2", "the hinted one won");
    let [step] = best.trace().steps() else { panic!("{:?}", best.trace()) };
    assert!(!format!("{step:?}").contains("hint") && !format!("{step:?}").contains("too little"), "{step:?}");
    // System text and demo are the same with and without a hint: only the last message has it.
    let (plain, hinted): (Vec<_>, Vec<_>) =
        (requests[0].prompt.iter().collect(), requests[1].prompt.iter().collect());
    assert_eq!(plain[..3], hinted[..3]);
    assert_eq!(plain.len(), hinted.len());
    assert!(!format!("{:?}", refine.module().predictor().demos()).contains("too little"));
}

#[tokio::test]
async fn after_a_failed_rollout_no_critic_is_asked_and_the_earlier_advice_stays() {
    let lm = ScriptedLm::new([reply("1"), server_error(), reply("2")]);
    let critic = ScriptedLm::new([advice([("module", "try harder")])]);
    let best = Refine::new(qa(&lm), 3, number).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    assert_eq!(critic.calls(), 1);
    let hinted: Vec<_> = last_messages(&lm).iter().map(|message| message.contains("try harder")).collect();
    assert_eq!(hinted, [false, true, true]);
    assert!(best.rollouts()[1].advice().is_none());
}

#[tokio::test]
async fn refine_starts_each_call_without_hints() {
    let lm = answers(["1", "2", "3", "4"]);
    let refine = Refine::new(qa(&lm), 2, with_text);
    refine.call(ask()).await.unwrap();
    refine.call(ask()).await.unwrap();
    let hinted: Vec<_> = last_messages(&lm).iter().map(|message| message.contains("hint")).collect();
    assert_eq!(hinted, [false, true, false, true]);
    assert_eq!(ids(&lm), [0, 1, 0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn six_tasks_at_once_keep_their_hints_apart() {
    // Answers with the question's own number; the advice repeats it, so that a hint of another call would show.
    let lm = ScriptedLm::computed(|request| {
        let text = request.prompt.last().to_owned();
        let number: String = text.chars().filter(char::is_ascii_digit).take(1).collect();
        let strangers = text.chars().filter(char::is_ascii_digit).any(|digit| !number.contains(digit));
        reply(if strangers { "mixed" } else { &number })
    });
    let refine = Arc::new(Refine::new(qa(&lm), 3, |_, p| (p.answer == "mixed", format!("not {}", p.answer))));
    let tasks: Vec<_> = (1..=6)
        .map(|task| {
            tokio::spawn({
                let refine = refine.clone();
                async move { refine.call(crate::support::question(&format!("number {task}"))).await }
            })
        })
        .collect();
    for (task, call) in tasks.into_iter().enumerate() {
        let prediction = call.await.unwrap().unwrap();
        assert_eq!(prediction.answer, (task + 1).to_string());
        assert_eq!(rewards(prediction.rollouts()), [Some(0.0); 3], "no call saw another one's hint");
    }
    assert_eq!(lm.requests().iter().filter(|request| whole(request).contains("hint")).count(), 12);
}

#[tokio::test]
async fn refine_reports_like_best_of_n() {
    let best = BestOfN::new(qa(&answers(["1", "2"])), 2, with_text).call(ask()).await.unwrap();
    let refined = Refine::new(qa(&answers(["1", "2"])), 2, with_text).critic(Critic::WithoutFeedback);
    let refined = refined.call(ask()).await.unwrap();
    assert_eq!(rewards(best.rollouts()), rewards(refined.rollouts()));
    assert_eq!((best.reward(), chosen(best.rollouts())), (refined.reward(), chosen(refined.rollouts())));
    assert_eq!(refined.rollouts()[0].feedback(), Some("1 is too little"));
    let first = &refined.rollouts()[0];
    assert_eq!(
        first.to_string().matches("1 is too little").count(),
        1,
        "feedback that is the advice: {first}"
    );
    assert_eq!(first.advice().unwrap().by_predictor()["self"], "1 is too little");
    assert_eq!(first.output(), Some("QaOutput { answer: \"1\" }"), "and what it answered");
}
