//! `BestOfN`: how each rollout is set up, when the call stops, and which prediction is chosen.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use karat::{BestOfN, ChainOfThought, Module, Predict, Reply, ScriptedLm, Stop, lm::Request};

use crate::support::{
    Qa, TwoSteps, answers, ask, by_rollout, chosen, echo_id, ids, millis, number, qa, reply, rewards,
    temperatures, tokens,
};

#[tokio::test]
async fn rollout_i_has_the_id_i_and_temperature_1() {
    let lm = echo_id();
    let best = BestOfN::new(qa(&lm), 3, number).call(ask()).await.unwrap();
    assert_eq!(ids(&lm), [0, 1, 2]);
    assert_eq!(temperatures(&lm), [Some(1.0); 3]);
    let report: Vec<_> = best.rollouts().iter().map(|r| (r.index(), r.rollout_id())).collect();
    assert_eq!(report, [(0, 0), (1, 1), (2, 2)]);
}

#[tokio::test]
async fn rollout_ids_start_at_the_lms_own() {
    let lm = echo_id();
    let qa = Predict::<Qa>::new().lm(&lm.lm().rollout_id(40));
    let best = BestOfN::new(qa, 3, number).call(ask()).await.unwrap();
    assert_eq!(ids(&lm), [40, 41, 42]);
    let report: Vec<_> = best.rollouts().iter().map(|r| (r.index(), r.rollout_id())).collect();
    assert_eq!(report, [(0, 40), (1, 41), (2, 42)]);
}

/// A query LM and an answer LM for [`TwoSteps`]; each records its own requests.
fn two_lms() -> (ScriptedLm, ScriptedLm) {
    let query = by_rollout(|id| Reply::fields([("query", format!("query {id}"))])).named("querier");
    let answer = by_rollout(|id| Reply::fields([("reasoning", "so".to_owned()), ("answer", id.to_string())]));
    (query, answer.named("answerer"))
}

#[tokio::test]
async fn each_predictor_keeps_its_own_lm_in_the_rollouts() {
    let (query, answer) = two_lms();
    let mut steps = TwoSteps::new();
    steps.query = steps.query.lm(&query.lm());
    steps.answer = steps.answer.lm(&answer.lm());
    let best = BestOfN::new(steps, 3, |_, p| p.answer.parse::<f64>().unwrap());
    let best = best.call(ask()).await.unwrap();
    assert_eq!((ids(&query), ids(&answer)), (vec![0, 1, 2], vec![0, 1, 2]));
    // Whoever gave all predictors one LM would not have got both fields.
    assert_eq!(best.answer, "2");
    let lms: Vec<_> = best.trace().steps().iter().map(|step| step.calls()[0].lm()).collect();
    assert_eq!(lms, ["querier", "answerer"]);
}

#[tokio::test]
async fn each_predictor_counts_from_the_start_id_of_its_own_lm() {
    let (query, answer) = two_lms();
    let mut steps = TwoSteps::new();
    steps.query = steps.query.lm(&query.lm().rollout_id(7));
    steps.answer = steps.answer.lm(&answer.lm().rollout_id(100));
    BestOfN::new(steps, 2, |_, _| 0.0).call(ask()).await.unwrap();
    assert_eq!((ids(&query), ids(&answer)), (vec![7, 8], vec![100, 101]));
}

#[tokio::test]
async fn the_rollouts_temperature_replaces_the_lms() {
    for (chosen, expected) in [(None, 1.0), (Some(0.3), 0.3)] {
        let lm = echo_id();
        let mut best = BestOfN::new(Predict::<Qa>::new().lm(&lm.lm().temperature(0.0)), 2, number);
        if let Some(temperature) = chosen {
            best = best.temperature(temperature);
        }
        let best = best.call(ask()).await.unwrap();
        assert_eq!(temperatures(&lm), [Some(expected); 2]);
        assert!(best.rollouts().iter().all(|rollout| rollout.notes().is_empty()));
    }
}

#[tokio::test]
async fn a_temperature_that_a_predictor_fixed_for_itself_is_kept() {
    let (query, answer) = two_lms();
    let mut steps = TwoSteps::new();
    steps.query = steps.query.lm(&query.lm()).temperature(0.2);
    steps.answer = steps.answer.lm(&answer.lm());
    let best = BestOfN::new(steps, 2, |_, _| 0.0).temperature(0.9);
    let best = best.call(ask()).await.unwrap();
    assert_eq!(temperatures(&query), [Some(0.2); 2]);
    assert_eq!(temperatures(&answer), [Some(0.9); 2]);
    assert!(best.rollouts().iter().all(|rollout| rollout.notes().is_empty()));
}

#[tokio::test]
async fn a_predictor_that_fixed_its_temperature_at_0_is_named_in_the_report() {
    let (query, answer) = two_lms();
    let mut steps = TwoSteps::new();
    steps.query = steps.query.lm(&query.lm());
    steps.answer = ChainOfThought::new().lm(&answer.lm()).temperature(0.0);
    let best = BestOfN::new(steps, 2, |_, _| 0.0).call(ask()).await.unwrap();
    assert_eq!(temperatures(&answer), [Some(0.0); 2]);
    for rollout in best.rollouts() {
        let [note] = rollout.notes() else { panic!("{:?}", rollout.notes()) };
        assert!(note.contains("`answer.predict`") && note.contains("cannot differ"), "{note}");
        assert!(rollout.to_string().contains(note), "{rollout}");
    }
}

#[tokio::test]
async fn rollouts_at_temperature_0_are_noted_in_the_report() {
    let best = BestOfN::new(qa(&echo_id()), 1, number).temperature(0.0);
    let best = best.call(ask()).await.unwrap();
    assert!(best.rollouts()[0].notes()[0].contains("cannot differ"));
}

#[tokio::test]
async fn n_rollouts_are_n_different_requests_and_a_second_call_repeats_them_exactly() {
    let lm = echo_id();
    let best = BestOfN::new(qa(&lm), 3, number);
    best.call(ask()).await.unwrap();
    let first: Vec<Request> = lm.requests();
    assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2]);
    best.call(ask()).await.unwrap();
    assert_eq!(lm.requests()[3..], first[..]);
}

#[tokio::test]
async fn the_first_reward_at_the_threshold_or_above_it_ends_the_call() {
    for (replies, ran) in [(["0.4", "0.5", "0.9"], 2), (["0.6", "0.9", "0.1"], 1), (["0.1", "0.2", "7"], 3)] {
        let lm = answers(replies);
        let best = BestOfN::new(qa(&lm), 5, number).threshold(0.5).call(ask()).await.unwrap();
        assert_eq!(lm.calls(), ran);
        assert_eq!(best.rollouts().len(), ran);
        assert_eq!(best.answer, replies[ran - 1]);
        assert_eq!(best.stop_reason(), Some(Stop::Threshold));
    }
}

#[tokio::test]
async fn without_a_threshold_all_n_run() {
    let lm = answers(["1", "1000000", "3", "4"]);
    let best = BestOfN::new(qa(&lm), 4, number).call(ask()).await.unwrap();
    assert_eq!(lm.calls(), 4);
    assert_eq!((best.reward(), best.stop_reason()), (Some(1e6), Some(Stop::Completed)));
}

#[tokio::test]
async fn an_infinite_threshold_runs_all_and_the_best_is_returned() {
    let lm = answers(["1", "3", "2"]);
    let best = BestOfN::new(qa(&lm), 3, number).threshold(f64::INFINITY);
    let best = best.call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), lm.calls()), ("3", 3));
    assert_eq!(best.stop_reason(), Some(Stop::Completed));
}

#[tokio::test]
async fn the_threshold_of_minus_infinity_is_reached_by_any_reward() {
    let lm = answers(["-inf", "1"]);
    let best = BestOfN::new(qa(&lm), 2, number).threshold(f64::NEG_INFINITY);
    assert_eq!(best.call(ask()).await.unwrap().reward(), Some(f64::NEG_INFINITY));
    assert_eq!(lm.calls(), 1);
}

#[tokio::test]
async fn the_highest_reward_is_chosen_and_a_tie_goes_to_the_lowest_index() {
    for (replies, index) in [
        (["1", "3", "2"], 1),
        (["2", "1", "2"], 0),
        (["1", "2", "2"], 1),
        (["-3", "-2", "-2"], 1),
        (["0", "-0", "-1"], 0),
    ] {
        let best = BestOfN::new(qa(&answers(replies)), 3, number).call(ask()).await.unwrap();
        assert_eq!(chosen(best.rollouts()), [index], "{replies:?}");
        assert_eq!(best.answer, replies[index]);
        assert_eq!(best.reward(), best.rollouts()[index].reward());
    }
}

#[tokio::test(start_paused = true)]
async fn equal_rewards_in_any_order_of_arrival_choose_the_lowest_index() {
    for order in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1], [1, 1, 1]] {
        let lm =
            by_rollout(move |id| reply(["a", "b", "c"][id as usize]).delay(millis(order[id as usize] * 10)));
        let best = BestOfN::new(qa(&lm), 3, |_, _| 1.0).concurrency(3);
        let best = best.call(ask()).await.unwrap();
        assert_eq!(best.answer, "a", "{order:?}");
        assert_eq!(chosen(best.rollouts()), [0]);
        let report: Vec<_> = best.rollouts().iter().map(|rollout| rollout.index()).collect();
        assert_eq!(report, [0, 1, 2], "the report is in order of index");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_that_pass_at_the_same_moment_the_lowest_index_is_chosen() {
    let lm = by_rollout(|id| reply(&id.to_string()).delay(millis(10)));
    let best = BestOfN::new(qa(&lm), 3, |_, _| true).threshold(1.0).concurrency(3);
    assert_eq!(best.call(ask()).await.unwrap().answer, "0");
}

#[tokio::test(start_paused = true)]
async fn of_those_that_pass_at_the_same_moment_the_highest_reward_is_chosen() {
    for (replies, index) in
        [(["6", "9", "7"], 1), (["9", "6", "7"], 0), (["6", "7", "9"], 2), (["1", "6", "6"], 1)]
    {
        let lm = by_rollout(move |id| reply(replies[id as usize]).delay(millis(10)));
        let best = BestOfN::new(qa(&lm), 3, number).threshold(5.0).concurrency(3);
        let best = best.call(ask()).await.unwrap();
        assert_eq!(chosen(best.rollouts()), [index], "{replies:?}");
        assert!(best.rollouts().iter().all(|rollout| rollout.reward().is_some()), "{:?}", best.rollouts());
    }
}

#[tokio::test]
async fn rewards_of_plus_and_minus_infinity_count() {
    let best = BestOfN::new(qa(&answers(["5", "inf", "6"])), 3, number).call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), best.reward()), ("inf", Some(f64::INFINITY)));

    let best = BestOfN::new(qa(&answers(["-inf", "-1"])), 2, number).call(ask()).await.unwrap();
    assert_eq!(best.answer, "-1");
    assert_eq!(rewards(best.rollouts()), [Some(f64::NEG_INFINITY), Some(-1.0)]);

    let best = BestOfN::new(qa(&answers(["-inf"])), 1, number).call(ask()).await.unwrap();
    assert_eq!(best.reward(), Some(f64::NEG_INFINITY), "it is a success");
}

#[tokio::test(start_paused = true)]
async fn the_report_has_reward_feedback_cost_and_time_of_each_rollout() {
    let lm = ScriptedLm::new([
        reply("long").usage(tokens(10, 2)).delay(millis(30)),
        reply("ok").usage(tokens(11, 3)).delay(millis(20)),
    ]);
    let best = BestOfN::new(qa(&lm), 2, |_, p| (p.answer == "ok", format!("{} letters", p.answer.len())));
    let best = best.call(ask()).await.unwrap();
    let [first, second] = best.rollouts() else { panic!("{:?}", best.rollouts()) };
    assert_eq!((first.reward(), first.feedback()), (Some(0.0), Some("4 letters")));
    assert_eq!((first.usage(), first.elapsed()), (tokens(10, 2), millis(30)));
    assert_eq!((second.usage(), second.elapsed()), (tokens(11, 3), millis(20)));
    assert!(!first.is_chosen() && second.is_chosen() && !first.is_cancelled());
    let line = second.to_string();
    for part in ["rollout 1", "1.000", "2 letters", "1 calls", "14 tokens", "20.00ms"] {
        assert!(line.contains(part), "`{part}` in {line}");
    }
    assert_eq!(best.usage().total_tokens(), 26, "the loser's cost counts");
}

#[tokio::test]
async fn the_reward_sees_the_input_and_the_prediction() {
    let lm = answers(["Paris", "Capital of France?"]);
    let best = BestOfN::new(qa(&lm), 2, |input, p| input.question == p.answer);
    assert_eq!(best.call(ask()).await.unwrap().answer, "Capital of France?");
}

#[tokio::test]
async fn a_rollout_is_judged_once() {
    let judged = Arc::new(AtomicUsize::new(0));
    let count = judged.clone();
    let best = BestOfN::new(qa(&answers(["1", "2", "3"])), 3, move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        0.0
    });
    best.call(ask()).await.unwrap();
    assert_eq!(judged.load(Ordering::SeqCst), 3);
}

#[test]
fn the_source_of_a_best_of_n_is_its_modules() {
    let source = TwoSteps::new().source();
    assert!(source.is_some_and(|source| source.contains("self.answer.call")));
    assert_eq!(BestOfN::new(TwoSteps::new(), 3, |_, _| 1.0).source(), source);
}
