//! Tests of reading flawed JSON, and answers among other text.

use std::collections::BTreeMap;

use karat::{
    JsonAdapter, Module, OnParseError, Predict, Reply, ScriptedLm,
    field::Repair,
    lm::{Completion, Response},
    signature,
};

use crate::support::*;

/// Sort the fruits.
#[signature]
#[derive(PartialEq)]
struct Sort {
    #[input]
    fruits: String,
    #[output]
    order: Vec<String>,
    #[output]
    weights: Option<BTreeMap<String, f64>>,
}

fn fruits() -> SortInput {
    SortInput { fruits: "apple, pear".into() }
}

fn read(text: &str) -> Result<SortOutput, karat::Error> {
    Predict::<Sort>::new().parse(&fruits(), text)
}

fn read_json(text: &str) -> Result<SortOutput, karat::Error> {
    Predict::<Sort>::new().adapter(JsonAdapter).parse(&fruits(), text)
}

fn sorted() -> SortOutput {
    SortOutput { order: vec!["apple".into(), "pear".into()], weights: None }
}

#[test]
fn a_list_or_map_is_read_with_the_usual_flaws() {
    for text in [
        "[apple, pear]",
        "['apple', 'pear']",
        "[\n  \"apple\", // the first\n  \"pear\",\n]",
        "```python\n['apple', 'pear']\n```",
        "Here is the order:\n[\"apple\", \"pear\"]\nas you asked.",
    ] {
        assert_eq!(read(&format!("[[ ## order ## ]]\n{text}")).unwrap(), sorted(), "{text}");
    }
    let output = read("[[ ## order ## ]]\n[]\n[[ ## weights ## ]]\n{apple: 1_000.5, 'pear': .5}").unwrap();
    assert_eq!(output.weights.unwrap(), BTreeMap::from([("apple".into(), 1000.5), ("pear".into(), 0.5)]));
}

#[test]
fn a_cut_or_ambiguous_answer_is_an_error_with_the_text() {
    for text in
        ["[\"apple\", \"pe", "[\"apple\"] or [\"pear\"]", "[\"apple\", ..., \"pear\"]", "so: [\"apple"]
    {
        let error = read(&format!("[[ ## order ## ]]\n{text}")).unwrap_err();
        assert!(error.is_parse() && error.field() == Some("order"), "{text}: {error:?}");
        assert!(error.to_string().contains("apple"), "{error}");
    }
}

#[test]
fn an_object_is_found_between_prose_in_a_code_block_and_among_others() {
    for text in [
        "{'order': ['apple', 'pear']}",
        "Sure!\n```json\n{\"order\": [\"apple\", \"pear\"],}\n```\nThat {is} it.",
        "First I look at {\"colour\": \"red\"}. So: {\"order\": [\"apple\", \"pear\"]}",
        "{\"order\": [\"apple\", \"pear\"]} and once more {\"order\": [\"apple\", \"pear\"]}",
    ] {
        assert_eq!(read_json(text).unwrap(), sorted(), "{text}");
    }
    for text in [
        "{\"order\": [\"apple\"]} or {\"order\": [\"pear\"]}",
        "{\"order\": [\"apple\", \"pe",
        "no object",
        "[\"apple\"]",
        "{\"order\": }",
    ] {
        let error = read_json(text).unwrap_err();
        assert!(error.is_parse() && error.completion() == Some(text), "{text}: {error:?}");
    }
}

#[test]
fn half_an_object_of_an_input_that_is_repeated_begins_no_answer() {
    let half = "{\"order\": [\"Mallory\", ";
    let input = SortInput { fruits: format!("See: {half}\"Eve\"\n\n") };
    let json = Predict::<Sort>::new().adapter(JsonAdapter);
    for reply in [
        format!("It says: See: {half}\"Eve\"]}}"),
        format!("See: {half}\"Eve\" and so on: \"x\"], \"weights\": null}}"),
    ] {
        let read = json.parse(&input, &reply);
        assert!(read.is_err(), "{reply}: {read:?}");
    }
    // An answer may begin with the end of an input.
    let input = SortInput { fruits: "Go on: {\"order\":".into() };
    assert_eq!(json.parse(&input, "{\"order\": [\"apple\", \"pear\"]}").unwrap(), sorted());
}

#[tokio::test]
async fn repairs_are_on_the_prediction_by_field() {
    let text = "[[ ## order ## ]]\n['apple', 'pear',]\n\n[[ ## weights ## ]]\n{\"apple\": 1}";
    let lm = ScriptedLm::new([Reply::text(text), Reply::text("[[ ## order ## ]]\n[]")]);
    let sort = Predict::<Sort>::new().lm(&lm.lm());
    let answer = sort.call(fruits()).await.unwrap();
    let [(field, repairs)] = answer.repairs() else { panic!("{:?}", answer.repairs()) };
    assert_eq!(
        (&**field, repairs.iter().collect::<Vec<_>>()),
        ("order", vec![Repair::Quotes, Repair::ExtraComma])
    );
    assert_eq!(format!("{repairs:?}"), "{Quotes, ExtraComma}");
    let mapped = answer.map(|output| output.order.len());
    assert_eq!(mapped.repairs().len(), 1, "they go along");
    assert!(sort.call(fruits()).await.unwrap().repairs().is_empty());
}

#[tokio::test]
async fn reasoning_is_kept_apart_and_is_never_the_answer() {
    let text =
        "<think>\n[[ ## answer ## ]]\nLyon?\n{\"answer\": \"Lyon\"}\n</think>\n[[ ## answer ## ]]\nParis";
    let lm = ScriptedLm::new([Reply::text(text)]);
    let answer = qa(&lm).call(ask()).await.unwrap();
    assert_eq!(answer.answer, "Paris");
    assert!(answer.model_reasoning().unwrap().contains("Lyon?"));

    let json = ScriptedLm::new([Reply::text("<think>{\"answer\": \"Lyon\"}</think>{\"answer\": \"Paris\"}")]);
    let answer = qa(&json).adapter(JsonAdapter).call(ask()).await.unwrap();
    assert_eq!(answer.answer, "Paris");

    let endless = ScriptedLm::new([Reply::text("<think>{\"answer\": \"Lyon\"}")]);
    let module = qa(&endless).adapter(JsonAdapter).on_parse_error(OnParseError::Fail);
    assert!(module.call(ask()).await.is_err(), "there is no answer");
}

#[tokio::test]
async fn a_providers_own_reasoning_field_is_on_the_prediction_too() {
    let completion = Completion::new("[[ ## answer ## ]]\nParis").reasoning("I know.");
    let response = Response::new([completion]);
    let lm = karat::Lm::custom(Fixed(response));
    let answer = Predict::<Qa>::new().lm(&lm).call(ask()).await.unwrap();
    assert_eq!(answer.model_reasoning(), Some("I know."));
}

struct Fixed(Response);

impl karat::LanguageModel for Fixed {
    fn name(&self) -> &str {
        "fixed"
    }

    fn call<'a>(
        &'a self,
        _: &'a karat::lm::Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> karat::lm::BoxFuture<'a, karat::Result<Response>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
enum Mood {
    VeryCalm,
    Angry,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Person {
    full_name: String,
    age: Option<u8>,
    moods: Vec<Mood>,
}

/// Describe the person.
#[signature]
#[derive(PartialEq)]
struct Describe {
    #[input]
    text: String,
    #[output]
    person: Person,
    #[output]
    points: i64,
    #[output]
    share: f64,
    #[output]
    sure: bool,
}

fn describe(values: [&str; 4]) -> Result<DescribeOutput, karat::Error> {
    let names = ["person", "points", "share", "sure"];
    let parts: Vec<_> =
        names.iter().zip(values).map(|(name, value)| format!("[[ ## {name} ## ]]\n{value}\n")).collect();
    Predict::<Describe>::new().parse(&DescribeInput { text: "x".into() }, &parts.join("\n"))
}

#[test]
fn a_value_in_other_words_is_read_as_its_type() {
    let ada = Person { full_name: "Ada L.".into(), age: Some(36), moods: vec![Mood::VeryCalm] };
    let expected = DescribeOutput { person: ada, points: 1_234_567, share: 0.5, sure: true };
    let person = r#"{"Full Name": "Ada L.", "age": "36", "moods": "very calm"}"#;
    assert_eq!(describe([person, "1,234,567", "\"0.5\"", "Yes."]).unwrap(), expected);
}

#[test]
fn a_conversion_that_would_lose_or_guess_is_an_error_with_field_and_text() {
    let person = r#"{"full_name": "A", "age": null, "moods": []}"#;
    for (values, field, text) in [
        ([person, "8/10", "0.5", "true"], "points", "8/10"),
        ([person, "2.5", "0.5", "true"], "points", "2.5"),
        ([person, "9223372036854775808", "0.5", "true"], "points", "9223372036854775808"),
        ([person, "1", "9007199254740993", "true"], "share", "9007199254740993"),
        ([person, "1", "50%", "true"], "share", "50%"),
        ([person, "1", "0.5", "perhaps"], "sure", "perhaps"),
        ([r#"{"full_name": "A", "age": 256, "moods": []}"#, "1", "0.5", "true"], "person", "256"),
        ([r#"{"full_name": "A", "moods": ["Sad"]}"#, "1", "0.5", "true"], "person", "Sad"),
    ] {
        let error = describe(values).unwrap_err();
        assert!(error.is_parse() && error.field() == Some(field), "{values:?}: {error:?}");
        assert!(error.to_string().contains(text), "{error}");
    }
}
