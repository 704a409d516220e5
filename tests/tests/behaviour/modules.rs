//! Modules: reasoning, added fields, boxed modules, and their LMs.

use std::borrow::Cow;

use karat::{
    BestOfN, BoxModule, ChainOfThought, Error, Module, Predict, Prediction, Reply, Result, ScriptedLm,
    field::{Field, Place},
    module, signature,
};
use serde_json::json;

use crate::support::{
    Qa, QaInput, QaOutput, Twins, TwoSteps, answers, ask, echo_id, ids, last_messages, number, qa, reply,
    whole,
};

#[tokio::test]
async fn a_chain_of_thought_asks_for_reasoning_first_and_returns_it_beside_the_answer() {
    let lm = ScriptedLm::new([Reply::fields([("reasoning", "by heart"), ("answer", "Paris")])]);
    let prediction = ChainOfThought::<Qa>::new().lm(&lm.lm()).call(ask()).await.unwrap();
    assert_eq!((prediction.reasoning.as_str(), prediction.answer.as_str()), ("by heart", "Paris"));
    let asked = &last_messages(&lm)[0];
    assert!(
        asked.find("[[ ## reasoning ## ]]").unwrap() < asked.find("[[ ## answer ## ]]").unwrap(),
        "{asked}"
    );
    let step = &prediction.trace().steps()[0];
    assert_eq!((step.predictor(), step.outputs().len()), ("predict", 2));
    assert_eq!(prediction.into_inner().output, QaOutput { answer: "Paris".into() });
}

#[tokio::test]
async fn a_chain_of_thought_without_its_reasoning_is_unreadable() {
    let lm = ScriptedLm::new([reply("Paris"), reply("Paris")]);
    let error = ChainOfThought::<Qa>::new().lm(&lm.lm()).call(ask()).await.unwrap_err();
    assert!(error.is_parse());
    assert_eq!((error.field(), error.predictor()), (Some("reasoning"), Some("predict")));
}

#[tokio::test]
async fn demos_of_a_chain_of_thought_are_whole_examples_with_or_without_reasoning() {
    let lm = ScriptedLm::new([Reply::fields([("reasoning", "r"), ("answer", "a")])]);
    let demo = |answer: &str| Qa { question: "?".into(), answer: answer.into() };
    let module =
        ChainOfThought::<Qa>::new().demo(demo("one")).reasoned_demo("because", demo("two")).lm(&lm.lm());
    module.call(ask()).await.unwrap();
    let requests = lm.requests();
    let texts: Vec<_> = requests[0].prompt.iter().map(|message| &*message.content).collect();
    assert!(texts[2].contains("[[ ## answer ## ]]\none") && !texts[2].contains("because"), "{}", texts[2]);
    assert!(texts[4].contains("[[ ## reasoning ## ]]\nbecause\n\n[[ ## answer ## ]]\ntwo"), "{}", texts[4]);
}

#[tokio::test]
async fn a_chain_of_thought_refuses_a_signature_with_a_field_reasoning_before_any_call() {
    #[signature]
    struct Proof {
        #[input]
        claim: String,
        #[output]
        reasoning: String,
    }
    let lm = answers([]);
    let module = ChainOfThought::<Proof>::new().lm(&lm.lm());
    let error = module.call(ProofInput { claim: "1 = 1".into() }).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("`reasoning`"), "{error}");
    assert_eq!((error.field(), error.predictor(), lm.calls()), (Some("reasoning"), Some("predict"), 0));
}

/// A module as an author outside of karat writes it: a field in, a field out, and the user's signature as it is.
#[module]
struct Confident {
    predict: Predict<Qa>,
}

const MOOD: Field = Field::input::<String>("mood", "how to sound");
const CONFIDENCE: Field = Field::output::<f64>("confidence", "from 0 to 1");

impl Confident {
    fn new() -> Self {
        let predict = Predict::new().with_field(MOOD, Place::First).with_field(CONFIDENCE, Place::Last);
        Self { predict }
    }
}

#[module]
impl Confident {
    async fn forward(&self, input: QaInput) -> Result<Prediction<(String, f64)>> {
        let prediction = self.predict.forward_with(input, &[("mood", json!("calm"))]).await?;
        let confidence = prediction.added::<f64>("confidence")?;
        Ok(prediction.map(|output| (output.answer, confidence)))
    }
}

#[tokio::test]
async fn a_module_author_adds_fields_without_touching_the_users_signature() {
    let lm = ScriptedLm::new([Reply::fields([("answer", json!("Paris")), ("confidence", json!(0.9))])]);
    let mut module = Confident::new();
    module.predict = module.predict.demo(Qa { question: "?".into(), answer: "!".into() });
    module.set_lm(&lm.lm());
    let prediction = module.call(ask()).await.unwrap();
    assert_eq!(*prediction, ("Paris".to_owned(), 0.9));
    let asked = &last_messages(&lm)[0];
    assert!(asked.starts_with("[[ ## mood ## ]]\ncalm\n\n[[ ## question ## ]]"), "{asked}");
    assert!(whole(&lm.requests()[0]).contains("`confidence` (number): from 0 to 1"));
    let step = &prediction.trace().steps()[0];
    let names = |values: &[(Cow<'static, str>, serde_json::Value)]| {
        values.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(step.inputs()), ["mood", "question"]);
    assert_eq!(names(step.outputs()), ["answer", "confidence"]);
    // Another predictor of the signature knows nothing of it.
    let (inputs, outputs) = Predict::<Qa>::new().predictor().field_names();
    assert_eq!((&inputs[..], &outputs[..]), (&["question".into()][..], &["answer".into()][..]));
}

#[tokio::test]
async fn an_added_field_of_the_wrong_type_is_an_error_that_names_it() {
    let lm = ScriptedLm::new([Reply::fields([("answer", json!("Paris")), ("confidence", json!("quite"))])]);
    let mut module = Confident::new();
    module.set_lm(&lm.lm());
    let error = module.call(ask()).await.unwrap_err();
    assert!(error.is_parse());
    assert_eq!(error.field(), Some("confidence"));
}

#[tokio::test]
async fn a_value_for_a_field_that_was_not_added_is_a_config_error_before_any_call() {
    let lm = answers(["1"]);
    for name in ["mood", "question"] {
        let error = qa(&lm).forward_with(ask(), &[(name, json!("x"))]).await.unwrap_err();
        assert!(error.is_config());
        assert_eq!((error.field(), error.predictor()), (Some(name), Some("self")));
    }
    assert_eq!(lm.calls(), 0);
}

#[tokio::test]
async fn a_module_author_adds_fields_in_rollouts_too() {
    let lm = ScriptedLm::new(
        [0.2, 0.9, 0.4].map(|sure| Reply::fields([("answer", json!("a")), ("confidence", json!(sure))])),
    );
    let mut module = Confident::new();
    module.set_lm(&lm.lm());
    let best = BestOfN::new(module, 3, |_, p| p.1).call(ask()).await.unwrap();
    assert_eq!(best.1, 0.9);
}

#[tokio::test]
async fn boxed_modules_of_different_types_stand_in_one_list() {
    #[module]
    struct Panel {
        members: Vec<BoxModule<QaInput, QaOutput>>,
    }
    #[module]
    impl Panel {
        async fn forward(&self, input: QaInput) -> Result<Prediction<Vec<String>>> {
            let mut answers = Vec::new();
            for member in &self.members {
                answers.push(member.call(input.clone()).await?.into_inner().answer);
            }
            Ok(Prediction::new(answers))
        }
    }
    #[module]
    struct Brief {
        inner: ChainOfThought<Qa>,
    }
    #[module]
    impl Brief {
        async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
            Ok(self.inner.call(input).await?.map(|reasoned| reasoned.output))
        }
    }
    let lm = ScriptedLm::computed(|_| Reply::fields([("reasoning", "r"), ("answer", "a")]));
    let best = BestOfN::new(Predict::<Qa>::new(), 2, |_, _| 0.0);
    let members =
        vec![Predict::<Qa>::new().boxed(), Brief { inner: ChainOfThought::new() }.boxed(), best.boxed()];
    let mut panel = Panel { members };
    panel.set_lm(&lm.lm());
    let copy = panel.clone();
    let prediction = copy.call(ask()).await.unwrap();
    assert_eq!(prediction.len(), 3);
    let paths: Vec<_> = prediction.trace().steps().iter().map(|step| step.predictor()).collect();
    assert_eq!(paths, ["members[0]", "members[1].inner.predict", "members[2].module"]);
    assert_eq!(prediction.usage().calls, 4);
}

#[tokio::test]
async fn set_lm_reaches_every_predictor_and_get_lm_gives_it_back() {
    let lm = echo_id().named("one").lm();
    let mut steps = TwoSteps::new();
    assert!(steps.get_lm().unwrap().is_none());
    steps.set_lm(&lm);
    assert_eq!(steps.get_lm().unwrap(), Some(lm.clone()));
    assert!(steps.predictors().iter().all(|predictor| predictor.lm() == Some(&lm)));
    let mut best = BestOfN::new(steps, 2, |_, _| 0.0);
    let other = echo_id().named("other").lm();
    best.set_lm(&other);
    assert_eq!(best.module().get_lm().unwrap(), Some(other));
}

#[tokio::test]
async fn get_lm_of_mixed_lms_is_an_error_that_names_each() {
    let mut twins = Twins::new();
    twins.left = twins.left.lm(&echo_id().named("small").lm());
    let error = twins.get_lm().unwrap_err();
    assert!(error.is_config());
    for part in ["`left`: small", "`right`: none"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    twins.right = twins.right.lm(&echo_id().named("large").lm());
    let error = twins.get_lm().unwrap_err();
    assert!(error.to_string().contains("`left`: small, `right`: large"), "{error}");
}

#[tokio::test]
async fn a_module_without_predictors_can_be_called_and_wrapped() {
    #[module]
    struct Constant {
        value: f64,
    }
    #[module]
    impl Constant {
        async fn forward(&self, input: f64) -> Result<Prediction<f64>> {
            Ok(Prediction::new(self.value * input))
        }
    }
    let constant = Constant { value: 2.0 };
    assert_eq!(*constant.call(3.0).await.unwrap(), 6.0);
    let best = BestOfN::new(constant, 2, |input, p| **p + input).call(3.0).await.unwrap();
    assert_eq!((best.reward(), best.usage().calls, best.rollouts().len()), (Some(9.0), 0, 2));
}

#[tokio::test]
async fn an_error_of_the_authors_own_comes_through_with_its_source() {
    #[module]
    struct Strict {
        qa: Predict<Qa>,
    }
    #[module]
    impl Strict {
        async fn forward(&self, input: QaInput) -> Result<Prediction<u8>> {
            let answer = self.qa.call(input).await?;
            let number = answer.answer.parse().map_err(Error::other)?;
            Ok(answer.map(|_| number))
        }
    }
    let strict = Strict { qa: qa(&answers(["300", "7"])) };
    let error = strict.call(ask()).await.unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().is::<std::num::ParseIntError>());
    assert_eq!(*strict.call(ask()).await.unwrap(), 7);
}

#[tokio::test]
async fn a_loop_in_a_module_is_one_trace_with_a_step_for_each_turn() {
    #[module]
    struct Loop {
        turn: Predict<Qa>,
    }
    #[module]
    impl Loop {
        async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
            let mut prediction = self.turn.call(input).await?;
            while prediction.answer != "done" {
                prediction = self.turn.call(QaInput { question: prediction.answer.clone() }).await?;
            }
            Ok(prediction)
        }
    }
    let lm = answers(["on", "on", "done"]);
    let prediction = Loop { turn: qa(&lm) }.call(ask()).await.unwrap();
    let paths: Vec<_> = prediction.trace().steps().iter().map(|step| step.predictor()).collect();
    assert_eq!((paths, prediction.usage().calls), (vec!["turn"; 3], 3));
}

#[tokio::test]
async fn a_wrapper_in_a_field_runs_its_rollouts_within_a_wrapped_module_too() {
    #[module]
    struct Outer {
        best: BestOfN<Predict<Qa>>,
    }
    #[module]
    impl Outer {
        async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
            self.best.call(input).await
        }
    }
    let lm = echo_id();
    let outer = Outer { best: BestOfN::new(qa(&lm), 3, number) };
    let prediction = outer.call(ask()).await.unwrap();
    assert_eq!((ids(&lm), prediction.answer.as_str()), (vec![0, 1, 2], "2"));
    assert_eq!((prediction.rollouts().len(), prediction.reward()), (3, Some(2.0)), "the report goes along");
}
