//! Rewards of every form, and a reward that asks an LM itself.

use karat::{
    BestOfN, Error, ErrorKind, Module, Predict, Prediction, Refine, Reply, Result, Reward, Score, ScriptedLm,
    author::IntoScore, module, reward, signature,
};

use crate::support::{
    Qa, QaInput, QaOutput, advice, answers, ask, chosen, failure, last_messages, qa, rewards, server_error,
    tokens,
};

async fn judged<R: IntoScore + 'static>(
    reward: impl Fn(&QaInput, &Prediction<QaOutput>) -> R + Send + Sync + 'static,
) -> (Option<f64>, Option<String>) {
    let best = BestOfN::new(qa(&answers(["a"])), 1, reward).call(ask()).await.unwrap();
    (best.reward(), best.rollouts()[0].feedback().map(str::to_owned))
}

#[tokio::test]
async fn a_closure_may_give_a_bool_a_number_a_pair_a_score_or_a_result_of_one() {
    let text = || Some("why".to_owned());
    assert_eq!(judged(|_, _| true).await, (Some(1.0), None));
    assert_eq!(judged(|_, _| false).await, (Some(0.0), None));
    assert_eq!(judged(|_, _| 0.5).await, (Some(0.5), None));
    assert_eq!(judged(|_, _| 0.5_f32).await, (Some(0.5), None));
    assert_eq!(judged(|_, _| (0.5, "why")).await, (Some(0.5), text()));
    assert_eq!(judged(|_, _| (true, String::from("why"))).await, (Some(1.0), text()));
    assert_eq!(judged(|_, _| Score::new(2.0).with_feedback("why")).await, (Some(2.0), text()));
    assert_eq!(judged(|_, _| Ok::<_, std::fmt::Error>((3.0, "why"))).await, (Some(3.0), text()));
    assert_eq!(judged(|_, _| Ok::<_, Error>(0.25)).await, (Some(0.25), None));
}

/// Whether the answer is one letter.
#[reward]
fn one_letter(
    _input: &QaInput,
    prediction: &Prediction<QaOutput>,
) -> Result<(bool, String), std::num::ParseIntError> {
    Ok((prediction.answer.len() == 1, format!("{} letters", prediction.answer.len())))
}

#[tokio::test]
async fn a_reward_function_judges_like_a_closure() {
    let best =
        BestOfN::new(qa(&answers(["aa", "b"])), 2, one_letter).threshold(1.0).call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), best.rollouts()[0].feedback()), ("b", Some("2 letters")));
}

/// Rate the answer.
#[signature]
struct Rate {
    #[input]
    answer: String,
    #[output]
    points: f64,
}

/// An LM as the judge.
#[module]
struct Judge {
    rate: Predict<Rate>,
}

impl Reward<QaInput, QaOutput> for Judge {
    async fn evaluate(&self, _: &QaInput, prediction: &Prediction<QaOutput>) -> Result<Score> {
        let answer = prediction.answer.clone();
        let rating = self.rate.call(RateInput { answer }).await?;
        assert!(rating.points < 100.0, "the judge lost its temper");
        Ok(Score::new(rating.points).with_feedback("so says the judge"))
    }

    fn source(&self) -> Option<&'static str> {
        Some("points out of ten, as the judge gives them")
    }
}

fn judge(lm: &ScriptedLm) -> Judge {
    Judge { rate: Predict::new().lm(&lm.lm()) }
}

fn points(points: f64) -> Reply {
    Reply::fields([("points", points)]).usage(tokens(5, 5))
}

fn candidates() -> ScriptedLm {
    ScriptedLm::new(["a", "b", "c"].map(|answer| Reply::fields([("answer", answer)]).usage(tokens(1, 1))))
}

#[tokio::test]
async fn an_lm_judges_and_its_calls_are_in_the_usage_but_not_in_the_trace() {
    let rater = ScriptedLm::new([points(3.0), points(8.0), points(5.0)]);
    let best = BestOfN::with_reward(qa(&candidates()), 3, judge(&rater)).call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), best.reward()), ("b", Some(8.0)));
    assert!(last_messages(&rater)[1].contains("[[ ## answer ## ]]\nb\n"), "it saw the rollout's answer");
    assert_eq!((best.usage().calls, best.usage().total_tokens()), (6, 36));
    assert_eq!((best.rollouts()[0].usage().calls, best.rollouts()[0].usage().total_tokens()), (2, 12));
    let steps: Vec<_> = best.trace().steps().iter().map(|step| step.predictor()).collect();
    assert_eq!(steps, ["module"]);
}

#[tokio::test]
async fn a_judge_that_fails_fails_its_rollout_and_what_it_spent_counts() {
    let rater = ScriptedLm::new([server_error(), points(8.0), points(100.0)]);
    let best = BestOfN::with_reward(qa(&candidates()), 3, judge(&rater)).call(ask()).await.unwrap();
    assert_eq!(rewards(best.rollouts()), [None, Some(8.0), None]);
    assert_eq!(best.rollouts()[0].error().unwrap().predictor(), Some("reward.rate"));
    assert!(best.rollouts()[2].error().unwrap().to_string().contains("lost its temper"));
    assert_eq!(best.rollouts()[2].usage().calls, 2);
}

#[tokio::test]
async fn a_judge_whose_key_is_refused_ends_the_call() {
    let rater = ScriptedLm::new([points(1.0), failure(ErrorKind::Auth)]);
    let lm = candidates();
    let error = BestOfN::with_reward(qa(&lm), 3, judge(&rater)).call(ask()).await.unwrap_err();
    assert!(error.is_auth());
    assert_eq!((error.predictor(), lm.calls()), (Some("reward.rate"), 2));
    assert_eq!(rewards(error.rollouts()), [Some(1.0), None]);
}

#[tokio::test]
async fn a_judge_without_an_lm_is_an_error_that_says_so() {
    let judge = Judge { rate: Predict::new() };
    let error = BestOfN::with_reward(qa(&candidates()), 3, judge).call(ask()).await.unwrap_err();
    assert!(error.is_config());
    assert_eq!(error.predictor(), Some("reward.rate"));
}

#[tokio::test]
async fn a_nan_from_a_judge_fails_the_rollout() {
    #[module]
    #[derive(Debug)]
    struct Undecided {
        #[module(skip)]
        verdict: f64,
    }
    impl Reward<QaInput, QaOutput> for Undecided {
        async fn evaluate(&self, _: &QaInput, _: &Prediction<QaOutput>) -> Result<Score> {
            Ok(Score::new(self.verdict))
        }
    }
    let best = BestOfN::with_reward(qa(&answers(["a"])), 1, Undecided { verdict: f64::NAN });
    let error = best.call(ask()).await.unwrap_err();
    assert!(error.rollouts()[0].error().unwrap().is_reward());
}

#[tokio::test]
async fn refine_takes_a_judge_and_its_text_is_the_advice() {
    let rater = ScriptedLm::new([points(3.0), points(8.0)]);
    let lm = candidates();
    let best = Refine::with_reward(qa(&lm), 2, judge(&rater)).call(ask()).await.unwrap();
    assert_eq!(chosen(best.rollouts()), [1]);
    assert!(last_messages(&lm)[1].contains("so says the judge"));
    assert_eq!(best.usage().calls, 4);
}

#[tokio::test]
async fn the_critic_sees_the_source_that_a_judge_gives() {
    let (rater, critic) = (ScriptedLm::new([points(3.0), points(8.0)]), ScriptedLm::new([advice([])]));
    let refine = Refine::with_reward(qa(&candidates()), 2, judge(&rater));
    refine.critic(karat::Critic::Always).feedback_lm(critic.lm()).call(ask()).await.unwrap();
    assert!(last_messages(&critic)[0].contains("points out of ten"));
}

#[tokio::test]
async fn the_users_own_judge_is_as_it_was_after_the_call() {
    let rater = ScriptedLm::new([points(3.0)]);
    let own = judge(&rater);
    BestOfN::with_reward(qa(&candidates()), 1, own.clone()).call(ask()).await.unwrap();
    assert!(own.rate.predictor().tracer().is_none());
}

#[tokio::test]
async fn an_error_of_karat_that_a_reward_returns_keeps_its_kind() {
    let best = BestOfN::new(qa(&answers(["a", "b"])), 2, |_, p| match p.answer.as_str() {
        "a" => Err(Error::new(ErrorKind::RateLimited, "later")),
        _ => Ok(1.0),
    });
    let best = best.call(ask()).await.unwrap();
    assert!(best.rollouts()[0].error().unwrap().is_rate_limited());
}

#[tokio::test]
async fn an_error_names_the_judge_though_its_signature_is_the_modules() {
    #[module]
    struct SecondOpinion {
        qa: Predict<Qa>,
    }
    impl Reward<QaInput, QaOutput> for SecondOpinion {
        async fn evaluate(&self, input: &QaInput, prediction: &Prediction<QaOutput>) -> Result<Score> {
            let other = self.qa.call(input.clone()).await?;
            Ok(Score::new(f64::from(u8::from(other.answer == prediction.answer))))
        }
    }
    let other = ScriptedLm::new([Reply::fields([("answer", "b")]), server_error()]);
    let opinion = SecondOpinion { qa: qa(&other) };
    let best = BestOfN::with_reward(qa(&answers(["b", "b"])), 2, opinion).call(ask()).await.unwrap();
    assert_eq!(rewards(best.rollouts()), [Some(1.0), None]);
    assert_eq!(best.rollouts()[1].error().unwrap().predictor(), Some("reward.qa"));
}
