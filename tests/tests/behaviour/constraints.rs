//! Rules of output fields: shown to the model, enforced on its answer, never bent.

use std::collections::{BTreeMap, HashSet};

use karat::{
    ChainOfThought, ChatAdapter, Error, Field, JsonAdapter, Module, OnParseError, Place, Predict, Reply,
    ScriptedLm, TerseAdapter, XmlAdapter, signature,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::*;

const MOST_STARS: u8 = 5;

fn is_even(number: &u8) -> bool {
    number % 2 == 0
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

/// A right answer, with one value replaced.
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

/// The answer in the adapter's form.
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

fn error_of<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Error {
    let error = outcome.unwrap_err();
    assert!(error.is_violation() && error.is_parse(), "{error:?}");
    error
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
    for (field, value, told) in [
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
            let error = error_of(review.parse(&book(), &written(adapter, &answer(field, value.clone()))));
            assert_eq!(error.field(), Some(field), "{adapter}: {error:?}");
            assert!(error.to_string().contains(told), "{adapter}: {told}\n{error}");
        }
    }
}

#[test]
fn a_value_in_other_words_is_read_first_and_then_has_to_keep_the_rule() {
    let review = Predict::<Review>::new();
    let read = |field, text: &str| review.parse(&book(), &written("chat", &answer(field, text)));
    assert_eq!(read("score", "\"10\"").unwrap().score, 10);
    assert_eq!(read("shelf", "Fiction").unwrap().shelf, "fiction");
    assert_eq!(read("tags", "irony").unwrap().tags, ["irony"]);
    assert_eq!(error_of(read("score", "\"12\"")).field(), Some("score"));
    assert_eq!(error_of(read("tags", "Irony")).field(), Some("tags"));
}

#[test]
fn nothing_holds_for_what_is_absent() {
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
fn all_violations_of_an_answer_are_told_at_once_and_the_first_gives_the_field() {
    let mut fields = answer("title", "a title that is too long");
    fields[0].1 = json!(11);
    let error = error_of(Predict::<Review>::new().parse(&book(), &written("chat", &fields)));
    assert_eq!(error.field(), Some("score"));
    let text = error.to_string();
    assert!(text.contains("`score` is 11") && text.contains("; the field `title`"), "{text}");
}

#[tokio::test]
async fn asking_again_shows_the_model_field_rule_and_value() {
    let replies = [answer("score", 11), answer("score", 4)].map(|fields| Reply::fields(fields));
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
    let error = error_of(review.call(book()).await);
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
async fn of_several_completions_those_that_keep_the_rules_count() {
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Person {
    #[schemars(length(min = 1, max = 20), regex(pattern = "^[A-Z]"))]
    name: String,
    #[schemars(range(min = 0, max = 130))]
    age: Option<u32>,
    #[serde(default)]
    #[schemars(inner(range(min = 1)))]
    marks: Vec<i64>,
    #[serde(default)]
    friends: Vec<Person>,
    #[schemars(extend("enum" = ["red", "blue"]))]
    #[serde(default = "red", alias = "color")]
    colour: String,
}

fn red() -> String {
    "red".into()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Amount {
    Share(#[schemars(range(min = 0.0, max = 1.0))] f64),
    Words(#[schemars(length(max = 5))] String),
    Pieces {
        #[schemars(range(max = 9))]
        count: i64,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Certainty {
    #[serde(alias = "meh")]
    Low,
    High,
}

/// Describe.
#[signature]
#[derive(PartialEq)]
struct Describe {
    #[input]
    text: String,
    #[output]
    person: Option<Person>,
    #[output(default)]
    amounts: Vec<Amount>,
    #[output(default)]
    names: HashSet<String>,
    #[output(default)]
    counts: BTreeMap<u8, u8>,
    #[output(default = Certainty::High)]
    certainty: Certainty,
    #[output(default, one_of(1, 2.5, -3))]
    factor: Option<f64>,
}

fn describe(value: Value) -> Result<DescribeOutput, Error> {
    Predict::<Describe>::new()
        .adapter(JsonAdapter)
        .parse(&DescribeInput { text: "x".into() }, &value.to_string())
}

#[test]
fn what_schemars_declares_is_enforced_at_any_depth() {
    let ada = json!({"name": "Ada", "age": 36, "marks": [1, 2], "friends": [{"name": "Bob"}]});
    assert_eq!(describe(json!({ "person": ada })).unwrap().person.unwrap().friends[0].name, "Bob");
    for (value, told) in [
        (json!({"name": "ada"}), "the field `person.name` is \"ada\""),
        (
            json!({"name": ""}),
            "the field `person.name` is \"\" (0 characters), which breaks its rule \"1 to 20 characters\"",
        ),
        (
            json!({"name": "Ada", "age": 131}),
            "the field `person.age` is 131, which breaks its rule \"from 0 to 130\"",
        ),
        (
            json!({"name": "Ada", "marks": [1, 0]}),
            "`person.marks[1]` is 0, which breaks its rule \"at least 1\"",
        ),
        (
            json!({"name": "Ada", "friends": [{"name": "B", "friends": [{"name": "c"}]}]}),
            "`person.friends[0].friends[0].name`",
        ),
        (
            json!({"name": "Ada", "colour": "green"}),
            "`person.colour` is \"green\", which breaks its rule \"one of: red, blue\"",
        ),
    ] {
        let error = error_of(describe(json!({ "person": value })));
        assert_eq!(error.field(), Some("person"));
        assert!(error.to_string().contains(told), "{told}\n{error}");
    }
}

#[test]
fn a_form_that_the_schema_does_not_tell_of_is_looked_at_as_the_type_writes_it() {
    assert_eq!(describe(json!({"certainty": "meh"})).unwrap().certainty, Certainty::Low);
    let person = |value: Value| describe(json!({ "person": value }));
    assert_eq!(person(json!({"name": "Ada", "color": "blue"})).unwrap().person.unwrap().colour, "blue");
    let error = error_of(person(json!({"name": "Ada", "color": "green"})));
    assert!(error.to_string().contains("`person.colour` is \"green\""), "{error}");
    // What is of no such type at all is told by the typed read.
    let error = describe(json!({"certainty": "Sad"})).unwrap_err();
    assert!(error.is_parse() && !error.is_violation() && error.to_string().contains("Sad"), "{error:?}");
}

#[test]
fn of_a_union_the_branch_that_fits_has_to_hold() {
    let right = json!([0.5, "five5", {"count": 9}]);
    assert_eq!(describe(json!({ "amounts": right })).unwrap().amounts.len(), 3);
    for (value, told) in [
        (json!([1.5]), "`amounts[0]` is 1.5, which breaks its rule \"from 0.0 to 1.0\""),
        (json!(["sixsix"]), "`amounts[0]` is \"sixsix\" (6 characters)"),
        (json!([0.5, {"count": 10}]), "`amounts[1].count` is 10, which breaks its rule \"at most 9\""),
    ] {
        let error = error_of(describe(json!({ "amounts": value })));
        assert!(error.to_string().contains(told), "{told}\n{error}");
    }
}

#[test]
fn a_set_with_an_item_twice_and_a_map_with_a_value_too_large_are_violations() {
    let error = error_of(describe(json!({"names": ["a", "b", "a"]})));
    assert!(
        error.to_string().contains("which has \"a\" twice, which breaks its rule \"no item twice\""),
        "{error}"
    );
    let error = error_of(describe(json!({"counts": {"1": 2, "7": 256}})));
    assert!(
        error.to_string().contains("`counts.7` is 256, which breaks its rule \"from 0 to 255\""),
        "{error}"
    );
}

#[test]
fn one_of_takes_numbers_by_value() {
    assert_eq!(describe(json!({"factor": 1.0})).unwrap().factor, Some(1.0));
    assert_eq!(describe(json!({"factor": -3})).unwrap().factor, Some(-3.0));
    assert_eq!(describe(json!({})).unwrap().factor, None);
    let error = error_of(describe(json!({"factor": 2})));
    assert!(error.to_string().contains("\"one of: 1, 2.5, -3, or null\""), "{error}");
}

#[test]
fn a_default_and_demos_are_not_checked() {
    #[signature]
    struct Rate {
        #[input]
        text: String,
        #[output(default = 100, range(..=10))]
        points: u32,
    }
    let rate = Predict::<Rate>::new().demo(Rate { text: "good".into(), points: 99 });
    assert_eq!(rate.parse(&RateInput { text: "x".into() }, "{}").map(|output| output.points).ok(), Some(100));
}

/// Numbers at the edges.
#[signature]
#[derive(PartialEq)]
struct Edges {
    #[output(default, range(max = 18_446_744_073_709_551_614))]
    large: u64,
    #[output(default, range(0.0..1.0))]
    share: f64,
    #[output(default, range(exclusive_min = 0, max = 0.1f32))]
    part: f32,
    #[output(default, range(-170141183460469231731687303715884105727..=0))]
    negative: i128,
    #[output(default, length(equal = 2))]
    flag: String,
}

fn edges(field: &str, value: &str) -> Result<EdgesOutput, Error> {
    let text = format!("{{\"flag\": \"ab\", \"part\": 0.05, \"{field}\": {value}}}");
    let text = if ["flag", "part"].contains(&field) { format!("{{\"{field}\": {value}}}") } else { text };
    Predict::<Edges>::new().adapter(JsonAdapter).parse(&EdgesInput {}, &text)
}

#[test]
fn numbers_are_compared_exactly_at_the_edges() {
    for (field, value) in [
        ("large", "18446744073709551614"),
        ("share", "0.9999999999999999"),
        ("share", "0"),
        ("part", "0.1"),
        ("negative", "-9223372036854775808"),
        ("flag", "\"🇫🇷\""),
        ("flag", "\"e\u{301}\""),
    ] {
        assert!(edges(field, value).is_ok(), "{field} {value}: {:?}", edges(field, value));
    }
    for (field, value) in [
        ("large", "18446744073709551615"),
        ("share", "1"),
        ("share", "1.0"),
        ("share", "-0.0000001"),
        ("part", "0"),
        ("part", "0.1000001"),
        ("negative", "1"),
        ("flag", "\"é\""),
    ] {
        assert_eq!(error_of(edges(field, value)).field(), Some(field), "{value}");
    }
}

#[tokio::test]
async fn rules_that_no_answer_could_keep_are_an_error_before_any_call() {
    #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
    struct Code(#[schemars(regex(pattern = r"^(?=a)b$"))] String);

    #[signature]
    struct Coded {
        #[output]
        code: Vec<Code>,
    }

    #[signature]
    struct Endless {
        #[output(range(max = f64::NAN))]
        share: f64,
    }

    const LOW: i32 = 3;
    #[signature]
    struct Reversed {
        #[output(range(min = LOW, max = LOW - 1))]
        points: i32,
    }

    type Name = String;
    #[signature]
    struct Wrong {
        #[output(range(0..=1))]
        name: Name,
    }

    #[signature]
    struct NoValue {
        #[output(one_of("High", "Medium"))]
        certainty: Certainty,
    }

    let lm = ScriptedLm::computed(|_| Reply::text("never asked"));
    macro_rules! told {
        ($signature:ident, $input:expr) => {{
            let error = Predict::<$signature>::new().lm(&lm.lm()).call($input).await.unwrap_err();
            assert!(error.is_config() && error.field().is_some(), "{error:?}");
            error.to_string()
        }};
    }
    let text = told!(Coded, CodedInput {});
    assert!(text.contains("`code` of `Coded`") && text.contains("look-around"), "{text}");
    assert!(told!(Endless, EndlessInput {}).contains("infinite or NaN"));
    assert!(told!(Reversed, ReversedInput {}).contains("no number is from 3 to 2"));
    assert!(told!(Wrong, WrongInput {}).contains("`range` is about numbers, and its type is string"));
    assert!(told!(NoValue, NoValueInput {}).contains("`one_of` names \"Medium\""));
    assert_eq!(lm.requests().len(), 0);
}

#[test]
fn hostile_text_and_patterns_cost_no_more_than_their_length() {
    #[signature]
    struct Match {
        #[output(pattern = "^(a+)+$")]
        text: String,
        #[output(default, length(max = 100_000))]
        other: String,
    }
    let hostile = "a".repeat(1 << 20) + "!";
    let text = format!("[[ ## text ## ]]\n{hostile}");
    let error = error_of(Predict::<Match>::new().parse(&MatchInput {}, &text));
    assert!(error.to_string().len() < 1_000, "{error}");
    let list: Vec<u32> = (0..100_000).collect();
    #[signature]
    struct Many {
        #[output(inner(range(min = 1_000_000)))]
        numbers: Vec<u32>,
    }
    let many = Predict::<Many>::new().adapter(JsonAdapter);
    let error = error_of(many.parse(&ManyInput {}, &json!({ "numbers": list }).to_string()));
    assert!(error.to_string().len() < 2_000, "a few violations say it");
    let names: Vec<String> = (0..50_000).map(|index| index.to_string()).collect();
    assert_eq!(describe(json!({ "names": names })).unwrap().names.len(), 50_000);
}

#[test]
fn module_authors_give_rules_to_fields_that_they_add() {
    const CONFIDENCE: Field = Field::output::<f64>("confidence", "")
        .rules(|rules| rules.at_least(0).at_most(1).check("finite", "", |_: &f64| true));
    let qa = Predict::<Qa>::new().with_field(CONFIDENCE, Place::Last);
    let text = |confidence| format!("[[ ## answer ## ]]\nParis\n\n[[ ## confidence ## ]]\n{confidence}");
    assert_eq!(qa.parse(&ask(), &text("0.5")).unwrap().answer, "Paris");
    assert_eq!(error_of(qa.parse(&ask(), &text("1.5"))).field(), Some("confidence"));
    let prompt = qa.prompt(&ask()).unwrap();
    assert!(prompt.iter().next().unwrap().content.contains("`confidence` (number, from 0 to 1)"));
}

#[test]
fn a_narrowed_field_keeps_the_rules_of_both() {
    let mut review = Predict::<Review>::new();
    review.predictor_mut().narrow_field("title", json!({"type": "string", "minLength": 3})).unwrap();
    let read = |title: &str| review.parse(&book(), &written("chat", &answer("title", title)));
    assert!(read("Emma").is_ok());
    assert!(error_of(read("Em")).to_string().contains("3 to 12 characters"));
    assert!(error_of(read("Emma, again and again")).to_string().contains("3 to 12 characters"));
}

#[test]
fn a_saved_program_tells_of_rules_that_changed() {
    let program = serde_json::to_string(&Predict::<Review>::new().program()).unwrap();
    assert!(program.contains("\"maximum\":10"), "{program}");
}
