//! Tests of names with signs, wrapped answers and types in other shapes, on every adapter.

use std::collections::{BTreeMap, HashMap};

use karat::{
    ChatAdapter, Error, JsonAdapter, Module, OnParseError, Predict, Reply, ScriptedLm, TerseAdapter,
    XmlAdapter,
    adapter::Adapter,
    field::Repair,
    signature,
    stream::{StreamEvent, Update},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Age {
    #[serde(rename = "<18")]
    Under,
    #[serde(rename = "18-39")]
    Young,
    #[serde(rename = "40-64")]
    Middle,
    #[serde(rename = "65+")]
    Old,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Grade {
    #[serde(rename = "B-")]
    Minus,
    B,
    #[serde(rename = "level 1")]
    Level,
    #[serde(rename = "10")]
    Ten,
    #[serde(rename = "-1")]
    Negative,
    None,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Size {
    #[serde(alias = "lo")]
    Low,
    VeryHigh,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Person {
    #[serde(alias = "called")]
    name: String,
    #[serde(alias = "years")]
    age: u8,
    #[serde(default, alias = "sizes")]
    all_sizes: Vec<Size>,
}

/// Writes the one output's text in the form of each adapter.
fn replies(text: &str) -> [(Box<dyn Read>, String); 4] {
    [
        (Box::new(ChatAdapter), format!("[[ ## value ## ]]\n{text}\n\n[[ ## completed ## ]]")),
        (Box::new(XmlAdapter), format!("<value>{}</value>", text.replace('<', "&lt;"))),
        (Box::new(JsonAdapter), format!("{{\"value\": {}}}", Value::from(text))),
        (Box::new(TerseAdapter), format!("Value: {text}")),
    ]
}

trait Read {
    fn age(&self, reply: &str) -> Result<Age, Error>;
    fn grade(&self, reply: &str) -> Result<Option<Grade>, Error>;
}

macro_rules! one {
    ($($name:ident $input:ident: $type:ty;)*) => {$(
        #[signature]
        struct $name {
            #[input]
            none: (),
            #[output]
            value: $type,
        }
    )*};
}

one! {
    OneAge OneAgeInput: Age;
    OneGrade OneGradeInput: Option<Grade>;
    OnePerson OnePersonInput: Person;
    OnePeople OnePeopleInput: Vec<Person>;
    Truths TruthsInput: BTreeMap<u32, bool>;
    Sizes SizesInput: BTreeMap<u32, Size>;
    Lists ListsInput: BTreeMap<i64, Vec<u8>>;
    Words WordsInput: Vec<String>;
}

impl<A: Adapter + Copy> Read for A {
    fn age(&self, reply: &str) -> Result<Age, Error> {
        let read = Predict::<OneAge>::new().adapter(*self).parse(&OneAgeInput { none: () }, reply);
        read.map(|one| one.value)
    }

    fn grade(&self, reply: &str) -> Result<Option<Grade>, Error> {
        let read = Predict::<OneGrade>::new().adapter(*self).parse(&OneGradeInput { none: () }, reply);
        read.map(|one| one.value)
    }
}

#[test]
fn the_signs_of_a_name_count_on_every_adapter() {
    for text in ["> 18", ">18", "18", "<65", "1839", "18 39", "65", "+65", "< 18", "40–65"] {
        for (adapter, reply) in replies(text) {
            let read = adapter.age(&reply);
            let error = read.expect_err(&reply);
            assert!(error.is_parse() && error.field() == Some("value"), "{error:?}");
            assert!(error.to_string().contains(text.trim_start_matches('+')), "{error}");
        }
    }
    for (text, age) in [
        ("<18", Age::Under),
        ("18–39", Age::Young),
        ("**40-64**", Age::Middle),
        ("\"65+\"", Age::Old),
        ("65+.", Age::Old),
    ] {
        for (adapter, reply) in replies(text) {
            assert_eq!(
                adapter.age(&reply).unwrap_or_else(|error| panic!("{reply}: {error}")),
                age,
                "{reply}"
            );
        }
    }
}

#[test]
fn a_name_goes_before_null_and_before_a_number() {
    for (text, grade) in [
        ("None", Some(Grade::None)),
        ("none", Some(Grade::None)),
        ("null", None),
        ("b-", Some(Grade::Minus)),
        ("B.", Some(Grade::B)),
        ("Level-1", Some(Grade::Level)),
        ("10", Some(Grade::Ten)),
        ("-1", Some(Grade::Negative)),
        ("−1", Some(Grade::Negative)),
    ] {
        for (adapter, reply) in replies(text) {
            assert_eq!(
                adapter.grade(&reply).unwrap_or_else(|error| panic!("{reply}: {error}")),
                grade,
                "{reply}"
            );
        }
    }
    for text in ["1", "1.0", "C", "level -1", "B+", "-10"] {
        for (adapter, reply) in replies(text) {
            let read = adapter.grade(&reply);
            assert!(read.is_err(), "{reply}: {read:?}");
        }
    }
    assert_eq!(JsonAdapter.grade("{\"value\": null}").unwrap(), None);
    assert_eq!(
        JsonAdapter.grade("{\"value\": 10}").unwrap(),
        Some(Grade::Ten),
        "a number without its quotes"
    );
    assert!(JsonAdapter.grade("{\"value\": 10.0}").is_err());
}

fn json<S: karat::Signature>(input: S::Input, reply: &str) -> Result<S::Output, Error> {
    Predict::<S>::new().adapter(JsonAdapter).parse(&input, reply)
}

#[test]
fn values_of_a_map_with_numeric_keys_are_read_as_in_other_maps() {
    let truths = |text: &str| json::<Truths>(TruthsInput { none: () }, &format!("{{\"value\": {text}}}"));
    assert_eq!(
        truths("{\"1\": \"yes\", \"20\": false}").unwrap().value,
        BTreeMap::from([(1, true), (20, false)])
    );
    for text in ["{\"one\": \"yes\"}", "{\"-1\": true}", "{\"1\": \"perhaps\"}", "{\"1.0\": true}"] {
        assert!(truths(text).unwrap_err().is_parse(), "{text}");
    }
    let sizes = json::<Sizes>(SizesInput { none: () }, "{\"value\": {\"1\": \"low\", \"2\": \"Very High\"}}");
    assert_eq!(sizes.unwrap().value, BTreeMap::from([(1, Size::Low), (2, Size::VeryHigh)]));
    let lists = json::<Lists>(ListsInput { none: () }, "{\"value\": {\"1\": [\"5\"], \"-2\": 7}}");
    assert_eq!(lists.unwrap().value, BTreeMap::from([(1, vec![5]), (-2, vec![7])]));
    let chat = Predict::<Truths>::new().parse(&TruthsInput { none: () }, "[[ ## value ## ]]\n{1: yes}");
    assert_eq!(chat.unwrap().value, BTreeMap::from([(1, true)]));
    let xml = "<value><entry key=\"1\"><item>5</item><item>6</item></entry></value>";
    let xml = Predict::<Lists>::new().adapter(XmlAdapter).parse(&ListsInput { none: () }, xml);
    assert_eq!(xml.unwrap().value, BTreeMap::from([(1, vec![5, 6])]));
}

#[test]
fn an_alias_within_a_type_does_not_make_the_rest_strict() {
    let person = |text: &str| {
        json::<OnePerson>(OnePersonInput { none: () }, &format!("{{\"value\": {text}}}")).map(|one| one.value)
    };
    let ada = |all_sizes| Person { name: "Ada".into(), age: 36, all_sizes };
    for text in [
        r#"{"name": "Ada", "years": 36}"#,
        r#"{"Name": "Ada", "years": 36}"#,
        r#"{"NAME": "Ada", "years": "36"}"#,
        r#"{"called": "Ada", "years": "36", "note": "x"}"#,
        r#"{"called": "Ada", "AGE": "36"}"#,
        r#""{\"called\": \"Ada\", \"age\": \"36\"}""#,
    ] {
        assert_eq!(person(text).unwrap_or_else(|error| panic!("{text}: {error}")), ada(vec![]), "{text}");
    }
    // A number for a text stays as written, as under the key's own name.
    for number in ["42", "1.50", "12345678901234567890123"] {
        let read = person(&format!(r#"{{"called": {number}, "Age": "36"}}"#)).unwrap();
        assert_eq!((&*read.name, read.age), (number, 36));
    }
    let sizes = r#"{"Name": "Ada", "age": "36", "sizes": ["low", "Very High"]}"#;
    assert_eq!(person(sizes).unwrap(), ada(vec![Size::Low, Size::VeryHigh]));
    let sizes = r#"{"Name": "Ada", "age": "36", "all_sizes": ["lo", "VERY-HIGH"]}"#;
    assert_eq!(person(sizes).unwrap(), ada(vec![Size::Low, Size::VeryHigh]));
    for text in [
        r#"{"name": "Ada", "age": 36, "all_sizes": ["not lo"]}"#,
        r#"{"called": "Ada", "Years": "36"}"#,
        r#"{"called": "Ada", "years": "about 36"}"#,
        r#"{"called": "Ada"}"#,
        r#"{"other": "Ada", "age": "36"}"#,
        r#"{"name": "Ada", "age": 36, "years": 37}"#,
    ] {
        let read = person(text);
        assert!(read.is_err(), "{text}: {read:?}");
    }
    let people =
        r#"{"value": [{"called": "Ada", "age": "36"}, {"Name": "Bob", "years": "7", "sizes": "low"}]}"#;
    let people = json::<OnePeople>(OnePeopleInput { none: () }, people).unwrap().value;
    assert_eq!(people, [ada(vec![]), Person { name: "Bob".into(), age: 7, all_sizes: vec![Size::Low] }]);
}

/// Answer from the passage.
#[signature]
#[derive(PartialEq)]
struct Qa {
    #[input]
    passage: String,
    #[input]
    facts: BTreeMap<String, String>,
    #[output]
    answer: String,
    #[output]
    points: u8,
    #[output]
    note: Option<String>,
}

fn qa(passage: &str) -> QaInput {
    QaInput { passage: passage.into(), facts: BTreeMap::new() }
}

const WHOLE: &str = r#"{"answer": "Lima", "points": "7"}"#;

#[test]
fn a_wrapped_answer_is_read_if_only_one_object_could_be_it() {
    let expected = QaOutput { answer: "Lima".into(), points: 7, note: None };
    for reply in [
        format!("{{\"json_input\": {WHOLE}}}"),
        format!("[{WHOLE}]"),
        format!("Here:\n```json\n[{WHOLE}]\n```"),
        Value::from(WHOLE).to_string(),
        format!("{{\"name\": \"Qa\", \"parameters\": {WHOLE}}}"),
        format!("{{\"name\": \"Qa\", \"arguments\": {WHOLE}, \"id\": {{\"x\": 1}}}}"),
        format!("{{\"properties\": {WHOLE}}}"),
        format!("{{\"json_input\": {WHOLE},}} as you asked"),
    ] {
        let read = json::<Qa>(qa(""), &reply);
        assert_eq!(read.unwrap_or_else(|error| panic!("{reply}: {error}")), expected, "{reply}");
    }
    for reply in [
        format!("{{\"a\": {WHOLE}, \"b\": {WHOLE}}}"),
        format!("{{\"a\": {{\"b\": {WHOLE}}}}}"),
        format!("[[{WHOLE}]]"),
        format!("[{{\"a\": {WHOLE}}}]"),
        format!("[{WHOLE}, {WHOLE}]"),
        format!("{{\"a\": {}}}", Value::from(WHOLE)),
        "{\"a\": {\"answer\": \"Lima\"}}".into(),
        "{\"a\": {\"Answer\": \"Lima\", \"points\": 7}}".into(),
        format!("{{\"note\": \"x\", \"a\": {WHOLE}}}"),
        format!("{{\"Note\": \"x\", \"a\": {WHOLE}}}"),
        format!("{{\"json_input\": {WHOLE}"),
        "{\"properties\": {\"answer\": {\"type\": \"string\"}, \"points\": {\"type\": \"integer\"}}}".into(),
    ] {
        let read = json::<Qa>(qa(""), &reply);
        assert!(read.is_err(), "{reply}: {read:?}");
    }
}

#[test]
fn an_object_of_an_input_is_no_wrapped_answer() {
    for (passage, reply) in [
        (WHOLE, format!("{{\"json_input\": {WHOLE}}}")),
        (WHOLE, "{\"json_input\": {\"points\":\"7\",\"answer\":\"Lima\"}}".into()),
        (WHOLE, format!("[{WHOLE}]")),
        (WHOLE, Value::from(WHOLE).to_string()),
        ("See {\"data\": [{\"answer\": \"Lima\", \"points\": \"7\"}]}.", format!("{{\"x\": {WHOLE}}}")),
        ("Half: {\"answer\": \"Lima\", ", "{\"x\": Half: {\"answer\": \"Lima\", \"points\": 7}}".into()),
        ("words", format!("{{\"passage\": {WHOLE}}}")),
        ("words", format!("{{\"facts\": {WHOLE}}}")),
        ("words", format!("{{\"Passage\": {WHOLE}}}")),
    ] {
        let read = json::<Qa>(qa(passage), &reply);
        assert!(read.is_err(), "{reply}: {read:?}");
    }
    let facts = BTreeMap::from([("answer".into(), "Lima".into()), ("points".into(), "7".into())]);
    let read = json::<Qa>(QaInput { passage: "x".into(), facts }, &format!("{{\"x\": {WHOLE}}}"));
    assert!(read.is_err(), "{read:?}");
}

#[test]
fn a_list_of_one_is_the_value_of_a_list_field() {
    let read = json::<Words>(WordsInput { none: () }, "[{\"value\": [\"a\"]}]");
    assert!(read.is_err(), "{:?}", read.map(|words| words.value));
    let read = json::<Words>(WordsInput { none: () }, "{\"x\": {\"value\": [\"a\"]}}");
    assert_eq!(read.unwrap().value, ["a"]);
}

#[tokio::test]
async fn a_wrapped_answer_is_flagged_and_a_stream_ends_with_the_same_value() {
    for (reply, repair) in [
        (format!("{{\"json_input\": {WHOLE}}}"), Repair::Wrapped),
        (format!("[{WHOLE}]"), Repair::Wrapped),
        (Value::from(WHOLE).to_string(), Repair::JsonInText),
    ] {
        let chars: Vec<_> = reply.chars().map(String::from).collect();
        let lm = ScriptedLm::new([Reply::text(&*reply), Reply::pieces(chars)]).lm();
        let module = Predict::<Qa>::new().adapter(JsonAdapter).on_parse_error(OnParseError::Fail).lm(&lm);
        let whole = module.call(qa("")).await.unwrap();
        for (field, repairs) in whole.repairs() {
            assert!(repairs.contains(repair), "{reply}: {field} {repairs:?}");
        }
        assert_eq!(whole.repairs().len(), 2, "{:?}", whole.repairs());
        let mut stream = module.stream(qa(""));
        loop {
            match stream.next().await.unwrap().unwrap() {
                StreamEvent::Done(streamed) => break assert_eq!(*streamed, *whole, "{reply}"),
                StreamEvent::Progress(progress) => {
                    assert!(!matches!(progress.update(), Update::Discarded { .. }), "{reply}: {progress:?}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn field_names_are_read_in_other_forms_on_every_adapter() {
    /// Two names.
    #[signature]
    struct Two {
        #[input]
        none: (),
        #[output]
        short_answer: String,
        #[output]
        answer_2: String,
    }
    for (first, second) in [
        ("Short Answer", "Answer 2"),
        ("short-answer", "answer2"),
        ("shortAnswer", "ANSWER-2"),
        ("Short–answer", "answer_2"),
    ] {
        let read = |adapter: &dyn Fn(Predict<Two>) -> Predict<Two>, reply: &str| {
            let read = adapter(Predict::new()).parse(&TwoInput { none: () }, reply);
            let read = read.unwrap_or_else(|error| panic!("{reply}: {error}"));
            assert_eq!((read.short_answer.as_str(), read.answer_2.as_str()), ("a", "b"), "{reply}");
        };
        read(&|two| two, &format!("[[ ## {first} ## ]]\na\n[[ ## {second} ## ]]\nb"));
        read(&|two| two.adapter(JsonAdapter), &format!("{{\"{first}\": \"a\", \"{second}\": \"b\"}}"));
        read(&|two| two.adapter(TerseAdapter), &format!("{first}: a\n**{second}**: b"));
        let [first, second] = [first, second].map(|name| name.replace([' ', '–'], "-"));
        read(&|two| two.adapter(XmlAdapter), &format!("<{first}>a</{first}><{second}>b</{second}>"));
    }
    for other in [
        "[[ ## _short_answer ## ]]",
        "[[ ## short_answer_ ## ]]",
        "[[ ## short.answer ## ]]",
        "[[ ## answer-_2 ## ]]",
    ] {
        let reply = format!("{other}\na\n[[ ## answer_2 ## ]]\nb");
        assert!(Predict::<Two>::new().parse(&TwoInput { none: () }, &reply).is_err(), "{reply}");
    }
}

/// Look at the counts.
#[signature]
struct Count {
    #[input]
    counts: HashMap<String, u32>,
    #[input]
    nested: Vec<Option<HashMap<u8, Value>>>,
    #[input]
    raw: Value,
    #[output]
    best: String,
}

#[test]
fn a_map_of_an_input_is_sorted_and_json_keeps_its_order() {
    let raw = json!({"z": 1, "a": {"y": 1, "b": 2}});
    let prompts = (0..20).map(|_| {
        let names = ('a'..='p').map(|c| c.to_string());
        let input = CountInput {
            counts: names.zip(0..).collect(),
            nested: vec![Some((1..12).map(|number| (number, raw.clone())).collect()), None],
            raw: raw.clone(),
        };
        let prompt = Predict::<Count>::new().prompt(&input).unwrap();
        prompt.last().to_owned()
    });
    let prompts: Vec<_> = prompts.collect();
    assert!(prompts.iter().all(|prompt| *prompt == prompts[0]));
    let sorted = "{\"a\":0,\"b\":1,\"c\":2,";
    assert!(prompts[0].contains(sorted) && prompts[0].contains(&raw.to_string()), "{}", prompts[0]);
    assert!(prompts[0].contains(&format!("\"2\":{raw},\"3\":{raw}")), "{}", prompts[0]);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Flat {
    x: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Nest {
    flat: Flat,
    flats: Vec<Flat>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Tree {
    name: String,
    children: Vec<Tree>,
}

/// Two types.
#[signature]
struct Types {
    #[input]
    none: (),
    #[output]
    nest: Nest,
    #[output]
    tree: Tree,
}

#[test]
fn each_type_stands_once_in_a_prompt() {
    fn count(adapter: impl Adapter) {
        let prompt = Predict::<Types>::new().adapter(adapter).prompt(&TypesInput { none: () }).unwrap();
        let text: String = prompt.iter().map(|message| message.content.to_string()).collect();
        for (part, times) in
            [("\"flats\":", 1), ("\"x\":", 1), ("\"children\":", 1), ("\"Nest\"", 0), ("\"Tree\"", 0)]
        {
            assert_eq!(text.matches(part).count(), times, "{part} in {text}");
        }
    }
    count(ChatAdapter);
    count(JsonAdapter);
    count(XmlAdapter);
}

#[test]
fn an_incomplete_demo_shows_no_null_that_was_not_given() {
    #[signature]
    struct Rated {
        #[input]
        text: String,
        #[output]
        answer: String,
        #[output]
        confidence: f64,
        #[output]
        note: Option<String>,
        #[output]
        tags: Vec<String>,
    }
    let mut module = Predict::<Rated>::new().adapter(JsonAdapter);
    let demo = json!({"text": "t", "answer": "a", "note": null});
    let mut state = serde_json::to_value(module.dump_state()).unwrap();
    let own = if state.get("demos").is_some() { &mut state } else { &mut state["self"] };
    own["demos"] = json!([demo]);
    module.load_state(&serde_json::from_value(state).unwrap()).unwrap();
    let prompt = module.prompt(&RatedInput { text: "x".into() }).unwrap();
    let answered = prompt.iter().nth(2).unwrap();
    let shown: Value = serde_json::from_str(&answered.content).unwrap();
    let absent = "(not given in this example)";
    assert_eq!(shown, json!({"answer": "a", "confidence": absent, "note": null, "tags": absent}));
}
