//! The traversal: every predictor is found, under its path, at any depth.

use std::{
    collections::{BTreeMap, HashMap},
    marker::PhantomData,
    sync::Arc,
};

use karat::{
    BestOfN, ChainOfThought, Module, Predict, Prediction, Refine, Result, author::rollout_width, module,
    traverse::Traverse,
};

use crate::support::{Qa, QaInput, QaOutput, Twins, TwoSteps, echo_id};

type P = Predict<Qa>;

fn p() -> P {
    Predict::new()
}

fn paths(module: &impl Module) -> Vec<String> {
    module.named_predictors().into_iter().map(|(path, _)| path).collect()
}

/// Gives a struct of predictors a `forward`, which the traversal does not need.
macro_rules! a_module {
    ($name:ident { $($(#[$meta:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        #[module]
        struct $name {
            $($(#[$meta])* $field: $kind,)*
        }
        #[module]
        impl $name {
            async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
                Ok(Prediction::new(QaOutput { answer: input.question }))
            }
        }
    };
}

#[test]
fn a_bare_predictor_is_called_self() {
    assert_eq!(paths(&p()), ["self"]);
    assert_eq!(paths(&p().boxed()), ["self"]);
}

#[test]
fn fields_are_joined_by_dots_and_a_wrappers_inside_is_called_module() {
    assert_eq!(paths(&ChainOfThought::<Qa>::new()), ["predict"]);
    assert_eq!(paths(&TwoSteps::new()), ["query", "answer.predict"]);
    let best = BestOfN::new(TwoSteps::new(), 2, |_, _| 0.0);
    assert_eq!(paths(&best), ["module.query", "module.answer.predict"]);
    let refine = Refine::new(best, 2, |_, _| 0.0);
    assert_eq!(paths(&refine), ["module.module.query", "module.module.answer.predict"]);
}

a_module!(Containers {
    some: Option<P>,
    none: Option<P>,
    boxed: Box<P>,
    steps: Vec<P>,
    array: [P; 2],
    pair: (P, ChainOfThought<Qa>),
    by_name: BTreeMap<String, P>,
    by_number: HashMap<u32, P>,
    tools: HashMap<String, P>,
});

fn containers() -> Containers {
    Containers {
        some: Some(p()),
        none: None,
        boxed: Box::new(p()),
        steps: vec![p(), p()],
        array: [p(), p()],
        pair: (p(), ChainOfThought::new()),
        by_name: BTreeMap::from([("b".into(), p()), ("a".into(), p())]),
        by_number: HashMap::from([(2, p()), (1, p())]),
        tools: HashMap::from([("search".into(), p()), ("open page".into(), p()), ("a".into(), p())]),
    }
}

const CONTAINED: [&str; 15] = [
    "some",
    "boxed",
    "steps[0]",
    "steps[1]",
    "array[0]",
    "array[1]",
    "pair[0]",
    "pair[1].predict",
    "by_name['a']",
    "by_name['b']",
    "by_number['1']",
    "by_number['2']",
    "tools['a']",
    "tools['open page']",
    "tools['search']",
];

#[test]
fn containers_of_every_kind_are_walked_in_a_stable_order() {
    assert_eq!(paths(&containers()), CONTAINED);
    // A hash map's own order differs from one to the next; the paths' does not.
    for _ in 0..20 {
        assert_eq!(paths(&containers()), CONTAINED);
    }
}

#[test]
fn the_walk_that_changes_visits_the_same_paths_as_the_one_that_looks() {
    let mut module = containers();
    let changed: Vec<_> = module.named_predictors_mut().into_iter().map(|(path, _)| path).collect();
    assert_eq!(changed, CONTAINED);
    for (path, predictor) in module.named_predictors_mut() {
        predictor.set_instructions(path);
    }
    for (path, predictor) in module.named_predictors() {
        assert_eq!(predictor.instructions(), path);
    }
}

type Deep = Vec<Option<Box<(HashMap<String, [BTreeMap<String, Vec<P>>; 1]>, TwoSteps)>>>;

a_module!(DeepModule { deep: Deep });

#[test]
fn containers_in_containers_are_walked_at_any_depth() {
    let lists = [BTreeMap::from([("k".to_owned(), vec![p(), p()])])];
    let deep: Deep = vec![None, Some(Box::new((HashMap::from([("x".to_owned(), lists)]), TwoSteps::new())))];
    let mut module = DeepModule { deep };
    assert_eq!(
        paths(&module),
        [
            "deep[1][0]['x'][0]['k'][0]",
            "deep[1][0]['x'][0]['k'][1]",
            "deep[1][1].query",
            "deep[1][1].answer.predict",
        ]
    );
    module.set_lm(&echo_id().lm());
    assert!(module.predictors().iter().all(|predictor| predictor.lm().is_some()));
}

a_module!(Raw {
    r#type: P,
    r#match: ChainOfThought<Qa>,
});

#[test]
fn raw_identifiers_are_written_without_their_mark() {
    let module = Raw { r#type: p(), r#match: ChainOfThought::new() };
    assert_eq!(paths(&module), ["type", "match.predict"]);
}

a_module!(Plain {
    name: String,
    limit: usize,
    shared: Arc<str>,
    marker: PhantomData<Qa>,
    only: P,
    #[module(skip)]
    skipped: Arc<Vec<u8>>,
});

#[test]
fn plain_values_and_skipped_fields_hold_no_predictor() {
    let module = Plain {
        name: "n".into(),
        limit: 1,
        shared: "s".into(),
        marker: PhantomData,
        only: p(),
        skipped: Arc::new(Vec::new()),
    };
    assert_eq!(paths(&module), ["only"]);
    assert_eq!((module.name.as_str(), module.limit, &*module.shared, module.skipped.len()), ("n", 1, "s", 0));
}

#[test]
fn modules_of_modules_of_modules_are_walked() {
    a_module!(Inner { twins: Twins });
    a_module!(Middle {
        inner: Inner,
        best: BestOfN<Inner>,
    });
    a_module!(Outer {
        middle: Option<Middle>,
    });
    let inner = || Inner { twins: Twins::new() };
    let best = BestOfN::new(inner(), 2, |_, _| 0.0);
    let outer = Outer { middle: Some(Middle { inner: inner(), best }) };
    assert_eq!(
        paths(&outer),
        [
            "middle.inner.twins.left",
            "middle.inner.twins.right",
            "middle.best.module.twins.left",
            "middle.best.module.twins.right",
        ]
    );
}

#[test]
fn a_generic_module_is_walked_through_its_parameter() {
    #[module]
    struct Around<M: Module> {
        inner: M,
        parts: Vec<M>,
    }
    #[module]
    impl<M: Module> Around<M> {
        async fn forward(&self, input: M::Input) -> Result<Prediction<M::Output>> {
            self.inner.call(input).await
        }
    }
    let around = Around { inner: TwoSteps::new(), parts: vec![TwoSteps::new()] };
    assert_eq!(
        paths(&around),
        ["inner.query", "inner.answer.predict", "parts[0].query", "parts[0].answer.predict"]
    );
}

#[test]
fn the_width_of_a_module_is_the_product_of_the_wrappers_on_the_widest_way_down() {
    let best = |n| BestOfN::new(p(), n, |_, _| 0.0);
    assert_eq!(rollout_width(&p()), 1);
    assert_eq!(rollout_width(&best(3)), 3);
    assert_eq!(rollout_width(&BestOfN::new(best(3), 4, |_, _| 0.0)), 12);
    a_module!(Two {
        small: BestOfN<P>,
        large: BestOfN<P>,
    });
    assert_eq!(rollout_width(&Two { small: best(2), large: best(5) }), 5);
}

#[test]
fn a_deep_copy_of_containers_is_independent() {
    let original = containers();
    let mut copy = original.deepcopy();
    copy.set_lm(&echo_id().lm());
    copy.tools.clear();
    assert!(original.predictors().iter().all(|predictor| predictor.lm().is_none()));
    assert_eq!(paths(&original), CONTAINED);
}

#[test]
fn traverse_is_object_safe_enough_for_a_box() {
    let part: Box<dyn Traverse> = Box::new(TwoSteps::new());
    let mut found = 0;
    karat::traverse::Walker::run(&*part, &mut |_, node| {
        found += usize::from(matches!(node, karat::traverse::Node::Parameter(_)))
    });
    assert_eq!(found, 2);
}
