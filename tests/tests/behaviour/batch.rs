//! One module on many inputs: order, concurrency, costs, and where a batch stands among other modules.

use std::{
    collections::HashSet,
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use karat::{
    BestOfN, Module, Predict, Prediction, Reply, Result, ScriptedLm,
    batch::{BatchItem, BatchStop, Batched},
    lm::{Request, Usage},
    module,
};
use tokio::time::{Instant, timeout};

use crate::support::{
    Qa, QaInput, QaOutput, TwoSteps, Watched, ask, failure, ids, millis, number, qa, question, reply,
    step_reply, temperatures, tokens,
};

/// The questions `#0#`, `#1#`, ...
pub fn questions(count: usize) -> impl Iterator<Item = QaInput> {
    (0..count).map(|index| question(&format!("#{index}#")))
}

/// The number of the question that a request asks.
pub fn asked(request: &Request) -> usize {
    request.prompt.last().split('#').find_map(|text| text.parse().ok()).expect("a question with a number")
}

/// Answers each question with its number.
pub fn echo() -> ScriptedLm {
    ScriptedLm::computed(|request| reply(&asked(request).to_string()).usage(tokens(10, 1)))
}

/// The same after this many milliseconds, which may depend on the number.
fn slow_echo(delay: impl Fn(usize) -> u64 + Send + Sync + 'static) -> Watched {
    Watched::new(ScriptedLm::computed(move |request| {
        let index = asked(request);
        reply(&index.to_string()).usage(tokens(10, 1)).delay(millis(delay(index)))
    }))
}

pub fn watched(lm: &Watched) -> Predict<Qa> {
    Predict::new().lm(&lm.lm())
}

/// Each item's answer, `None` where it failed.
pub fn answers<I>(batched: &Batched<I, QaOutput>) -> Vec<Option<usize>> {
    let answer = |item: &BatchItem<I, QaOutput>| item.result.as_ref().ok()?.answer.parse().ok();
    batched.iter().map(answer).collect()
}

fn all(count: usize) -> Vec<Option<usize>> {
    (0..count).map(Some).collect()
}

#[tokio::test(start_paused = true)]
async fn results_stand_beside_their_inputs_in_the_order_of_the_inputs() {
    let lm = slow_echo(|index| (index as u64 * 37) % 50);
    let done = watched(&lm).batch(questions(40)).concurrency(7).await;
    assert_eq!((answers(&done), done.stop_reason()), (all(40), BatchStop::Completed));
    let inputs: Vec<_> = done.iter().map(|item| item.input.question.clone()).collect();
    assert_eq!(inputs, questions(40).map(|input| input.question).collect::<Vec<_>>());
    assert_eq!(done[3].elapsed(), millis(11));
}

#[tokio::test(start_paused = true)]
async fn at_most_c_items_are_in_flight_and_c_of_them_are() {
    for (concurrency, expected, time) in [(1, 1, 60), (2, 2, 30), (4, 4, 20), (6, 6, 10), (usize::MAX, 6, 10)]
    {
        let lm = slow_echo(|_| 10);
        let start = Instant::now();
        let done = watched(&lm).batch(questions(6)).concurrency(concurrency).await;
        assert_eq!((lm.most_in_flight(), lm.dropped()), (expected, 0));
        assert_eq!(start.elapsed(), millis(time), "{concurrency} at once");
        assert_eq!(answers(&done), all(6));
    }
    let lm = slow_echo(|_| 10);
    let _ = watched(&lm).batch(questions(20)).await;
    assert_eq!(lm.most_in_flight(), 8, "the default");
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_free_is_used_at_once() {
    let lm = slow_echo(|index| if index == 0 { 30 } else { 10 });
    let start = Instant::now();
    let _ = watched(&lm).batch(questions(4)).concurrency(2).await;
    assert_eq!(start.elapsed(), millis(30));
}

#[tokio::test]
async fn no_call_is_made_twice_and_all_are_in_the_usage() {
    let lm = ScriptedLm::computed(|request| match asked(request) {
        3 => crate::support::server_error(),
        index => reply(&index.to_string()).usage(tokens(10, 1)),
    });
    let done = qa(&lm).batch(questions(9)).await;
    let requested: HashSet<_> = lm.requests().iter().map(asked).collect();
    assert_eq!((lm.calls(), requested.len()), (9, 9));
    assert_eq!(done.usage(), Usage::new().calls(9).prompt_tokens(80).completion_tokens(8));
    assert_eq!((done[3].usage().calls, done[3].usage().total_tokens()), (1, 0));
    assert_eq!(done[3].result.as_ref().unwrap_err().usage().calls, 1);
    assert_eq!(done.errors().map(|(index, _)| index).collect::<Vec<_>>(), [3]);
}

#[tokio::test]
async fn each_item_has_a_trace_and_a_usage_of_its_own() {
    let lm = ScriptedLm::computed(|request| step_reply(request, "#7#", "7").usage(tokens(5, 1)));
    let mut steps = TwoSteps::new();
    steps.set_lm(&lm.lm());
    let done = steps.batch(questions(3)).await;
    for prediction in done.into_predictions().unwrap() {
        let path: Vec<_> = prediction.trace().steps().iter().map(|step| step.predictor()).collect();
        assert_eq!(path, ["query", "answer.predict"]);
        assert_eq!((prediction.usage().calls, prediction.usage().total_tokens()), (2, 12));
    }
    assert!(
        steps.predictors().iter().all(|predictor| predictor.tracer().is_none()),
        "the module is untouched"
    );
}

#[tokio::test]
async fn a_batch_of_nothing_calls_nothing() {
    let lm = echo();
    let done = qa(&lm).batch([]).progress(true).await;
    assert_eq!(
        (done.len(), done.stop_reason(), done.usage(), lm.calls()),
        (0, BatchStop::Completed, Usage::default(), 0)
    );
    assert!(done.into_predictions().unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_that_is_not_awaited_calls_nothing() {
    let lm = echo();
    let batch = qa(&lm).batch(questions(3));
    assert_eq!((batch.len(), batch.is_empty()), (3, false));
    drop(batch.into_future());
    assert_eq!(lm.calls(), 0);
}

#[tokio::test]
async fn a_concurrency_of_0_is_a_config_error_of_every_item_before_any_lm_call() {
    let lm = echo();
    let done = qa(&lm).batch(questions(3)).concurrency(0).await;
    assert_eq!((done.len(), done.stop_reason(), lm.calls()), (3, BatchStop::SharedError, 0));
    for item in &done {
        let error = item.result.as_ref().unwrap_err();
        assert!(error.is_config() && error.to_string().contains("use at least 1"), "{error}");
    }
}

#[tokio::test]
async fn ten_thousand_inputs_are_each_called_once() {
    let lm = echo();
    let done = qa(&lm).batch(questions(10_000)).concurrency(100).await;
    assert_eq!((answers(&done), lm.calls()), (all(10_000), 10_000));
}

/// Counts how many of it there are at a time.
#[derive(Debug)]
struct Live(Arc<(AtomicUsize, AtomicUsize)>);

impl Clone for Live {
    fn clone(&self) -> Self {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        Self(self.0.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Gives back its input's number; no LM.
#[module]
pub struct Plain {
    #[module(skip)]
    live: Option<Live>,
}

#[module]
impl Plain {
    async fn forward(&self, input: u64) -> Result<Prediction<u64>> {
        tokio::task::yield_now().await;
        let _held = &self.live;
        let cost = Usage::new().calls(1).prompt_tokens(input);
        Ok(Prediction::new(input).with_usage(cost))
    }
}

#[tokio::test]
async fn only_what_runs_takes_up_a_copy_of_the_module() {
    let counts = Arc::default();
    let live = Live(Arc::clone(&counts));
    counts.0.fetch_add(1, Ordering::SeqCst);
    let plain = Plain { live: Some(live) };
    let done = plain.batch(0..100_000).concurrency(5).await;
    assert!(done.iter().enumerate().all(|(index, item)| **item.result.as_ref().unwrap() == index as u64));
    // The user's own, the batch's, and for each of five the batch's copy and the call's.
    assert!(counts.1.load(Ordering::SeqCst) <= 12, "{counts:?}");
    assert_eq!(counts.0.load(Ordering::SeqCst), 1);
}

#[test]
fn a_hundred_thousand_inputs_need_no_deep_stack() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let plain = Plain { live: None };
        runtime.block_on(async move {
            let done = plain.batch(0..100_000).concurrency(100_000).await;
            assert_eq!((done.stop_reason(), done.len()), (BatchStop::Completed, 100_000));
            let never = plain.batch(0..100_000).concurrency(50_000).cancel_on(std::future::ready(())).await;
            assert!(never.iter().all(|item| item.result.as_ref().unwrap_err().is_cancelled()));
        });
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}

#[tokio::test]
async fn a_module_without_predictors_may_set_its_own_usage() {
    let done = Plain { live: None }.batch([3, 4]).await;
    assert_eq!((done.usage().calls, done.usage().prompt_tokens), (2, 7));
}

#[tokio::test]
async fn a_batch_of_best_of_n_keeps_the_reports_and_all_costs() {
    let lm = ScriptedLm::computed(|request| {
        let id = request.config.rollout_id.unwrap();
        reply(&format!("{}", asked(request) as u64 * 10 + id)).usage(tokens(1, 1))
    });
    let done = BestOfN::new(qa(&lm), 3, number).concurrency(3).batch(questions(4)).concurrency(2).await;
    assert_eq!(answers(&done), [Some(2), Some(12), Some(22), Some(32)]);
    for item in &done {
        let prediction = item.result.as_ref().unwrap();
        assert_eq!((prediction.rollouts().len(), prediction.usage().calls, item.usage().calls), (3, 3, 3));
        assert_eq!(prediction.trace().steps().len(), 1);
    }
    assert_eq!((done.usage().calls, lm.calls()), (12, 12));
}

/// Asks about each of three things, and joins what could be found out.
#[module]
pub struct Survey {
    qa: Predict<Qa>,
    #[module(skip)]
    strict: bool,
}

#[module]
impl Survey {
    async fn forward(&self, _input: QaInput) -> Result<Prediction<QaOutput>> {
        let done = self.qa.batch(questions(3)).concurrency(3).timeout(millis(100)).await;
        let mut answer = String::new();
        for item in done {
            match item.result {
                Ok(prediction) => answer += &prediction.answer,
                Err(error) if self.strict => return Err(error),
                Err(_) => answer += "?",
            }
        }
        Ok(Prediction::new(QaOutput { answer }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_inside_of_a_forward_is_a_part_of_that_run() {
    // The second needs two calls, the second of which takes too long: 2 + 2 calls.
    let calls = Arc::new(AtomicUsize::new(0));
    let lm = ScriptedLm::computed(move |request| match asked(request) {
        1 if calls.fetch_add(1, Ordering::SeqCst) == 0 => Reply::text("no field").usage(tokens(100, 10)),
        1 => reply("1").delay(millis(500)),
        index => reply(&index.to_string()).usage(tokens(10, 1)),
    });
    let survey = Survey { qa: qa(&lm), strict: false };
    let prediction = survey.call(ask()).await.unwrap();
    assert_eq!(prediction.answer, "0?2");
    assert_eq!((prediction.usage().calls, prediction.usage().total_tokens()), (4, 132));
    let steps = prediction.trace().steps();
    assert!(steps.iter().all(|step| step.predictor() == "qa"));
    assert_eq!(steps.len(), 2, "one was dropped midway");
}

#[tokio::test]
async fn a_batch_inside_of_a_rollout_runs_under_that_rollouts_id_and_temperature() {
    let lm = echo();
    let survey = Survey { qa: qa(&lm), strict: true };
    let best = BestOfN::new(survey, 2, |_, p| p.answer == "012").temperature(0.7).call(ask()).await.unwrap();
    assert_eq!((best.reward(), best.usage().calls, best.rollouts()[1].usage().calls), (Some(1.0), 6, 3));
    assert_eq!(ids(&lm), [0, 0, 0, 1, 1, 1]);
    assert_eq!(temperatures(&lm), [Some(0.7); 6]);
}

#[tokio::test]
async fn an_items_error_that_a_forward_passes_on_has_the_whole_runs_costs() {
    let lm = ScriptedLm::computed(|request| match asked(request) {
        2 => crate::support::server_error(),
        index => reply(&index.to_string()).usage(tokens(10, 1)),
    });
    let survey = Survey { qa: qa(&lm), strict: true };
    let error = survey.call(ask()).await.unwrap_err();
    assert!(error.is_server());
    assert_eq!((error.usage().calls, error.usage().total_tokens()), (3, 22));
    assert_eq!(error.trace().unwrap().steps().len(), 3);
    // And so in a batch of such modules.
    let done = survey.batch([ask(), ask()]).await;
    assert_eq!((done.usage().calls, done.usage().total_tokens()), (6, 44));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_can_be_spawned_and_do_not_disturb_each_other() {
    let lm = echo();
    let module = qa(&lm);
    let spawned: Vec<_> =
        (0..10).map(|_| tokio::spawn(module.batch(questions(50)).concurrency(4).into_future())).collect();
    drop(module);
    for batch in spawned {
        let done = batch.await.unwrap();
        assert_eq!((answers(&done), done.usage().calls), (all(50), 50));
    }
    assert_eq!(lm.calls(), 500);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_batch_drops_the_lm_calls() {
    let lm = slow_echo(|_| 500);
    assert!(timeout(millis(50), watched(&lm).batch(questions(9)).concurrency(3)).await.is_err());
    assert_eq!((lm.most_in_flight(), lm.dropped(), lm.in_flight()), (3, 3, 0));
}

#[tokio::test]
async fn what_is_changed_after_the_batch_was_made_does_not_reach_it() {
    let lm = echo();
    let mut module = qa(&lm);
    let batch = module.batch(questions(2));
    module.set_lm(&ScriptedLm::new([failure(karat::ErrorKind::Auth)]).lm());
    assert_eq!(answers(&batch.await), all(2));
}

#[tokio::test]
async fn a_batch_leaves_time_to_other_tasks_though_no_item_ever_waits() {
    let other = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&other);
    tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    let _ = qa(&echo()).batch(questions(2_000)).await;
    assert!(other.load(Ordering::SeqCst) > 5, "{other:?}");
}

#[tokio::test]
async fn settings_are_shown_and_contents_are_not() {
    let batch = qa(&echo()).batch([question("secret")]).timeout(Duration::from_secs(3));
    let text = format!("{batch:?}");
    assert!(text.contains("inputs: 1") && text.contains("3s") && !text.contains("secret"), "{text}");
}
