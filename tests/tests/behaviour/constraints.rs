//! Tests of the rules of output fields: shown to the model, and enforced on its answer.

use karat::{
    ChainOfThought, ChatAdapter, Error, JsonAdapter, Module, OnParseError, Predict, Reply, ScriptedLm,
    TerseAdapter, XmlAdapter,
    field::{Field, Place},
    signature,
};
use serde_json::{Value, json};

use crate::support::*;

const MOST_STARS: u8 = 5;

fn is_even(number: &u8) -> bool {
    number.is_multiple_of(2)
}

fn is_sorted(tags: &[String]) -> Result<(), String> {
    match tags.windows(2).find(|pair| pair[0] > pair[1]) {
        Some(pair) => Err(format!("`{}` stands before `{}`", pair[0], pair[1])),
        None => Ok(()),
    }
}

/// Review the book.
#[signature]
#[derive(PartialEq)]
struct Review {
    #[input]
    book: String,
    #[output(range(0..=10), check(is_even, "an even number"))]
    score: u8,
    #[output(range(min = 1, max = MOST_STARS))]
    stars: Option<u8>,
    #[output(length(max = 12))]
    title: String,
    #[output(pattern = "^[0-9]{3}-[0-9]+$")]
    isbn: Option<String>,
    #[output(one_of("fiction", "science, popular"))]
    shelf: String,
    #[output(length(1..=3), inner(length(1..=8), pattern = "^[a-z]+$"), check = is_sorted)]
    tags: Vec<String>,
}

fn book() -> ReviewInput {
    ReviewInput { book: "Emma".into() }
}

/// Returns a correct answer with one value replaced.
fn answer(field: &str, value: impl Into<Value>) -> Vec<(String, Value)> {
    let right = [
        ("score", json!(8)),
        ("stars", json!(4)),
        ("title", json!("Emma")),
        ("isbn", json!("978-3")),
        ("shelf", json!("fiction")),
        ("tags", json!(["irony", "love"])),
    ];
    let mut fields: Vec<_> = right.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if let Some((_, place)) = fields.iter_mut().find(|(name, _)| name == field) {
        *place = value.into();
    }
    fields
}

fn adapters() -> [(&'static str, Predict<Review>); 3] {
    [
        ("chat", Predict::new().adapter(ChatAdapter)),
        ("json", Predict::new().adapter(JsonAdapter)),
        ("xml", Predict::new().adapter(XmlAdapter)),
    ]
}

/// Writes the answer in the adapter's form.
fn written(adapter: &str, fields: &[(String, Value)]) -> String {
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let parts = fields.iter().map(|(name, value)| match adapter {
        "chat" => format!("[[ ## {name} ## ]]\n{}\n", text(value)),
        _ => format!("<{name}>{}</{name}>\n", text(value)),
    });
    match adapter {
        "json" => Value::Object(fields.iter().cloned().collect()).to_string(),
        _ => parts.collect(),
    }
}

#[test]
fn every_adapter_shows_the_rules_in_plain_words() {
    let words = [
        "whole number, from 0 to 10, an even number",
        "whole number, from 1 to 5, or null",
        "text, at most 12 characters",
        "text, matching the regular expression `^[0-9]{3}-[0-9]+$`, or null",
        "one of: \"fiction\", \"science, popular\"",
        "JSON list, 1 to 3 items, each item: text, 1 to 8 characters, matching the regular expression `^[a-z]+$`",
    ];
    for (adapter, review) in adapters() {
        let prompt = review.prompt(&book()).unwrap();
        let text: String = prompt.iter().map(|message| &*message.content).collect();
        for words in words {
            assert!(text.contains(words), "{adapter}: {words} is not in\n{text}");
        }
    }
    let terse = Predict::<Review>::new().adapter(TerseAdapter);
    let system = terse.prompt(&book()).unwrap().iter().next().unwrap().content.to_string();
    assert_eq!(
        system,
        "Review the book.\nScore: from 0 to 10, an even number.\nStars: from 1 to 5.\nTitle: at most 12 characters.\nIsbn: \
         matching the regular expression `^[0-9]{3}-[0-9]+$`.\nShelf: one of: \"fiction\", \"science, popular\".\nTags: 1 to 3 \
         items, each item 1 to 8 characters, each item matching the regular expression `^[a-z]+$`."
    );
}

#[test]
fn every_adapter_takes_an_answer_that_keeps_the_rules() {
    let right = ReviewOutput {
        score: 8,
        stars: Some(4),
        title: "Emma".into(),
        isbn: Some("978-3".into()),
        shelf: "fiction".into(),
        tags: vec!["irony".into(), "love".into()],
    };
    for (adapter, review) in adapters() {
        assert_eq!(review.parse(&book(), &written(adapter, &answer("", ""))).unwrap(), right, "{adapter}");
    }
}

#[test]
fn a_violation_names_field_rule_and_value_in_every_adapter() {
    for (field, value, expected) in [
        ("score", json!(11), "the field `score` is 11, which breaks its rule \"from 0 to 10\""),
        ("score", json!(7), "the field `score` is 7, which breaks its rule \"an even number\""),
        ("stars", json!(0), "the field `stars` is 0, which breaks its rule \"from 1 to 5\""),
        (
            "title",
            json!("Ärger im Büro"),
            "the field `title` is \"Ärger im Büro\" (13 characters), which breaks its rule \"at most 12 characters\"",
        ),
        ("isbn", json!("978"), "the field `isbn` is \"978\", which breaks its rule \"matching the regular"),
        (
            "shelf",
            json!("poems"),
            "the field `shelf` is \"poems\", which breaks its rule \"one of: \"fiction\", \"science, popular\"\"",
        ),
        ("tags", json!([]), "the field `tags` is [] (0 items), which breaks its rule \"1 to 3 items\""),
        (
            "tags",
            json!(["a", "B1"]),
            "the field `tags[1]` is \"B1\", which breaks its rule \"matching the regular",
        ),
        (
            "tags",
            json!(["b", "a"]),
            "the field `tags` is [\"b\",\"a\"], which breaks its rule \"is_sorted\": `b` stands before `a`",
        ),
    ] {
        for (adapter, review) in adapters() {
            let error = violation(review.parse(&book(), &written(adapter, &answer(field, value.clone()))));
            assert_eq!(error.field(), Some(field), "{adapter}: {error:?}");
            assert!(error.to_string().contains(expected), "{adapter}: {expected}\n{error}");
        }
    }
}

#[test]
fn a_value_in_other_words_is_read_first_and_then_checked() {
    let review = Predict::<Review>::new();
    let read = |field, text: &str| review.parse(&book(), &written("chat", &answer(field, text)));
    assert_eq!(read("score", "\"10\"").unwrap().score, 10);
    assert_eq!(read("shelf", "Fiction").unwrap().shelf, "fiction");
    assert_eq!(read("tags", "irony").unwrap().tags, ["irony"]);
    assert_eq!(violation(read("score", "\"12\"")).field(), Some("score"));
    assert_eq!(violation(read("tags", "Irony")).field(), Some("tags"));
}

#[test]
fn no_rule_applies_to_an_absent_value() {
    let review = Predict::<Review>::new();
    let output = review.parse(&book(), &written("chat", &answer("stars", "null"))).unwrap();
    assert_eq!(output.stars, None);
    let fields: Vec<_> = answer("", "").into_iter().filter(|(name, _)| name != "isbn").collect();
    assert_eq!(
        review.parse(&book(), &written("json", &fields).replace('\n', "")).ok(),
        None,
        "chat reads no JSON"
    );
    assert_eq!(review.parse(&book(), &written("chat", &fields)).unwrap().isbn, None);
}

#[test]
fn an_error_lists_all_violations_and_has_the_field_of_the_first() {
    let mut fields = answer("title", "a title that is too long");
    fields[0].1 = json!(11);
    let error = violation(Predict::<Review>::new().parse(&book(), &written("chat", &fields)));
    assert_eq!(error.field(), Some("score"));
    let text = error.to_string();
    assert!(text.contains("`score` is 11") && text.contains("; the field `title`"), "{text}");
}

#[tokio::test]
async fn the_next_question_shows_the_model_field_rule_and_value() {
    let replies = [answer("score", 11), answer("score", 4)].map(Reply::fields);
    let lm = ScriptedLm::new(replies);
    let review = Predict::<Review>::new().lm(&lm.lm()).on_parse_error(OnParseError::Reask(1));
    let prediction = review.call(book()).await.unwrap();
    assert_eq!((prediction.score, prediction.usage().calls), (4, 2));
    assert_eq!(
        lm.requests()[1].prompt.last(),
        "Your answer breaks a rule: the field `score` is 11, which breaks its rule \"from 0 to 10\".\nGive the whole answer \
         again, with `score`, `stars`, `title`, `isbn`, `shelf`, `tags`, in the form asked for. Keep every rule."
    );
    let call = &prediction.trace().steps()[0].calls()[0];
    assert!(call.error().is_some_and(Error::is_violation), "{call:?}");
}

#[tokio::test]
async fn a_model_that_goes_on_breaking_a_rule_ends_in_the_error_with_its_text() {
    let lm = ScriptedLm::computed(|_| Reply::fields(answer("score", 255)));
    let review = Predict::<Review>::new().lm(&lm.lm()).on_parse_error(OnParseError::Reask(2));
    let error = violation(review.call(book()).await);
    assert_eq!((error.usage().calls, error.field(), error.predictor()), (3, Some("score"), Some("self")));
    assert!(error.completion().unwrap().contains("255"), "nothing is clamped");
}

#[tokio::test]
async fn the_fallback_to_another_adapter_is_taken_too() {
    let right = Value::Object(answer("", "").into_iter().collect());
    let lm = ScriptedLm::new([Reply::fields(answer("score", 11)), Reply::text(right.to_string())]);
    assert_eq!(Predict::<Review>::new().lm(&lm.lm()).call(book()).await.unwrap().score, 8);
    let schema = serde_json::to_value(&lm.requests()[1].response_format).unwrap().to_string();
    assert!(schema.contains("\"maximum\":10") && schema.contains("\"maxLength\":12"), "{schema}");
}

#[tokio::test]
async fn only_completions_that_keep_the_rules_count() {
    let reply = |score: u8| Reply::fields(answer("score", score));
    let lm = ScriptedLm::new([reply(11).and(reply(6)).and(reply(7)).and(reply(2))]);
    let prediction = Predict::<Review>::new().lm(&lm.lm()).n(4).call(book()).await.unwrap();
    let scores: Vec<_> = prediction.completions().map(|output| output.score).collect();
    assert_eq!(scores, [6, 2]);
}

#[tokio::test]
async fn a_chain_of_thought_keeps_the_rules_of_its_signature() {
    let with_reasoning = |score: u8| {
        let reasoning = ("reasoning".to_owned(), json!("it is funny"));
        Reply::fields([reasoning].into_iter().chain(answer("score", score)))
    };
    let lm = ScriptedLm::new([with_reasoning(3), with_reasoning(4)]);
    let mut review = ChainOfThought::<Review>::new().on_parse_error(OnParseError::Reask(1));
    review.set_lm(&lm.lm());
    let prediction = review.call(book()).await.unwrap();
    assert_eq!((prediction.score, prediction.reasoning.as_str()), (4, "it is funny"));
    assert!(
        lm.requests()[1].prompt.last().contains("`score` is 3, which breaks its rule \"an even number\"")
    );
}

#[test]
fn module_authors_give_rules_to_fields_that_they_add() {
    const CONFIDENCE: Field = Field::output::<f64>("confidence", "")
        .rules(|rules| rules.at_least(0).at_most(1).check("finite", "", |_: &f64| true));
    let qa = Predict::<Qa>::new().with_field(CONFIDENCE, Place::Last);
    let text = |confidence| format!("[[ ## answer ## ]]\nParis\n\n[[ ## confidence ## ]]\n{confidence}");
    assert_eq!(qa.parse(&ask(), &text("0.5")).unwrap().answer, "Paris");
    assert_eq!(violation(qa.parse(&ask(), &text("1.5"))).field(), Some("confidence"));
    let prompt = qa.prompt(&ask()).unwrap();
    assert!(prompt.iter().next().unwrap().content.contains("`confidence` (number, from 0 to 1)"));
}

#[test]
fn a_narrowed_field_keeps_the_rules_of_both() {
    let mut review = Predict::<Review>::new();
    review.predictor_mut().narrow_field("title", json!({"type": "string", "minLength": 3})).unwrap();
    let read = |title: &str| review.parse(&book(), &written("chat", &answer("title", title)));
    assert!(read("Emma").is_ok());
    assert!(violation(read("Em")).to_string().contains("3 to 12 characters"));
    assert!(violation(read("Emma, again and again")).to_string().contains("3 to 12 characters"));
}

#[test]
fn a_saved_program_contains_the_rules_of_its_fields() {
    let program = serde_json::to_string(&Predict::<Review>::new().program()).unwrap();
    assert!(program.contains("\"maximum\":10"), "{program}");
}
