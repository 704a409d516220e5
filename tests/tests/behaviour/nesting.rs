//! Wrappers inside of wrappers.

use std::collections::BTreeSet;

use karat::{BestOfN, ErrorKind, Module, Predict, Prediction, Refine, Reply, Result, ScriptedLm, module};

use crate::support::{
    Qa, QaInput, QaOutput, Twins, ask, by_rollout, chosen, echo_id, failure, ids, last_messages, millis,
    number, qa, reply, rewards, server_error, temperatures,
};

/// All ids are different, and there are so many of them.
fn assert_unique(ids: &[u64], count: usize) {
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!((unique.len(), ids.len()), (count, count), "{ids:?}");
}

#[tokio::test]
async fn the_ids_of_a_best_of_n_inside_a_best_of_n_never_overlap() {
    for (outer, inner) in [(2, 3), (3, 2), (1, 4), (4, 1)] {
        let lm = echo_id();
        let nested = BestOfN::new(BestOfN::new(qa(&lm), inner, number), outer, number);
        let best = nested.call(ask()).await.unwrap();
        assert_unique(&ids(&lm), outer * inner);
        assert_eq!(best.answer, (outer * inner - 1).to_string(), "ids are dense from 0");
        assert_eq!(best.usage().calls as usize, outer * inner);
        assert_eq!(best.trace().steps().len(), 1);
        assert_eq!(best.trace().steps()[0].predictor(), "module.module");
    }
}

#[tokio::test]
async fn the_ids_of_three_levels_never_overlap() {
    let lm = echo_id();
    let nested = BestOfN::new(BestOfN::new(BestOfN::new(qa(&lm), 2, number), 3, number), 2, number);
    let best = nested.call(ask()).await.unwrap();
    assert_unique(&ids(&lm), 12);
    assert_eq!((best.answer.as_str(), best.usage().calls), ("11", 12));
}

#[tokio::test]
async fn nested_ids_start_at_the_lms_own() {
    let lm = echo_id();
    let module = Predict::<Qa>::new().lm(&lm.lm().rollout_id(1000));
    BestOfN::new(BestOfN::new(module, 2, number), 2, number).call(ask()).await.unwrap();
    assert_eq!(ids(&lm), [1000, 1001, 1002, 1003]);
}

#[tokio::test]
async fn the_ids_of_a_refine_of_a_best_of_n_never_overlap() {
    let lm = echo_id();
    let refine = Refine::new(BestOfN::new(qa(&lm), 3, number), 2, |input, p| (number(input, p), "more"));
    let best = refine.call(ask()).await.unwrap();
    assert_unique(&ids(&lm), 6);
    assert_eq!(best.answer, "5");
    // The hint reaches all rollouts of the second attempt, through the wrapper.
    let hinted: Vec<_> = last_messages(&lm).iter().map(|message| message.contains("more")).collect();
    assert_eq!(hinted, [false, false, false, true, true, true]);
    assert_eq!(best.rollouts()[0].advice().unwrap().by_predictor()["module"], "more");
}

#[tokio::test]
async fn the_ids_of_a_best_of_n_of_a_refine_never_overlap() {
    let lm = echo_id();
    let refine = Refine::new(qa(&lm), 2, |input, p| (number(input, p), "more"));
    BestOfN::new(refine, 3, number).call(ask()).await.unwrap();
    assert_unique(&ids(&lm), 6);
    let hinted: Vec<_> = last_messages(&lm).iter().map(|message| message.contains("more")).collect();
    assert_eq!(hinted, [false, true].repeat(3), "each rollout refines on its own");
}

#[tokio::test]
async fn a_refine_inside_a_refine_keeps_the_outer_hint_beside_its_own() {
    let lm = echo_id();
    let inner = Refine::new(qa(&lm), 2, |input, p| (number(input, p), "inner tip"));
    let outer = Refine::new(inner, 2, |input, p| (number(input, p), "outer tip"));
    outer.call(ask()).await.unwrap();
    let hints: Vec<_> = last_messages(&lm)
        .iter()
        .map(|message| (message.contains("outer tip"), message.contains("inner tip")))
        .collect();
    assert_eq!(hints, [(false, false), (false, true), (true, false), (true, true)]);
    assert!(last_messages(&lm)[3].contains("[[ ## hint_ ## ]]\nouter tip\ninner tip\n"));
}

/// A predictor beside a wrapper, so that one has fewer ids than the other.
#[module]
struct Uneven {
    plain: Predict<Qa>,
    best: BestOfN<Predict<Qa>>,
}

#[module]
impl Uneven {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        self.plain.call(input.clone()).await?;
        self.best.call(input).await
    }
}

#[tokio::test]
async fn in_a_module_with_a_wrapper_each_predictors_ids_are_unique_over_all_rollouts() {
    let (plain, wrapped) = (echo_id(), echo_id());
    let module = Uneven { plain: qa(&plain), best: BestOfN::new(qa(&wrapped), 3, number) };
    let best = BestOfN::new(BestOfN::new(module, 2, number), 2, number);
    let best = best.call(ask()).await.unwrap();
    assert_unique(&ids(&plain), 4);
    assert_unique(&ids(&wrapped), 12);
    let paths: Vec<_> = best.trace().steps().iter().map(|step| step.predictor()).collect();
    assert_eq!(paths, ["module.module.plain", "module.module.best.module"]);
}

#[tokio::test(start_paused = true)]
async fn nested_ids_are_unique_with_all_rollouts_at_once() {
    let lm = by_rollout(|id| reply(&id.to_string()).delay(millis(id % 3)));
    let inner = BestOfN::new(qa(&lm), 3, number).concurrency(3);
    let best = BestOfN::new(inner, 3, number).concurrency(3).call(ask()).await.unwrap();
    assert_unique(&ids(&lm), 9);
    assert_eq!(best.answer, "8");
}

#[tokio::test]
async fn a_wrapper_in_a_box_spaces_its_ids_too() {
    let lm = echo_id();
    BestOfN::new(BestOfN::new(qa(&lm), 3, number).boxed(), 2, number).call(ask()).await.unwrap();
    assert_unique(&ids(&lm), 6);
}

#[tokio::test]
async fn the_inner_wrappers_temperature_beats_the_outer_ones_which_beats_the_default() {
    for (inner, expected) in [(None, 0.4), (Some(0.8), 0.8)] {
        let lm = echo_id();
        let mut nested = BestOfN::new(qa(&lm), 2, number);
        if let Some(temperature) = inner {
            nested = nested.temperature(temperature);
        }
        BestOfN::new(nested, 2, number).temperature(0.4).call(ask()).await.unwrap();
        assert_eq!(temperatures(&lm), [Some(expected); 4]);
    }
}

#[tokio::test]
async fn each_level_stops_at_its_own_threshold() {
    let lm = echo_id();
    // The inner one stops at its second rollout (id 1, 4), the outer one at the second of its own.
    let inner = BestOfN::new(qa(&lm), 3, |input, p| number(input, p) % 3.0).threshold(1.0);
    let best = BestOfN::new(inner, 5, number).threshold(4.0).call(ask()).await.unwrap();
    assert_eq!(ids(&lm), [0, 1, 3, 4]);
    assert_eq!((best.answer.as_str(), best.rollouts().len()), ("4", 2));
    assert_eq!(best.rollouts()[0].usage().calls, 2);
}

#[tokio::test]
async fn an_inner_wrapper_whose_rollouts_all_fail_fails_one_outer_rollout() {
    let lm = by_rollout(|id| if id < 2 { server_error() } else { reply("1") });
    let best = BestOfN::new(BestOfN::new(qa(&lm), 2, number), 2, number).call(ask()).await.unwrap();
    assert_eq!((rewards(best.rollouts()), chosen(best.rollouts())), (vec![None, Some(1.0)], vec![1]));
    let error = best.rollouts()[0].error().unwrap();
    assert!(error.is_exhausted());
    assert_eq!(error.rollouts().len(), 2, "the inner report is in it");
}

#[tokio::test]
async fn an_auth_error_inside_ends_all_levels_at_once() {
    let lm = ScriptedLm::computed(|_| failure(ErrorKind::Auth));
    let error = BestOfN::new(BestOfN::new(qa(&lm), 3, number), 3, number).call(ask()).await.unwrap_err();
    assert!(error.is_auth());
    assert_eq!((lm.calls(), error.rollouts().len()), (1, 1));
    assert_eq!(error.predictor(), Some("module.module"));
    assert_eq!(
        error.rollouts()[0].error().unwrap().rollouts().len(),
        1,
        "the inner report is in the outer one's"
    );
}

#[tokio::test]
async fn a_wrapper_of_twins_gives_both_the_rollouts_id() {
    let lm = echo_id();
    let mut twins = Twins::new();
    twins.set_lm(&lm.lm());
    BestOfN::new(twins, 2, |_, _| 0.0).call(ask()).await.unwrap();
    assert_eq!(ids(&lm), [0, 0, 1, 1]);
}

#[tokio::test]
async fn a_nested_modules_critic_knows_predictors_by_their_path_in_that_module() {
    let lm = ScriptedLm::computed(|_| Reply::fields([("answer", "0")]));
    let critic = ScriptedLm::computed(|_| crate::support::advice([("left", "tip")]));
    let mut twins = Twins::new();
    twins.set_lm(&lm.lm());
    let refine = Refine::new(twins, 2, |_, _| 0.0).feedback_lm(critic.lm());
    BestOfN::new(refine, 1, |_, _| 0.0).call(ask()).await.unwrap();
    assert!(
        critic.requests()[0].prompt.last().contains("\nleft\n"),
        "{}",
        critic.requests()[0].prompt.last()
    );
    assert!(last_messages(&lm)[2].contains("tip") && !last_messages(&lm)[3].contains("tip"));
}

/// Makes its wrapper anew in each run, as one does whose reward needs the input.
#[module]
struct Dynamic {
    qa: Predict<Qa>,
}

#[module]
impl Dynamic {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        BestOfN::new(self.qa.clone(), 3, number).call(input).await
    }
}

#[tokio::test]
async fn a_wrapper_that_is_made_inside_of_forward_has_ids_of_its_own_in_each_rollout() {
    let lm = echo_id();
    let best = BestOfN::new(Dynamic { qa: qa(&lm) }, 3, number);
    best.call(ask()).await.unwrap();
    let first = ids(&lm);
    assert_unique(&first, 9);
    best.call(ask()).await.unwrap();
    assert_eq!(ids(&lm)[9..], first, "the same in every call");

    let lm = echo_id();
    let nested = BestOfN::new(BestOfN::new(Dynamic { qa: qa(&lm) }, 2, number), 2, number);
    nested.call(ask()).await.unwrap();
    assert_unique(&ids(&lm), 12);
}

#[tokio::test]
async fn a_wrapper_made_inside_of_forward_counts_from_0_where_nothing_is_around_it() {
    let lm = echo_id();
    Dynamic { qa: qa(&lm) }.call(ask()).await.unwrap();
    assert_eq!(ids(&lm), [0, 1, 2]);
}
