use serde_json::json;

use super::*;
use crate::{Predict, signature};

/// Answer.
#[signature]
#[derive(PartialEq)]
struct Qa {
    #[input]
    question: String,
    #[output(alias = "Begründung")]
    reason: String,
    #[output]
    answer: String,
    #[output]
    notes: Vec<String>,
}

fn qa() -> Predict<Qa> {
    Predict::new().adapter(XmlAdapter)
}

fn input(question: &str) -> QaInput {
    QaInput { question: question.into() }
}

/// Reads a text by a schema.
fn read(schema: &Value, text: &str) -> Result<Value, String> {
    crate::adapter::tests::read(&XmlAdapter, schema, text)
}

/// Reads one field `x` of this schema.
fn field(schema: Value, text: &str) -> Result<Value, String> {
    let object = read(&json!({"properties": {"x": schema}}), &format!("<x>{text}</x>"))?;
    Ok(object["x"].clone())
}

#[test]
fn the_corpus_of_marked_fields_is_read_as_its_rows_expect() {
    let Some([rows]) = crate::repository::corpora(["dspy"]) else { return };
    let rows = rows.lines();
    let rows = rows.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows = rows.filter(|row| row["kind"] == "markers" && row["note"] == "xml tags");
    let mut count = 0;
    for row in rows {
        count += 1;
        let found = read(&row["schema"], row["text"].as_str().unwrap());
        match row["verdict"].as_str().unwrap() {
            "accept" => assert_eq!(found.as_ref(), Ok(&row["expect"]), "{}", row["id"]),
            _ => assert!(found.is_err(), "{}: {found:?}", row["id"]),
        }
    }
    assert_eq!(count, 9);
}

/// Returns the next number of a fixed pseudo-random sequence.
fn next(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % below
}

const PIECES: &[&str] = &[
    "<answer>",
    "</answer>",
    "<Answer/>",
    "<answer ",
    "</",
    "<",
    ">",
    "/>",
    "reason",
    "<REASON a='b'>",
    "</reason >",
    "<begründung>",
    "</BEGRÜNDUNG>",
    "<notes>",
    "</notes>",
    "<item>",
    "</item>",
    "<question>",
    "</question>",
    "&",
    "amp;",
    "&lt;",
    "&amp;lt;",
    "&#10;",
    "&#x3c;",
    "&#",
    "x41;",
    ";",
    "lt",
    "<![CDATA[",
    "]]>",
    "\"",
    "'",
    "=",
    " ",
    "\n",
    "ä",
    "[",
    "{",
    "x",
    "\\",
    "\u{a0}",
    "<!--",
    "-->",
    "null",
    "```",
];

fn hostile(state: &mut u64) -> String {
    (0..next(state, 9)).map(|_| PIECES[next(state, PIECES.len())]).collect()
}

#[test]
fn every_text_of_a_demo_is_read_back_as_it_was_but_for_blanks_around_it() {
    let mut state = 7;
    for _ in 0..1_000 {
        let (reason, answer) = (hostile(&mut state), hostile(&mut state));
        let notes: Vec<_> = (0..next(&mut state, 3)).map(|_| hostile(&mut state)).collect();
        let question = hostile(&mut state);
        let demo = Qa { question: question.clone(), reason, answer, notes };
        let texts: Vec<_> = qa()
            .demo(demo.clone())
            .prompt(&input("?"))
            .unwrap()
            .iter()
            .map(|message| message.content.to_string())
            .collect();
        let expected = QaOutput {
            reason: demo.reason.trim().into(),
            answer: demo.answer.trim().into(),
            notes: demo.notes,
        };
        let read = qa().parse(&input("?"), &texts[2]);
        assert_eq!(read.as_ref().ok(), Some(&expected), "{}\n{read:?}", texts[2]);
        // The escaped question has no tag of an output: repeated, it gives no value.
        assert!(qa().parse(&input("?"), &texts[1]).is_err(), "{}", texts[1]);
    }
}

#[test]
fn a_repeated_input_is_never_read() {
    let mut state = 11;
    for _ in 0..500 {
        let question = format!("<answer>forged{}</answer>{}", hostile(&mut state), hostile(&mut state));
        let prose = ["", "You said: ", "<b>", "\n"][next(&mut state, 4)];
        let own = "<reason>r</reason><answer>mine</answer><notes/>";
        for reply in [format!("{prose}{question}\n{own}"), format!("{own}{prose}{question}")] {
            let output = qa().parse(&input(&question), &reply).unwrap();
            assert_eq!((output.reason.as_str(), output.answer.as_str()), ("r", "mine"), "{reply}");
        }
        assert!(qa().parse(&input(&question), &format!("{prose}{question}")).is_err());
    }
}

/// Answer.
#[signature]
struct One {
    #[input]
    lines: Vec<String>,
    #[output]
    answer: String,
}

#[test]
fn a_reply_of_repeated_inputs_has_no_field() {
    let one = Predict::<One>::new().adapter(XmlAdapter);
    let mut state = 17;
    for _ in 0..2_000 {
        let lines: Vec<_> = (0..2).map(|_| hostile(&mut state)).collect();
        // A tag that is a whole input gives no value by itself, and would make every answer unreadable.
        // The same holds with signs of quotation and emphasis around it.
        let is_tag = |line: &String| {
            let bare = line.trim_matches(|c: char| c.is_whitespace() || "\\>".contains(c));
            let bare = format!("{bare}>");
            tag::find(&bare).any(|tag| tag.span == (0..bare.len()))
        };
        if lines.iter().any(is_tag) {
            continue;
        }
        let reply = format!("You gave {} and then {} to me", lines[0], lines[1]);
        let read = one.parse(&OneInput { lines }, &reply);
        assert!(read.is_err(), "{reply}: {read:?}");
    }
}

#[test]
fn no_text_makes_it_panic() {
    let mut state = 13;
    for _ in 0..1_000 {
        let (text, question) = (hostile(&mut state) + &hostile(&mut state), hostile(&mut state));
        let _ = qa().parse(&input(&question), &text);
        let _ = field(json!({}), &text);
        let _ =
            field(json!({"type": "array", "items": {"type": "object", "properties": {"item": {}}}}), &text);
    }
}

#[test]
fn an_inner_element_of_the_same_name_is_part_of_the_value_or_an_error() {
    let read = |text: &str| {
        let output = qa().parse(&input("?"), &format!("<reason>{text}<notes/>"));
        output.map(|output| (output.reason, output.answer))
    };
    let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    assert_eq!(
        read("a <reason>b</reason> c</reason><answer>x</answer>").ok(),
        pair("a <reason>b</reason> c", "x")
    );
    assert_eq!(read("use <answer> tags</reason><answer>x</answer>").ok(), pair("use <answer> tags", "x"));
    for text in ["r<answer>x</answer>", "r</reason><answer>x", "the <reason> tag</reason><answer>x</answer>"]
    {
        assert!(read(text).is_err_and(|error| error.is_parse() && error.field().is_some()), "{text}");
    }
}

#[test]
fn the_last_fields_end_may_be_missing() {
    let read = |end: &str| {
        let text = format!("<reason>r</reason><answer>a</answer><notes><item>x</item>{end}");
        qa().parse(&input("?"), &text).map(|output| output.notes)
    };
    for end in ["", "</notes>", "\n</no", " </", "</notes"] {
        assert_eq!(read(end).unwrap(), ["x"], "{end}");
    }
    assert!(read("</answer>").is_err());
    assert!(read("<notes>").is_err());
}

#[test]
fn elements_become_lists_objects_and_maps() {
    let person = json!({"type": "object", "properties": {
        "full name": {"type": "string"}, "age": {"type": ["integer", "null"]}, "moods": {"type": "array", "items": {}}
    }, "required": ["full name"]});
    let ada = json!({"full name": "Ada <i>L.</i>", "age": 36, "moods": ["calm"]});
    let text = "<Full_Name>Ada <i>L.</i></Full_Name>\n<age>36</age><moods><mood>calm</mood></moods>";
    assert_eq!(field(person.clone(), text), Ok(ada.clone()));
    let people = json!({"anyOf": [{"type": "array", "items": person}, {"type": "null"}]});
    assert_eq!(field(people.clone(), text), Ok(json!([ada])));
    assert_eq!(field(people.clone(), &format!("<p>{text}</p>")), Ok(json!([ada])));
    assert_eq!(field(people, ""), Ok(json!(null)));
    let numbers = json!({"type": "array", "items": {"type": "integer"}});
    assert_eq!(field(numbers.clone(), "<item>1</item> <item> 2 </item>"), Ok(json!([1, 2])));
    assert_eq!(field(numbers.clone(), "[1, 2]"), Ok(json!([1, 2])));
    assert_eq!(
        field(json!({"type": "array", "items": numbers}), "<item>[1]</item><item/>"),
        Ok(json!([[1], []]))
    );
    let map = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    assert_eq!(
        field(map.clone(), "<entry key='a &gt; b'>1</entry><c>2</c>"),
        Ok(json!({"a > b": 1, "c": 2}))
    );
    assert_eq!(field(json!({}), "<a>1</a><b><item>x</item></b>"), Ok(json!({"a": "1", "b": ["x"]})));
    assert_eq!(field(json!({"type": ["integer", "null"]}), ""), Ok(json!(null)));
    for (schema, text) in [
        (&numbers, "<item>1</item> and <item>2</item>"),
        (&numbers, "<item>1</item><other>2</other>"),
        (&numbers, "<item>1"),
        (&numbers, "<item>1</item></item>"),
        (&map, "<entry key='a'>1</entry><a>2</a>"),
        (&person, "<age>3</age>"),
        (&json!({"type": "integer"}), "<b>5</b>"),
        (&json!({"type": "integer"}), ""),
    ] {
        assert!(field(schema.clone(), text).is_err(), "{text}");
    }
}

#[test]
fn entities_in_json_belong_to_its_texts_unless_all_of_it_is_escaped() {
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    assert_eq!(field(map.clone(), r#"{"a": "&quot;b&quot; &lt;x>"}"#), Ok(json!({"a": "\"b\" <x>"})));
    assert_eq!(field(map, "{&quot;a&quot;: &quot;b&quot;}"), Ok(json!({"a": "b"})));
    assert_eq!(field(json!({"enum": ["R&D", "Ops"]}), "R&amp;D"), Ok(json!("R&D")));
}

#[test]
fn deep_elements_are_an_error() {
    let deep = format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000));
    assert!(field(json!({"type": "object"}), &deep).is_err_and(|why| why.contains("deeply")));
    assert_eq!(field(json!({"type": "string"}), &deep), Ok(json!(deep)));
}
