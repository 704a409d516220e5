//! `MultiChainComparison` and `majority`: one answer from several attempts.

use karat::{
    BestOfN, ChainOfThought, Comparison, Module, MultiChainComparison, Predict, Prediction, Reasoned, Reply,
    ScriptedLm, batch::BatchStop, majority, normalize,
};

use crate::support::*;

fn attempt(reasoning: &str, answer: &str) -> Reasoned<QaOutput> {
    Reasoned { reasoning: reasoning.into(), output: QaOutput { answer: answer.into() } }
}

fn three() -> Comparison<QaInput, QaOutput> {
    let attempts = vec![attempt("one\ntwo", "Paris"), attempt("guess", "Lyon"), attempt("", "Paris")];
    Comparison { input: ask(), attempts }
}

fn final_answer() -> Reply {
    Reply::fields([("rationale", "two agree"), ("answer", "Paris")])
}

#[tokio::test]
async fn a_comparison_shows_every_attempt_and_gives_rationale_and_answer() {
    let lm = ScriptedLm::new([final_answer()]);
    let compare = MultiChainComparison::<Qa>::new(3).lm(&lm.lm());
    let answer = compare.call(three()).await.unwrap();
    assert_eq!((answer.reasoning.as_str(), answer.answer.as_str()), ("two agree", "Paris"));
    let request = &lm.requests()[0];
    let asked = request.prompt.last();
    for part in ["[[ ## reasoning_attempt_1 ## ]]\none\ntwo\nanswer: Paris", "attempt_3 ## ]]\nanswer: Paris"]
    {
        assert!(asked.contains(part), "{asked}");
    }
    assert_eq!(request.config.temperature, Some(0.7));
    assert_eq!(answer.trace().steps()[0].predictor(), "predict");
}

#[tokio::test]
async fn another_number_of_attempts_is_a_config_error_before_any_lm_call() {
    let lm = ScriptedLm::new([final_answer()]);
    for attempts in [0, 2, 4] {
        let compare = MultiChainComparison::<Qa>::new(attempts).lm(&lm.lm());
        let error = compare.call(three()).await.unwrap_err();
        assert!(error.is_config() && error.to_string().contains("found 3"), "{error}");
    }
    assert_eq!(lm.calls(), 0);
}

#[tokio::test]
async fn a_comparison_is_a_module_like_any_other() {
    let lm = ScriptedLm::computed(|_| final_answer());
    let mut compare = MultiChainComparison::<Qa>::new(3);
    compare.set_lm(&lm.lm());
    let state = compare.dump_state();
    let fields = state.get("predict").unwrap()["signature"]["fields"].as_array().unwrap().clone();
    let names: Vec<_> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
    let inputs = ["question", "reasoning_attempt_1", "reasoning_attempt_2", "reasoning_attempt_3"];
    assert_eq!(names, [&inputs[..], &["rationale", "answer"]].concat());
    let best = BestOfN::new(compare, 2, |input, answer| {
        (input.attempts.iter().any(|attempt| attempt.answer == answer.answer), "seen")
    });
    assert_eq!(best.call(three()).await.unwrap().reward(), Some(1.0));
}

#[tokio::test]
async fn attempts_of_one_call_are_compared_in_the_next() {
    let one = |answer: &str| Reply::fields([("reasoning", "r"), ("answer", answer)]);
    let lm = ScriptedLm::new([one("a").and(one("b")), Reply::fields([("rationale", "r"), ("answer", "b")])]);
    let attempts = ChainOfThought::<Qa>::new().n(2).lm(&lm.lm()).call(ask()).await.unwrap();
    let attempts = attempts.completions().cloned().collect();
    let compare = MultiChainComparison::<Qa>::new(2).lm(&lm.lm());
    assert_eq!(compare.call(Comparison { input: ask(), attempts }).await.unwrap().answer, "b");
}

/// A prediction with these completions.
async fn of(texts: &[&str]) -> Prediction<QaOutput> {
    let mut replies = texts.iter().map(|text| reply(text));
    let first = replies.next().unwrap();
    let lm = ScriptedLm::new([replies.fold(first, Reply::and)]);
    Predict::<Qa>::new().n(texts.len() as u32).lm(&lm.lm()).call(ask()).await.unwrap()
}

#[tokio::test]
async fn the_majority_wins_and_of_equal_ones_the_first() {
    for (texts, expected) in [
        (&["b", "Q.", "the q"][..], "Q."),
        (&["x", "y"], "x"),
        (&["y", "x", "x", "y"], "y"),
        (&["one"], "one"),
        (&["...", "the", "x"], "x"),
        (&["...", "!"], "..."),
    ] {
        let answer = majority(of(texts).await, |answer| normalize(&answer.answer));
        assert_eq!(answer.answer, expected, "{texts:?}");
        assert_eq!(answer.completions().count(), 1);
        assert_eq!((answer.usage().calls, answer.trace().steps().len()), (1, 1), "the rest goes along");
    }
}

#[tokio::test]
async fn a_key_may_be_of_any_type() {
    let answer = majority(of(&["aa", "b", "cc"]).await, |answer| Some(answer.answer.len()));
    assert_eq!(answer.answer, "aa");
}

#[tokio::test]
async fn of_a_long_attempt_the_reasoning_is_cut_and_the_answer_stays() {
    let lm = ScriptedLm::new([final_answer()]);
    let mut comparison = three();
    comparison.attempts[0] = attempt(&"ä".repeat(5_000), "Lyon");
    MultiChainComparison::<Qa>::new(3).lm(&lm.lm()).call(comparison).await.unwrap();
    let expected = format!("{} [... cut ...]\nanswer: Lyon", "ä".repeat(4_000));
    assert!(last_messages(&lm)[0].contains(&expected));
}

#[tokio::test]
async fn one_comparison_with_another_number_of_attempts_fails_alone_in_a_batch() {
    let lm = ScriptedLm::computed(|_| final_answer());
    let mut short = three();
    short.attempts.truncate(2);
    let compare = MultiChainComparison::<Qa>::new(3).lm(&lm.lm());
    let done = compare.batch([short, three(), three()]).concurrency(1).await;
    let failed: Vec<_> = done.errors().map(|(index, error)| (index, error.is_bad_input())).collect();
    assert_eq!((failed, done.stop_reason(), lm.calls()), (vec![(0, true)], BatchStop::Completed, 2));
}
