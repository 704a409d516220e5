//! Tests of texts, lists and parentheses as models write them: every adapter, whole and streamed.

use std::collections::{BTreeSet, VecDeque};

use karat::{
    ChatAdapter, JsonAdapter, Module, OnParseError, Predict, Reply, ScriptedLm, TerseAdapter, XmlAdapter,
    adapter::Adapter,
    field::Repair,
    signature,
    stream::{StreamEvent, Update},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name them.
#[signature]
#[derive(PartialEq)]
struct Names {
    #[input]
    text: String,
    #[output]
    items: Vec<String>,
}

fn names() -> NamesInput {
    NamesInput { text: "x".into() }
}

/// Reads a value of several lines with each adapter that takes one.
fn read_all(value: &str) -> Vec<karat::Result<Vec<String>>> {
    let read = |adapter: &dyn Fn(Predict<Names>) -> Predict<Names>, text: String| {
        adapter(Predict::<Names>::new()).parse(&names(), &text).map(|names| names.items)
    };
    vec![
        read(&|one| one.adapter(ChatAdapter), format!("[[ ## items ## ]]\n{value}\n\n[[ ## completed ## ]]")),
        read(&|one| one.adapter(XmlAdapter), format!("<items>\n{value}\n</items>")),
        read(&|one| one.adapter(TerseAdapter), format!("Items: {value}")),
        read(&|one| one.adapter(JsonAdapter), serde_json::json!({ "items": value }).to_string()),
    ]
}

#[test]
fn every_adapter_reads_a_markdown_list_or_a_word_for_nothing_as_a_list() {
    for (value, expected) in [
        ("- a\n- b", vec!["a", "b"]),
        ("1. a (x, y)\n2. see [1]\n3. \"c\" + d", vec!["a (x, y)", "see [1]", "\"c\" + d"]),
        ("* [\"a\"]\n* b", vec!["[\"a\"]", "b"]),
        ("• a\n\n• b", vec!["a", "b"]),
        ("1) a\n2) b", vec!["a", "b"]),
        ("None", vec![]),
        ("n/a", vec![]),
        ("NULL.", vec![]),
        ("null", vec![]),
        ("- a", vec!["- a"]),
        ("NA", vec!["NA"]),
        ("nil", vec!["nil"]),
        ("Paris (France)", vec!["Paris (France)"]),
        ("vitamin C + D", vec!["vitamin C + D"]),
        ("(555) 123-4567", vec!["(555) 123-4567"]),
        ("(\"a\", \"b\")", vec!["a", "b"]),
        ("('a',)", vec!["a"]),
        ("[\"a\" + \"b\"]", vec!["ab"]),
        ("[\"none\", 'n/a']", vec!["none", "n/a"]),
        ("[]", vec![]),
    ] {
        for (adapter, read) in read_all(value).into_iter().enumerate() {
            assert_eq!(
                read.unwrap_or_else(|error| panic!("{value} by {adapter}: {error}")),
                expected,
                "{value} by {adapter}"
            );
        }
    }
}

#[test]
fn lines_without_marks_and_broken_lists_are_errors_on_every_adapter() {
    for value in [
        "a\nb",
        "Here they are:\n- a\n- b",
        "- a\n- b\nThat is all.",
        "1. a\n3. b",
        "\"a\", \"b\"",
        "(\"a\", \"b\") and more",
        "(\"a\", \"b\"",
        "(\"a\" \"b\")",
        "\"a\" + b",
        "[\"a\" + b]",
        "[\"she said \"go\", then left\", \"b\"]",
        "[\"\\d\\n\"]",
        "{\"a\", \"b\"}",
    ] {
        for (adapter, read) in read_all(value).into_iter().enumerate() {
            let error = read.expect_err(&format!("{value} by {adapter}"));
            assert!(error.is_parse() && error.field() == Some("items"), "{value} by {adapter}: {error:?}");
        }
    }
}

#[test]
fn an_empty_text_and_null_are_an_empty_list() {
    for text in [r#"{"items": ""}"#, r#"{"items": null}"#, r#"{"items": "none"}"#] {
        let read = Predict::<Names>::new().adapter(JsonAdapter).parse(&names(), text);
        assert!(read.unwrap().items.is_empty(), "{text}");
    }
    let read = Predict::<Names>::new().parse(&names(), "[[ ## items ## ]]\n\n[[ ## completed ## ]]");
    assert!(read.unwrap().items.is_empty());
    let xml = Predict::<Names>::new().adapter(XmlAdapter);
    assert!(xml.parse(&names(), "<items></items>").unwrap().items.is_empty());
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
enum Allergy {
    None,
    Nuts,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Bag {
    tags: Vec<String>,
    #[serde(default)]
    more: Option<Vec<String>>,
}

/// Fill in.
#[signature]
#[derive(PartialEq)]
struct Kinds {
    #[input]
    text: String,
    #[output]
    maybe: Option<Vec<String>>,
    #[output]
    allergies: Vec<Allergy>,
    #[output]
    set: BTreeSet<i64>,
    #[output]
    queue: VecDeque<f64>,
    #[output]
    bag: Bag,
}

fn kinds(values: [&str; 5]) -> karat::Result<KindsOutput> {
    let names = ["maybe", "allergies", "set", "queue", "bag"];
    let parts = names.iter().zip(values).map(|(name, value)| format!("[[ ## {name} ## ]]\n{value}\n"));
    Predict::<Kinds>::new().parse(&KindsInput { text: "x".into() }, &parts.collect::<String>())
}

#[test]
fn words_for_nothing_and_lines_are_read_for_every_type_of_list() {
    let bag = r#"{"tags": "none", "more": "None."}"#;
    let read = kinds(["none", "none", "None", "", bag]).unwrap();
    assert_eq!(read.maybe, None);
    assert_eq!(read.allergies, [Allergy::None], "a name of the enum goes before the word");
    assert!(read.set.is_empty() && read.queue.is_empty());
    assert_eq!(read.bag, Bag { tags: vec![], more: None });

    let bag = r#"{"tags": "- a\n- b", "more": "1. c\n2. d"}"#;
    let read = kinds(["- a\n- b", "- Nuts\n- none", "- 5\n- 7", "1. 0.5\n2. 2", bag]).unwrap();
    assert_eq!(read.maybe, Some(vec!["a".into(), "b".into()]));
    assert_eq!(read.allergies, [Allergy::Nuts, Allergy::None]);
    assert_eq!(read.set, BTreeSet::from([5, 7]));
    assert_eq!(read.queue, [0.5, 2.0]);
    assert_eq!(
        read.bag,
        Bag { tags: vec!["a".into(), "b".into()], more: Some(vec!["c".into(), "d".into()]) }
    );

    let read = kinds(["N/A.", "[]", "(1, 2)", "(0.5,)", "OrderedDict([('tags', ('a', 'b'))])"]).unwrap();
    assert_eq!((read.maybe, read.allergies.len()), (None, 0));
    assert_eq!((read.set, read.queue), (BTreeSet::from([1, 2]), VecDeque::from([0.5])));
    assert_eq!(read.bag.tags, ["a", "b"]);

    assert_eq!(kinds(["null", "[]", "-5\n-7", "[]", bag]).unwrap_err().field(), Some("set"));
    assert!(kinds([r#""""#, "[]", "[]", "[]", bag]).unwrap().maybe.is_none());
}

/// Answer.
#[signature]
#[derive(PartialEq)]
struct Note {
    #[input]
    text: String,
    #[output]
    note: String,
    #[output(default)]
    b: String,
}

#[tokio::test]
async fn a_json_text_is_read_whole_or_an_error_and_a_stream_agrees() {
    let ask = || NoteInput { text: "x".into() };
    for (reply, expected) in [
        (r#"{"note": "A = \pi r^2, \frac{a}{b}"}"#, Some(r"A = \pi r^2, \frac{a}{b}")),
        (r#"{"note": "\bword\b \d+"}"#, Some(r"\bword\b \d+")),
        (r#"{"note": "\beta, \sum"}"#, Some(r"\beta, \sum")),
        (r#"{"note": "\bword\b", "b": "\d"}"#, Some(r"\bword\b")),
        (r#"{"note": "C:\Users\nina\test"}"#, None),
        (r#"{"note": "\theta \alpha"}"#, None),
        (r#"{"note": "\frac{a}{b}"}"#, Some("\u{c}rac{a}{b}")),
        (r#"{"note": "She said "go", "stop": both"}"#, None),
        (r#"{"note": "use "a", "b": 1"}"#, None),
        (r#"{"note": "She said "go", "b": "both""}"#, None),
        (r#"{"note": "use "a" and "b""}"#, Some(r#"use "a" and "b""#)),
        (r#"{"note": "Par" + "is"}"#, Some("Paris")),
        (r#"{"note": "Par" + is}"#, None),
        (r#"{"note": ("Par" + "is")}"#, Some("Paris")),
        (r#"OrderedDict([("note", "Paris")])"#, Some("Paris")),
        ("{\"note\": \"a \" +\n  \"b\"}", Some("a b")),
    ] {
        let predict = Predict::<Note>::new().adapter(JsonAdapter).on_parse_error(OnParseError::Fail);
        let whole = predict.parse(&ask(), reply).map(|note| note.note);
        assert_eq!(whole.as_deref().ok(), expected, "{reply}: {whole:?}");
        for size in [1, 3, 1_000] {
            let chars: Vec<_> = reply.chars().collect();
            let pieces: Vec<String> = chars.chunks(size).map(|piece| piece.iter().collect()).collect();
            let lm = ScriptedLm::new([Reply::pieces(pieces)]);
            let (mut streamed, mut done) = (String::new(), None);
            let mut stream = predict.clone().lm(&lm.lm()).stream(ask());
            while let Some(Ok(event)) = stream.next().await {
                match event {
                    StreamEvent::Done(prediction) => done = Some(prediction.into_inner().note),
                    StreamEvent::Progress(progress) => match progress.into_update() {
                        Update::Delta { field, text } if field == "note" => streamed += &text,
                        Update::Discarded { .. } => streamed.clear(),
                        _ => {}
                    },
                    _ => {}
                }
            }
            assert_eq!(done.as_deref(), expected, "{reply}");
            assert!(expected.is_none_or(|expected| streamed == expected), "{reply}: {streamed}");
        }
    }
}

#[tokio::test]
async fn repairs_in_a_text_or_list_are_flagged() {
    async fn flags(adapter: impl Adapter, text: &str) -> Vec<Repair> {
        let lm = ScriptedLm::new([Reply::text(text)]);
        let answer = Predict::<Names>::new().adapter(adapter).lm(&lm.lm()).call(names()).await.unwrap();
        answer.repairs().iter().flat_map(|(_, repairs)| repairs.iter()).collect()
    }
    let chat = |value: &str| format!("[[ ## items ## ]]\n{value}\n\n[[ ## completed ## ]]");
    assert_eq!(flags(ChatAdapter, &chat("- a\n- b")).await, [Repair::MarkdownList]);
    assert_eq!(flags(ChatAdapter, &chat("none")).await, [Repair::Word]);
    assert_eq!(flags(ChatAdapter, &chat("(\"a\", \"b\")")).await, [Repair::PythonLiteral]);
    assert_eq!(flags(ChatAdapter, &chat("[\"\\d \\b\"]")).await, [Repair::Escape]);
    assert_eq!(flags(ChatAdapter, &chat("[\"\\beta\"]")).await, [Repair::DoubtfulEscape]);
    assert_eq!(flags(ChatAdapter, &chat("[\"a\" + \"b\"]")).await, [Repair::Joined]);
    assert_eq!(flags(JsonAdapter, "{\"items\": \"none\"}").await, [Repair::Word]);
    assert_eq!(flags(JsonAdapter, "{\"items\": null}").await, [Repair::Word]);
    assert_eq!(flags(JsonAdapter, "{\"items\": [\"\\frac\"]}").await, [Repair::DoubtfulEscape]);
    assert!(flags(JsonAdapter, "{\"items\": [\"\\\\frac\"]}").await.is_empty());
}

#[test]
fn an_ordered_dictionary_of_an_input_is_no_answer() {
    let input = || NoteInput { text: "It prints OrderedDict([('note', 'Mallory'),".into() };
    let json = Predict::<Note>::new().adapter(JsonAdapter);
    let read = json.parse(&input(), "It prints OrderedDict([('note', 'Mallory'), ('b', 'x')])");
    assert!(read.is_err(), "{read:?}");
    assert_eq!(json.parse(&input(), "{\"note\": \"Alice\"}").unwrap().note, "Alice");
}
