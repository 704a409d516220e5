//! The modules that come with karat use its public API alone: here their own files are built outside of karat, with nothing of it in
//! reach but what is public, and run.

// What these files have for users and no test here calls; and their examples name karat's root as `crate`.
#![allow(dead_code, unreachable_pub)]

use karat::*;

// All but `clashes.rs`, which answers the compiler for karat's own types.
#[path = "../../runtime/src/modules"]
mod modules {
    mod advice;
    pub(crate) mod best_of_n;
    pub(crate) mod budgeted;
    pub(crate) mod chain_of_thought;
    pub(crate) mod majority;
    pub(crate) mod multi_chain_comparison;
    pub(crate) mod refine;
    mod rollouts;
    mod wrapper;
}

use self::modules::{
    best_of_n::BestOfN as Best, budgeted::Budgeted as Bounded, chain_of_thought::ChainOfThought as Chain,
    multi_chain_comparison::MultiChainComparison as Compare, refine::Refine as Refined,
};

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn ask() -> QaInput {
    QaInput { question: "How many legs has a cat?".into() }
}

fn scripted<const N: usize>(answers: [&str; N]) -> ScriptedLm {
    ScriptedLm::new(answers.map(|answer| Reply::fields([("answer", answer)])))
}

fn ones() -> ScriptedLm {
    ScriptedLm::computed(|_| Reply::fields([("answer", "1")]))
}

fn number(_: &QaInput, output: &Prediction<QaOutput>) -> Result<f64> {
    output.answer.parse().map_err(Error::other)
}

#[tokio::test]
async fn best_of_n_built_outside_gives_what_karats_own_gives() {
    let answers = ["3", "none", "5", "4", "9"];
    let (outside, inside) = (scripted(answers), scripted(answers));
    let best = Best::new(Predict::<Qa>::new().lm(&outside.lm()), 5, number).threshold(5.0).concurrency(1);
    let best = best.call(ask()).await.expect("a rollout succeeds");
    let own = BestOfN::new(Predict::<Qa>::new().lm(&inside.lm()), 5, number).threshold(5.0);
    let own = own.call(ask()).await.expect("a rollout succeeds");

    assert_eq!(
        (best.answer.as_str(), best.reward(), best.stop_reason()),
        ("5", Some(5.0), Some(Stop::Threshold))
    );
    assert_eq!(
        (own.answer.as_str(), own.reward(), own.stop_reason()),
        ("5", Some(5.0), Some(Stop::Threshold))
    );
    assert_eq!((best.usage(), best.rollouts().len()), (own.usage(), 3));
    let facts = |rollout: &Rollout| {
        let error = rollout.error().map(ToString::to_string);
        (rollout.rollout_id(), rollout.reward(), error, rollout.is_chosen())
    };
    assert_eq!(
        best.rollouts().iter().map(facts).collect::<Vec<_>>(),
        own.rollouts().iter().map(facts).collect::<Vec<_>>()
    );
    assert_eq!(best.trace().steps()[0].predictor(), own.trace().steps()[0].predictor());
    assert_eq!(outside.requests(), inside.requests());
}

#[tokio::test]
async fn wrappers_built_outside_nest_with_each_other_and_with_karats_own() {
    let (outside, inside) = (ones(), ones());
    let best = Best::new(BestOfN::new(Predict::<Qa>::new().lm(&outside.lm()), 3, number), 2, number);
    let best = Bounded::new(best, Budget::new().calls(5)).call(ask()).await.expect("a rollout succeeds");
    let own = BestOfN::new(BestOfN::new(Predict::<Qa>::new().lm(&inside.lm()), 3, number), 2, number);
    let own = own.budget(Budget::new().calls(5)).call(ask()).await.expect("a rollout succeeds");
    assert_eq!((best.usage(), best.stop_reason()), (own.usage(), own.stop_reason()));
    let ids: Vec<_> = outside.requests().iter().map(|request| request.config.rollout_id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4].map(Some));
    assert_eq!(outside.requests(), inside.requests());
}

#[tokio::test]
async fn refine_built_outside_advises() {
    let lm = scripted(["4 legs", "4"]);
    let refine = Refined::new(Predict::<Qa>::new().lm(&lm.lm()), 2, |_, output| {
        let is_number = output.answer.parse::<u8>().is_ok();
        (is_number, "a number alone, please")
    });
    let answer = refine.threshold(1.0).call(ask()).await.expect("a rollout succeeds");
    assert_eq!(answer.answer, "4");
    assert!(lm.requests()[1].prompt.last().contains("a number alone, please"));
}

#[tokio::test]
async fn modules_built_outside_add_their_fields() {
    let attempt = |answer: &str| Reply::fields([("reasoning", "I count"), ("answer", answer)]);
    let whole = Reply::fields([("rationale", "two of three count right"), ("answer", "4")]);
    let lm = ScriptedLm::new([attempt("4").and(attempt("5")).and(attempt("4")), whole]).lm();
    let attempts = Chain::<Qa>::new().n(3).lm(&lm).call(ask()).await.expect("three completions");
    assert_eq!(modules::majority::majority(attempts.clone(), |a| Some(a.answer.clone())).answer, "4");
    let own =
        |modules::chain_of_thought::Reasoned { reasoning, output }: &modules::chain_of_thought::Reasoned<
            QaOutput,
        >| karat::Reasoned { reasoning: reasoning.clone(), output: output.clone() };
    let comparison = modules::multi_chain_comparison::Comparison {
        input: ask(),
        attempts: attempts.completions().map(own).collect(),
    };
    let answer = Compare::<Qa>::new(3).lm(&lm).call(comparison).await.expect("an answer");
    assert_eq!((answer.answer.as_str(), answer.reasoning.as_str()), ("4", "two of three count right"));
}
