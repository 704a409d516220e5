//! Tests of constraints that types declare, numbers at the edges, rules that cannot be kept, and hostile answers.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU8,
};

use karat::{Error, JsonAdapter, Module, Predict, Reply, ScriptedLm, signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::*;

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
    counts: BTreeMap<u8, NonZeroU8>,
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
fn constraints_of_schemars_are_enforced_at_any_depth() {
    let ada = json!({"name": "Ada", "age": 36, "marks": [1, 2], "friends": [{"name": "Bob"}]});
    assert_eq!(describe(json!({ "person": ada })).unwrap().person.unwrap().friends[0].name, "Bob");
    for (value, expected) in [
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
        let error = violation(describe(json!({ "person": value })));
        assert_eq!(error.field(), Some("person"));
        assert!(error.to_string().contains(expected), "{expected}\n{error}");
    }
}

#[test]
fn a_value_under_an_alias_is_checked_as_the_type_writes_it() {
    assert_eq!(describe(json!({"certainty": "meh"})).unwrap().certainty, Certainty::Low);
    let person = |value: Value| describe(json!({ "person": value }));
    assert_eq!(person(json!({"name": "Ada", "color": "blue"})).unwrap().person.unwrap().colour, "blue");
    let error = violation(person(json!({"name": "Ada", "color": "green"})));
    assert!(error.to_string().contains("`person.colour` is \"green\""), "{error}");
    // The typed read reports a value of another type.
    let error = describe(json!({"certainty": "Sad"})).unwrap_err();
    assert!(error.is_parse() && !error.is_violation() && error.to_string().contains("Sad"), "{error:?}");
}

#[test]
fn a_value_of_a_union_must_keep_the_rules_of_the_variant_that_fits() {
    let right = json!([0.5, "five5", {"count": 9}]);
    assert_eq!(describe(json!({ "amounts": right })).unwrap().amounts.len(), 3);
    for (value, expected) in [
        (json!([1.5]), "`amounts[0]` is 1.5, which breaks its rule \"from 0.0 to 1.0\""),
        (json!(["sixsix"]), "`amounts[0]` is \"sixsix\" (6 characters)"),
        (json!([0.5, {"count": 10}]), "`amounts[1].count` is 10, which breaks its rule \"at most 9\""),
    ] {
        let error = violation(describe(json!({ "amounts": value })));
        assert!(error.to_string().contains(expected), "{expected}\n{error}");
    }
}

#[test]
fn a_set_with_an_item_twice_and_a_map_with_a_value_too_small_are_violations() {
    let error = violation(describe(json!({"names": ["a", "b", "a"]})));
    assert!(
        error.to_string().contains("which has \"a\" twice, which breaks its rule \"no item twice\""),
        "{error}"
    );
    let error = violation(describe(json!({"counts": {"1": 2, "7": 0}})));
    assert!(
        error.to_string().contains("`counts.7` is 0, which breaks its rule \"from 1 to 255\""),
        "{error}"
    );
}

#[test]
fn one_of_takes_numbers_by_value() {
    assert_eq!(describe(json!({"factor": 1.0})).unwrap().factor, Some(1.0));
    assert_eq!(describe(json!({"factor": -3})).unwrap().factor, Some(-3.0));
    assert_eq!(describe(json!({})).unwrap().factor, None);
    let error = violation(describe(json!({"factor": 2})));
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
        assert_eq!(violation(edges(field, value)).field(), Some(field), "{value}");
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
    macro_rules! error_text {
        ($signature:ident, $input:expr) => {{
            let error = Predict::<$signature>::new().lm(&lm.lm()).call($input).await.unwrap_err();
            assert!(error.is_config() && error.field().is_some(), "{error:?}");
            error.to_string()
        }};
    }
    let text = error_text!(Coded, CodedInput {});
    assert!(text.contains("`code` of `Coded`") && text.contains("look-around"), "{text}");
    assert!(error_text!(Endless, EndlessInput {}).contains("infinite or NaN"));
    assert!(error_text!(Reversed, ReversedInput {}).contains("no number is from 3 to 2"));
    assert!(error_text!(Wrong, WrongInput {}).contains("`range` is about numbers, and its type is string"));
    assert!(error_text!(NoValue, NoValueInput {}).contains("`one_of` names \"Medium\""));
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
    let error = violation(Predict::<Match>::new().parse(&MatchInput {}, &text));
    assert!(error.to_string().len() < 1_000, "{error}");
    let list: Vec<u32> = (0..100_000).collect();
    #[signature]
    struct Many {
        #[output(inner(range(min = 1_000_000)))]
        numbers: Vec<u32>,
    }
    let many = Predict::<Many>::new().adapter(JsonAdapter);
    let error = violation(many.parse(&ManyInput {}, &json!({ "numbers": list }).to_string()));
    assert!(error.to_string().len() < 2_000, "a few violations say it");
    let names: Vec<String> = (0..50_000).map(|index| index.to_string()).collect();
    assert_eq!(describe(json!({ "names": names })).unwrap().names.len(), 50_000);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Label(#[schemars(length(max = 8), regex(pattern = "^[a-z ]*$"))] String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Part {
    label: Label,
}

fn has_no_blank(label: &Label) -> bool {
    !label.0.contains(' ')
}

fn is_even(number: &u8) -> Result<(), Box<dyn std::error::Error>> {
    if number.is_multiple_of(2) { Ok(()) } else { Err("odd".into()) }
}

fn panics(_: &u8) -> bool {
    panic!("no test")
}

/// Label it.
#[signature]
#[derive(PartialEq)]
struct Labelled {
    #[output(default, pattern = "a", check = has_no_blank)]
    label: Option<Label>,
    #[output(default, length(min = 1), inner(length(max = 3)))]
    notes: Option<Vec<String>>,
    #[output(default, length(..=2))]
    parts: Option<Vec<Part>>,
    #[output(default, one_of("on", "off"))]
    switch: Option<String>,
    #[output(default, check = is_even)]
    even: Option<u8>,
}

fn labelled(text: &str) -> Result<LabelledOutput, Error> {
    Predict::<Labelled>::new().parse(&LabelledInput {}, text)
}

#[test]
fn rules_of_field_and_type_add_up_and_errors_name_each_one() {
    let read = |text: &str| labelled(&format!("[[ ## label ## ]]\n{text}"));
    assert_eq!(read("abc").unwrap().label, Some(Label("abc".into())));
    for (text, rule) in [
        ("A", "matching the regular expression `^[a-z ]*$`"),
        ("bcd", "matching the regular expression `a`"),
        ("abcdefghi", "at most 8 characters"),
        ("a b", "has_no_blank"),
    ] {
        let error = violation(read(text));
        assert!(error.to_string().contains(&format!("breaks its rule \"{rule}\"")), "{error}");
    }
    let error = violation(labelled(r#"[[ ## parts ## ]] [{"label": "B"}, {"label": "a"}, {"label": "a"}]"#));
    assert!(
        error.to_string().contains("`parts` is") && error.to_string().contains("`parts[0].label` is \"B\""),
        "{error}"
    );
}

#[test]
fn an_optional_list_and_an_optional_name_keep_their_null() {
    assert_eq!(labelled("[[ ## notes ## ]]\nnull\n[[ ## switch ## ]]\nNone").unwrap(), labelled("").unwrap());
    let output = labelled("[[ ## notes ## ]]\n[abc]\n[[ ## switch ## ]]\nOFF\n[[ ## even ## ]]\n2").unwrap();
    assert_eq!((output.switch.as_deref(), output.even), (Some("off"), Some(2)));
    for text in [
        "[[ ## notes ## ]]\n[]",
        "[[ ## notes ## ]]\n[abcd]",
        "[[ ## switch ## ]]\nhalf",
        "[[ ## even ## ]]\n3",
    ] {
        violation(labelled(text));
    }
    let predict = Predict::<Labelled>::new();
    let types: Vec<_> =
        predict.predictor().task().outputs().map(|field| field.type_text().to_owned()).collect();
    assert_eq!(types[1], "null or JSON list, at least 1 item, each item: text, at most 3 characters");
    assert_eq!(types[3], "one of: on, off, or null");
}

#[tokio::test]
async fn the_schema_for_the_provider_has_the_rules_at_their_values() {
    let lm = ScriptedLm::new([Reply::text("{}")]);
    let predict = Predict::<Labelled>::new().adapter(JsonAdapter).lm(&lm.lm());
    predict.call(LabelledInput {}).await.unwrap();
    let format = serde_json::to_value(&lm.requests()[0].response_format).unwrap();
    let text = format.to_string();
    let schema =
        format.pointer("/json_schema/schema").or(format.pointer("/JsonSchema/schema")).unwrap_or(&format);
    let find = |value: &Value, key: &str| value.to_string().contains(key);
    assert!(find(schema, "\"enum\":[\"on\",\"off\"]"), "{text}");
    assert!(find(schema, "\"minItems\":1") && find(schema, "\"maxLength\":3"), "{text}");
    assert!(find(schema, "\"maxItems\":2") && find(schema, "\"#/$defs/Part\""), "{text}");
}

#[tokio::test]
async fn a_panic_in_a_check_reaches_the_caller_and_ends_one_rollout_only() {
    #[signature]
    struct Panics {
        #[output(check = panics)]
        value: u8,
    }
    let lm = ScriptedLm::computed(|_| Reply::fields([("value", 1)]));
    let predict = Predict::<Panics>::new().lm(&lm.lm());
    let best = karat::BestOfN::new(predict, 2, |_, _| 1.0);
    let error = best.call(PanicsInput {}).await.unwrap_err();
    assert!(error.is_exhausted() && error.rollouts()[0].error().unwrap().is_panic(), "{error:?}");
}

#[test]
fn the_deepest_tree_that_is_read_is_checked_to_its_leaves() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Tree {
        Leaf(#[schemars(range(min = 0))] i32),
        Node(Vec<Tree>),
    }
    #[signature]
    struct Grow {
        #[output]
        tree: Tree,
    }
    let tree = |leaf: i32| format!("{}{leaf}{}", "[".repeat(100), "]".repeat(100));
    let read = |text: String| Predict::<Grow>::new().adapter(JsonAdapter).parse(&GrowInput {}, &text);
    assert!(read(format!("{{\"tree\": {}}}", tree(0))).is_ok());
    violation(read(format!("{{\"tree\": {}}}", tree(-1))));
}
