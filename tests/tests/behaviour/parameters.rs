//! Parameters, frozen parts and sub-modules that the traversal finds, and the methods that change them all.

use std::collections::{BTreeMap, HashMap};

use karat::{
    BestOfN, ChainOfThought, Error, Frozen, Module, Param, Predict, Prediction, Refine, Result,
    author::all_predictors, lm::Config, module,
};

use crate::support::*;

type Deep = BTreeMap<u8, (Predict<Qa>, Param<String>)>;

/// Every kind of part.
#[module]
struct Whole {
    limit: Param<u32>,
    plain: u32,
    steps: Vec<Predict<Qa>>,
    tools: HashMap<String, ChainOfThought<Qa>>,
    deep: Option<Box<[Deep; 1]>>,
    tuned: Frozen<TwoSteps>,
    best: BestOfN<Frozen<Predict<Qa>>>,
    refine: Refine<ChainOfThought<Qa>>,
}

#[module]
impl Whole {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        let mut answer = self.best.call(input.clone()).await?.into_inner();
        for step in &self.steps {
            answer = step.call(question(&answer.answer)).await?.into_inner();
        }
        let answer = self.tuned.call(question(&answer.answer)).await?;
        Ok(answer.map(|answer| answer.output))
    }
}

fn whole() -> Whole {
    Whole {
        limit: Param::new(3),
        plain: 1,
        steps: vec![Predict::new(), Predict::new()],
        tools: ["b", "a'c"].map(|name| (name.to_owned(), ChainOfThought::new())).into(),
        deep: Some(Box::new([BTreeMap::from([(7, (Predict::new(), Param::new("x".into())))])])),
        tuned: Frozen::new(TwoSteps::new()),
        best: BestOfN::new(Frozen::new(Predict::new()), 2, |_, _| 1.0),
        refine: Refine::new(ChainOfThought::new(), 2, |_, _| 1.0),
    }
}

fn paths<T>(named: Vec<(String, T)>) -> Vec<String> {
    named.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn parameters_are_predictors_and_params_in_a_stable_order_and_not_what_is_frozen() {
    let all = [
        "limit",
        "steps[0]",
        "steps[1]",
        "tools['a'c'].predict",
        "tools['b'].predict",
        "deep[0]['7'][0]",
        "deep[0]['7'][1]",
        "refine.module.predict",
    ];
    let mut whole = whole();
    assert_eq!(paths(whole.named_parameters()), all);
    assert_eq!(paths(whole.named_parameters_mut()), all);
    assert_eq!(whole.parameters().len(), all.len());
    assert_eq!(whole.parameters_mut().len(), all.len());
    let predictors: Vec<_> =
        all.into_iter().filter(|path| !["limit", "deep[0]['7'][1]"].contains(path)).collect();
    assert_eq!(paths(whole.named_predictors()), predictors);
    assert_eq!(paths(whole.named_predictors_mut()), predictors);
    assert_eq!(whole.predictors().len(), predictors.len());
    assert_eq!(whole.predictors_mut().len(), predictors.len());
}

#[test]
fn a_run_reaches_frozen_predictors_too() {
    let mut whole = whole();
    let all = paths(all_predictors(&whole));
    for path in ["tuned.query", "tuned.answer.predict", "best.module"] {
        assert!(all.iter().any(|found| found == path), "{path} in {all:?}");
    }
    let lm = echo_id().lm();
    whole.set_lm(&lm);
    assert!(all_predictors(&whole).iter().all(|(_, predictor)| predictor.lm() == Some(&lm)));
    assert_eq!(whole.get_lm().unwrap(), Some(lm));
}

#[tokio::test]
async fn a_frozen_part_gets_rollout_settings_and_is_in_trace_and_usage() {
    let lm = echo_id();
    let module = BestOfN::new(Frozen::new(qa(&lm)), 3, number);
    let best = module.call(ask()).await.unwrap();
    assert_eq!((best.answer.as_str(), best.usage().calls), ("2", 3));
    assert_eq!(best.trace().steps()[0].predictor(), "module");
    assert!(lm.requests().iter().all(|request| request.config.temperature == Some(1.0)));
}

#[test]
fn one_adapter_can_be_set_on_all_predictors() {
    let mut steps = TwoSteps::new();
    steps.set_adapter(karat::TerseAdapter);
    let prompt = steps.answer.predict().prompt(&ask()).unwrap();
    assert_eq!(prompt.last(), "Question: Capital of France?");
    assert_eq!(steps.query.prompt(&MakeQueryInput { question: "x".into() }).unwrap().last(), "Question: x");
}

#[test]
fn a_frozen_root_can_be_saved_loaded_and_reset_by_itself() {
    let mut root = Frozen::new(TwoSteps::new());
    assert_eq!(paths(root.named_predictors()), ["query", "answer.predict"]);
    let state = root.dump_state();
    root.load_state(&state).unwrap();
}

#[test]
fn a_state_of_the_same_program_without_frozen_parts_is_refused_with_the_reason() {
    #[module]
    struct Pair<M: Module> {
        free: Predict<Qa>,
        other: M,
    }
    #[module]
    impl<M: Module> Pair<M> {
        async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
            self.free.call(input).await
        }
    }
    let state = Pair { free: Predict::new(), other: Predict::<Qa>::new() }.dump_state();
    let mut frozen = Pair { free: Predict::new(), other: Frozen::new(Predict::<Qa>::new()) };
    let message = frozen.load_state(&state).unwrap_err().to_string();
    assert!(
        message.contains("`other`, which the module does not have or has frozen; it has `free`"),
        "{message}"
    );
}

#[test]
fn sub_modules_come_breadth_first_from_self() {
    let whole = whole();
    let found: Vec<_> = whole.named_sub_modules().map(|(path, _)| path).collect();
    let expected = [
        "self",
        "self.tuned",
        "self.best",
        "self.refine",
        "self.steps[0]",
        "self.steps[1]",
        "self.tools['a'c']",
        "self.tools['b']",
        "self.tuned.query",
        "self.tuned.answer",
        "self.best.module",
        "self.refine.module",
        "self.tools['a'c'].predict",
        "self.tools['b'].predict",
        "self.deep[0]['7'][0]",
        "self.tuned.answer.predict",
        "self.refine.module.predict",
    ];
    assert_eq!(found.len(), expected.len());
    // Among those of one depth, the order is that of the fields.
    let depth = |path: &str| path.matches(['.', '[']).count();
    assert!(found.windows(2).all(|pair| depth(&pair[0]) <= depth(&pair[1])), "{found:?}");
    for path in expected {
        assert!(found.iter().any(|found| found == path), "{path} in {found:?}");
    }
}

#[test]
fn sub_modules_are_found_by_type_and_without_the_inside_of_frozen_ones() {
    let whole = whole();
    let typed: Vec<(String, &ChainOfThought<Qa>)> = whole.named_sub_modules().of_type().collect();
    let paths: Vec<_> = typed.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["self.tools['a'c']", "self.tools['b']", "self.tuned.answer", "self.refine.module"]);
    let left: Vec<_> = whole.named_sub_modules().skip_frozen().map(|(path, _)| path).collect();
    assert!(left.contains(&"self.tuned".to_owned()), "its top stays, as in DSPy: {left:?}");
    assert!(left.contains(&"self.best.module".to_owned()));
    assert!(!left.iter().any(|path| path.starts_with("self.tuned.")), "{left:?}");
    let frozen: Vec<_> =
        whole.named_sub_modules().filter(|(_, module)| module.is_frozen()).map(|(path, _)| path).collect();
    assert_eq!(frozen.len(), 5, "{frozen:?}");
    assert!(whole.named_sub_modules().next().unwrap().1.type_name().ends_with("Whole"));
    assert_eq!(Predict::<Qa>::new().named_sub_modules().map(|(path, _)| path).collect::<Vec<_>>(), ["self"]);
}

#[test]
fn a_reset_copy_forgets_demos_lms_and_values_but_no_instructions_or_frozen_parts() {
    let lm = answers([]);
    let mut whole = whole();
    let demo = Qa { question: "q".into(), answer: "a".into() };
    whole.steps[0] = Predict::new().demo(demo.clone()).instructions("Be brief.");
    whole.tuned.query = Predict::new().demo(MakeQuery { question: "q".into(), query: "a".into() });
    whole.limit.set(9);
    whole.set_lm(&lm.lm());
    let reset = whole.reset_copy();
    assert_eq!((*reset.limit, reset.plain), (3, 1));
    assert!(reset.steps[0].predictor().demos().is_empty() && reset.steps[0].predictor().lm().is_none());
    assert_eq!(reset.steps[0].predictor().instructions(), "Be brief.");
    assert_eq!(reset.tuned.query.predictor().demos().len(), 1, "frozen");
    assert_eq!((*whole.limit, whole.steps[0].predictor().demos().len()), (9, 1), "the original is as it was");
}

#[test]
fn a_param_is_shared_by_copies_until_one_sets_it() {
    let mut first = Param::new(vec![1, 2]);
    let second = first.clone();
    assert!(std::ptr::eq(&*first, &*second));
    first.set(vec![3]);
    assert_eq!((&*first, &*second, first.initial()), (&vec![3], &vec![1, 2], &vec![1, 2]));
}

#[test]
fn mapping_replaces_every_predictor_or_none() {
    let mut whole = whole();
    whole
        .map_named_predictors(|path, mut predictor| {
            predictor.set_instructions(format!("I am {path}."));
            Ok(predictor)
        })
        .unwrap();
    assert_eq!(whole.steps[1].predictor().instructions(), "I am steps[1].");
    assert_ne!(whole.tuned.query.predictor().instructions(), "I am tuned.query.");

    let before = whole.dump_state();
    let mut seen = 0;
    let error = whole
        .map_named_predictors(|_, mut predictor| {
            seen += 1;
            predictor.set_instructions("changed");
            if seen == 3 { Err(Error::other("no")) } else { Ok(predictor) }
        })
        .unwrap_err();
    assert_eq!(error.predictor(), Some("tools['a'c'].predict"));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        whole.map_named_predictors(|path, mut predictor| {
            predictor.set_instructions("changed");
            assert!(path != "tools['b'].predict", "on purpose");
            Ok(predictor)
        })
    }));
    assert!(panicked.is_err());
    let error =
        whole.map_named_predictors(|_, _| Ok(Predict::<MakeQuery>::new().predictor().clone())).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("`MakeQuery`"), "{error}");
    assert_eq!(whole.dump_state(), before);
}

#[test]
fn mapping_refuses_a_predictor_of_the_same_signature_with_other_fields() {
    let mut thoughtful = ChainOfThought::<Qa>::new();
    let plain = Predict::<Qa>::new();
    let error =
        thoughtful.map_named_predictors(|_, _| Ok(plain.predictor().clone())).unwrap_err().to_string();
    assert!(error.contains("expected a predictor of `Qa` (question -> reasoning, answer)"), "{error}");
    assert!(error.contains("found one of `Qa` (question -> answer)"), "{error}");
}

#[test]
fn a_description_can_be_set_and_shows_in_the_prompt() {
    let mut predict = Predict::<Qa>::new();
    predict.predictor_mut().set_description("answer", "one word").unwrap();
    assert_eq!(predict.predictor().description("answer"), "one word");
    let prompt = predict.prompt(&ask()).unwrap();
    assert!(prompt.iter().next().unwrap().content.contains("one word"));
    let error = predict.predictor_mut().set_description("nothing", "x").unwrap_err();
    assert!(error.is_config() && error.to_string().contains("`question`"), "{error}");
    let config = Config::new().temperature(0.2);
    let fixed = ChainOfThought::<Qa>::new().config(&config);
    assert_eq!(fixed.predict().predictor().config().temperature, Some(0.2));
}
