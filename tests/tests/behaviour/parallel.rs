//! `Parallel`: different modules side by side.

use karat::{
    BestOfN, ErrorKind, Module, Prediction, Result, ScriptedLm,
    batch::{BatchStop, Parallel},
    module,
};
use tokio::time::Instant;

use crate::{
    batch::{echo, questions, watched},
    support::{
        MakeQueryInput, Qa, QaInput, TwoSteps, Watched, ask, failure, millis, number, qa, question, reply,
        server_error, step_reply, tokens,
    },
};

/// Answers so after this many milliseconds.
fn after(answer: &'static str, time: u64) -> ScriptedLm {
    ScriptedLm::computed(move |_| reply(answer).usage(tokens(10, 1)).delay(millis(time)))
}

#[tokio::test(start_paused = true)]
async fn modules_of_different_types_run_side_by_side_and_come_back_in_the_order_added() {
    let (slow, fast) = (after("5", 50), after("6", 10));
    let best = BestOfN::new(qa(&fast), 2, number);
    let start = Instant::now();
    let done = Parallel::new().with(&qa(&slow), ask()).with(&best, ask()).await;
    assert_eq!((start.elapsed(), done.stop_reason()), (millis(50), BatchStop::Completed));
    assert_eq!(done.usage().calls, 3);
    assert_eq!(done[1].usage().calls, 2);
    let answers: Vec<_> =
        done.into_predictions().unwrap().into_iter().map(|p| p.into_inner().answer).collect();
    assert_eq!(answers, ["5", "6"]);
}

#[tokio::test]
async fn outputs_of_different_types_are_brought_together() {
    let lm = ScriptedLm::computed(|request| step_reply(request, "q", "a").usage(tokens(1, 1)));
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm.lm());
    let done = Parallel::new()
        .with_map(&steps.query, MakeQueryInput { question: "?".into() }, |output| output.query)
        .with_map(&steps, question("?"), |output| format!("{}, {}", output.answer, output.reasoning))
        .await;
    assert_eq!(done[1].result.as_ref().unwrap().trace().steps().len(), 2);
    let texts: Vec<_> = done.into_predictions().unwrap().into_iter().map(Prediction::into_inner).collect();
    assert_eq!(texts, ["q", "a, by heart"]);
}

#[tokio::test(start_paused = true)]
async fn the_settings_are_those_of_a_batch() {
    let lm = Watched::new(after("1", 10));
    let module = watched(&lm);
    let many = || questions(6).fold(Parallel::new(), |all, input| all.with(&module, input));
    let _ = many().concurrency(2).await;
    assert_eq!(lm.most_in_flight(), 2);
    assert!(
        many().timeout(millis(5)).await.iter().all(|item| item.result.as_ref().unwrap_err().is_timeout())
    );
    let cancelled = many().concurrency(2).cancel_on(tokio::time::sleep(millis(15))).await;
    assert_eq!((cancelled.stop_reason(), cancelled.errors().count()), (BatchStop::Cancelled, 4));
    let misused = many().concurrency(0).await;
    assert!(misused.iter().all(|item| item.result.as_ref().unwrap_err().is_config()));
    assert_eq!(lm.in_flight(), 0);
}

#[tokio::test]
async fn an_error_of_one_module_is_not_taken_for_that_of_all() {
    let refused = ScriptedLm::new([failure(ErrorKind::Auth), failure(ErrorKind::Auth)]);
    let (refused, good) = (qa(&refused), qa(&echo()));
    let all = || Parallel::new().with(&refused, question("#0#")).with(&good, question("#1#")).concurrency(1);
    let done = all().await;
    assert!(done[0].result.as_ref().unwrap_err().is_auth());
    assert_eq!(
        (done[1].result.as_ref().unwrap().answer.as_str(), done.stop_reason()),
        ("1", BatchStop::Completed)
    );
    assert_eq!(all().max_errors(0).await.stop_reason(), BatchStop::TooManyErrors);
}

#[tokio::test]
async fn a_panic_in_what_brings_outputs_together_is_an_error_of_that_item() {
    let module = qa(&echo());
    let done = Parallel::new()
        .with_map(&module, question("#0#"), |_| -> String { panic!("no") })
        .with_map(&module, question("#1#"), |output| output.answer)
        .await;
    assert!(done[0].result.as_ref().unwrap_err().is_panic());
    assert_eq!(done[0].usage().calls, 1);
    assert_eq!(**done[1].result.as_ref().unwrap(), "1");
}

#[tokio::test]
async fn without_modules_nothing_runs() {
    let none = Parallel::<String>::new();
    assert!(none.is_empty());
    assert_eq!(none.await.len(), 0);
}

/// Two modules side by side, inside of a module.
#[module]
pub struct Both {
    left: karat::Predict<Qa>,
    right: karat::Predict<Qa>,
}

#[module]
impl Both {
    async fn forward(&self, input: QaInput) -> Result<Prediction<String>> {
        let both = Parallel::new().with(&self.left, input.clone()).with(&self.right, input).await;
        let answers: Vec<_> = both.into_predictions()?.into_iter().map(|p| p.into_inner().answer).collect();
        Ok(Prediction::new(answers.join(" ")))
    }
}

#[tokio::test]
async fn side_by_side_inside_of_a_forward_is_a_part_of_that_run() {
    let both = Both { left: qa(&after("l", 0)), right: qa(&after("r", 0)) };
    let prediction = both.call(ask()).await.unwrap();
    assert_eq!((prediction.as_str(), prediction.usage().calls), ("l r", 2));
    let paths: Vec<_> = prediction.trace().steps().iter().map(|step| step.predictor()).collect();
    assert_eq!(paths, ["left", "right"]);
    let failing = Both { left: qa(&after("l", 0)), right: qa(&ScriptedLm::new([server_error()])) };
    assert_eq!(failing.call(ask()).await.unwrap_err().usage().calls, 2);
}
