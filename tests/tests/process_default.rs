//! The process default, in a test binary of its own: it is for the whole process.

use karat::{BestOfN, Lm, Module, Predict, Reply, ScriptedLm, configure, signature};

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn ask() -> QaInput {
    QaInput { question: "?".into() }
}

fn lm(name: &'static str) -> ScriptedLm {
    ScriptedLm::computed(move |_| Reply::fields([("answer", name)])).named(name)
}

// One test, since there is one process.
#[tokio::test]
async fn the_process_default_is_looked_up_at_the_call_and_only_where_no_lm_is_set() {
    let unset = Predict::<Qa>::new();
    assert!(unset.call(ask()).await.unwrap_err().is_config());

    let (first, second) = (lm("first"), lm("second"));
    configure(first.lm().rollout_id(5));
    assert_eq!(unset.call(ask()).await.unwrap().answer, "first", "a module made before it sees it");
    assert!(unset.get_lm().unwrap().is_none(), "it is set on no predictor");

    let own = Predict::<Qa>::new().lm(&second.lm());
    assert_eq!(own.call(ask()).await.unwrap().answer, "second");

    let best = BestOfN::new(unset.clone(), 2, |_, _| 0.0).call(ask()).await.unwrap();
    assert_eq!(best.answer, "first");
    let ids: Vec<_> = best.rollouts().iter().map(|rollout| rollout.rollout_id()).collect();
    assert_eq!(ids, [5, 6], "its own rollout id is the start");

    assert_eq!(unset.history().len(), 3, "of the present default: its own call and the rollouts'");
    assert!(unset.history().iter().all(|entry| entry.lm() == "first"));
    assert_eq!(own.history().len(), 1);

    // It is nobody's own, so that the LM of a state goes before it.
    let saved = Predict::<Qa>::new().lm(&Lm::new("openai/x").unwrap()).dump_state();
    let mut fresh = Predict::<Qa>::new();
    fresh.load_state(&saved).unwrap();
    assert_eq!(fresh.get_lm().unwrap().unwrap().name(), "openai/x");

    configure(second.lm());
    assert!(unset.history().is_empty(), "the present default has not heard of it");
    assert_eq!(unset.call(ask()).await.unwrap().answer, "second");
    assert_eq!(tokio::spawn(async move { unset.call(ask()).await }).await.unwrap().unwrap().answer, "second");
}
