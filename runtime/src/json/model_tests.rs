//! Tests of JSON as models write it: backslashes, quotes, parentheses, joined texts.

use serde_json::{Value, json};

use super::{Repair, Repairs, parse};

fn read(text: &str) -> (Value, Repairs) {
    parse(text).unwrap_or_else(|flaw| panic!("{text}: {flaw}"))
}

fn refuse(texts: &[&str]) {
    for text in texts {
        let read = parse(text);
        assert!(read.is_err(), "{text}: {read:?}");
    }
}

#[test]
fn one_unknown_escape_keeps_every_backslash_of_the_value() {
    for (text, expected) in [
        (r#"{"text": "A = \pi r^2, \frac{a}{b}"}"#, json!({"text": r"A = \pi r^2, \frac{a}{b}"})),
        (r#"{"text": "\bword\b \d+"}"#, json!({"text": r"\bword\b \d+"})),
        (r#"{"text": "\sum \beta"}"#, json!({"text": r"\sum \beta"})),
        (r#"{"text": "\beta \sum"}"#, json!({"text": r"\beta \sum"})),
        (r#"{'text': '\d \b it\'s \"so\" \\ \/'}"#, json!({"text": r#"\d \b it's "so" \ /"#})),
        (r#"["\bword\b", "\d+"]"#, json!([r"\bword\b", r"\d+"])),
        (r#"["\d+", "line\nline"]"#, json!([r"\d+", "line\nline"])),
        (r#"{"\frac \d": 1}"#, json!({r"\frac \d": 1})),
        (r#"["""\d "x" \b"""]"#, json!([r#"\d "x" \b"#])),
        (r#"{a: `\d \f \` x`}"#, json!({"a": r"\d \f ` x"})),
        (r#"{"path": "C:\Users\bob\Desktop"}"#, json!({"path": r"C:\Users\bob\Desktop"})),
        (r#"{"path": "D:\_build\final"}"#, json!({"path": r"D:\_build\final"})),
        (r#"{"a": "\underline{x}"}"#, json!({"a": r"\underline{x}"})),
        (r#"'\d \beta'"#, json!(r"\d \beta")),
    ] {
        let (value, repairs) = read(text);
        assert_eq!(value, expected, "{text}");
        assert!(repairs.contains(Repair::Escape), "{text}: {repairs:?}");
    }
}

#[test]
fn a_text_with_an_unknown_escape_and_a_known_one_is_an_error() {
    refuse(&[
        r#"{"text": "C:\Users\nina\test"}"#,
        r#"{"text": "\alpha \neq \theta"}"#,
        r#"{"text": "\neq \alpha"}"#,
        r#"{'text': '\d\t'}"#,
        r#"["""\d \r"""]"#,
        r#"{"text": "\d \u00e9"}"#,
        r#"{"\d\n": 1}"#,
        // Here `\b` stays as written.
        r#"["\d", "\beta \nu"]"#,
        r#"{a: `\d \n`}"#,
        // The values inside of it are not read by themselves.
        r#"{"text": "\d\n", "inner": {"text": "x"}, "list": [1]}"#,
    ]);
    assert!(parse(r#"["\d\n"]"#).is_err());
}

#[test]
fn valid_json_with_a_control_character_before_a_letter_is_flagged() {
    for text in [r#"{"text": "\frac{a}{b}"}"#, r#"["\beta"]"#, r#"{"\form": 1}"#, r#"["\\\\\\\bx"]"#] {
        let strict: Value = serde_json::from_str(text).unwrap();
        for framed in [text.to_owned(), format!("So: {text}"), format!("```\n{text}\n```")] {
            let (value, repairs) = read(&framed);
            assert_eq!(value, strict, "{framed}");
            assert!(repairs.contains(Repair::DoubtfulEscape), "{framed}: {repairs:?}");
            assert!(!repairs.contains(Repair::Escape), "{framed}: {repairs:?}");
        }
    }
    for text in [r#"["\b", "\f 1", "\\beta", "\\\\frac", "\u0008x", "a\nb"]"#, r#"{"\\b": "\\f"}"#] {
        assert!(read(text).1.is_empty(), "{text}");
    }
}

#[test]
fn half_a_quotation_is_an_error_in_objects_and_lists() {
    refuse(&[
        r#"{"text": "She said "go", "stop": both"}"#,
        r#"{"text": "use "a", "b": 1"}"#,
        r#"{"text": ""go", "stop": both"}"#,
        r#"{"text": "She said "go", "stop": "both""}"#,
        r#"{"text": "She said "go", "stop": "both"}"#,
        r#"{"text": "use "a" or "b", "c": 1}"#,
        r#"{"text": "see "x" and", "b": both"}"#,
        r#"{"text": "say "a", "b": "c" now", "n": 2}"#,
        r#"{"text": "say (“go”) "x "y": 1}"#,
        r#"{'text': 'She said 'go', 'stop': both'}"#,
        r#"{“text”: “She said “go”, “stop”: both”}"#,
        r#"["he said "go", then left", "b"]"#,
        r#"["he said "go", "stop"]"#,
        r#"[{"text": "She said "go", "stop": both"}, {"text": "x"}]"#,
        r#"{"a": 1, "text": "use "a", "b": 1", "c": {"text": "x"}}"#,
        r#"{"text": "answer {"a": "5"}", "b": 1}"#,
        "{a: Hello {name}, b: 1}",
        "{a: f(x, b: 1}",
        "[a :(, b]",
        r#""a", "b""#,
        r#""Dune" and "Emma""#,
    ]);
}

#[test]
fn paired_quotes_inch_marks_and_apostrophes_stay_in_the_text() {
    for (text, expected) in [
        (r#"{"text": "use "a", then "b": 1"}"#, json!({"text": r#"use "a", then "b": 1"#})),
        (
            r#"{"text": "She said "go" and left", "n": 1}"#,
            json!({"text": r#"She said "go" and left"#, "n": 1}),
        ),
        (r#"{"text": "a 5" pipe", "n": 1}"#, json!({"text": r#"a 5" pipe"#, "n": 1})),
        (r#"{"code": "print("a", "b")", "n": 1}"#, json!({"code": r#"print("a", "b")"#, "n": 1})),
        (r#"{'text': 'it's the dogs' bone', 'n': 1}"#, json!({"text": "it's the dogs' bone", "n": 1})),
        (r#"{"a": "[LINK]("https://a.b")"}"#, json!({"a": r#"[LINK]("https://a.b")"#})),
        (r#"{"a": "<a href="x" class="y">z</a>"}"#, json!({"a": r#"<a href="x" class="y">z</a>"#})),
        ("{a: it's fine :), b: 5'4}", json!({"a": "it's fine :)", "b": "5'4"})),
        (r#"{"board": "2" by 4"", "n": 1}"#, json!({"board": r#"2" by 4""#, "n": 1})),
        (r#"{"a": "(x)"y" and "z".", "n": 1}"#, json!({"a": r#"(x)"y" and "z"."#, "n": 1})),
    ] {
        assert_eq!(read(text).0, expected, "{text}");
    }
}

#[test]
fn quotes_that_come_in_no_pairs_are_an_error_where_one_may_be_the_end() {
    refuse(&[
        r#"{"text": "."stop"said "go", use : "a"", "more": "x"}"#,
        r#"{"text": ""go"5"b""stop": "a"((", "more": "x"}"#,
        r#"{"more": "  + )"stop""stop": "go""}"#,
        r#"{"text": "say go", "a": "b"", "n": 1}"#,
        r#"{"text": "she said "go, "n": 1}"#,
        r#"{"text": "and"a""a": "b"bothuse "a"", "more": "5"}"#,
        r#"{"text": "5" and "b"", n: 1}"#,
    ]);
}

#[test]
fn tuples_and_values_in_parentheses_are_read_as_in_python() {
    for (text, expected) in [
        ("('a', 'b')", json!(["a", "b"])),
        ("(1, 2)", json!([1, 2])),
        ("(1, 2);", json!([1, 2])),
        ("('a',)", json!(["a"])),
        ("('a')", json!("a")),
        ("()", json!([])),
        ("[('a', 1), (\"b\", 2)]", json!([["a", 1], ["b", 2]])),
        ("{'point': (1, (2, 3)), 'none': ()}", json!({"point": [1, [2, 3]], "none": []})),
        ("{'a': (1), 'b': ({'c': 1}, None)}", json!({"a": 1, "b": [{"c": 1}, null]})),
        ("[(a, b), (c, d)]", json!([["a", "b"], ["c", "d"]])),
        ("```python\n(1, 2)\n```", json!([1, 2])),
        ("(a, b)", json!(["a", "b"])),
        ("({'a': 1})", json!({"a": 1})),
    ] {
        let (value, repairs) = read(text);
        assert_eq!(value, expected, "{text}");
        assert!(repairs.contains(Repair::PythonLiteral), "{text}: {repairs:?}");
    }
    refuse(&[
        "('a' 'b')",
        "('a' 'b', [1])",
        "('a', 'b') and ('c', 'd')",
        "([1], 'x') and",
        "('a', 'b'",
        "[('a', 'b'), ('c', 'd'",
        "[('a', 1) x, 2]",
        "{'a': (1, 2) or 3, 'b': 1}",
        "('a', , 'b')",
        "('a', 'b']",
        "```\n(1, 2), (3, 4)\n```",
    ]);
}

#[test]
fn parentheses_and_plus_signs_in_texts_stay() {
    for (text, expected) in [
        ("[Paris (France), vitamin C + D]", json!(["Paris (France)", "vitamin C + D"])),
        ("[Paris (France, EU), b]", json!(["Paris (France, EU)", "b"])),
        ("{a: Paris (France), b: C + D}", json!({"a": "Paris (France)", "b": "C + D"})),
        ("{a: (see below), b: 1}", json!({"a": "(see below)", "b": 1})),
        ("[(555) 123-4567, (555) 999-1111]", json!(["(555) 123-4567", "(555) 999-1111"])),
        ("[\"(a)\", \"a + b\", \"(1, 2)\"]", json!(["(a)", "a + b", "(1, 2)"])),
        (r#"{"a": "say "a" + "b" now"}"#, json!({"a": r#"say "a" + "b" now"#})),
    ] {
        assert_eq!(read(text).0, expected, "{text}");
    }
    // The words before an object are prose, also in parentheses.
    assert_eq!(read("(Note, as asked) {\"a\": 1}").0, json!({"a": 1}));
    assert_eq!(read("(a, b) {\"a\": 1}").0, json!({"a": 1}));
    assert_eq!(read("(1) {\"a\": 1}").0, json!({"a": 1}));
}

#[test]
fn an_ordered_dictionary_is_an_object() {
    for (text, expected) in [
        ("OrderedDict([('a', 1), ('b', [2])])", json!({"a": 1, "b": [2]})),
        ("OrderedDict({'a': 1})", json!({"a": 1})),
        ("{'x': OrderedDict([('a', OrderedDict())]), 'y': 1}", json!({"x": {"a": {}}, "y": 1})),
        ("[OrderedDict([(1, 'a')])]", json!([{"1": "a"}])),
        ("Here: OrderedDict([('a', 1)]).", json!({"a": 1})),
        ("```python\nOrderedDict([('a', 1)])\n```", json!({"a": 1})),
    ] {
        let (value, repairs) = read(text);
        assert_eq!(value, expected, "{text}");
        assert!(repairs.contains(Repair::PythonLiteral), "{text}: {repairs:?}");
    }
    refuse(&[
        "OrderedDict([('a', 1), ('a', 2)])",
        "OrderedDict([('a', 1), ('b'",
        "OrderedDict([('a', 1), 'b'])",
        "OrderedDict([1, 2])",
        "{'x': OrderedDict(a=1), 'y': 1}",
        "{'x': Counter({'a': 1}), 'y': 1}",
    ]);
}

#[test]
fn texts_that_a_plus_joins_are_one_text() {
    for (text, expected) in [
        (r#"{"answer": "Par" + "is"}"#, json!({"answer": "Paris"})),
        (r#"["a" + "b"]"#, json!(["ab"])),
        ("{\"text\": \"a \" +\n  \"b\"}", json!({"text": "a b"})),
        (r#"{"a": "x" + 'y' + "z", "b": 1}"#, json!({"a": "xyz", "b": 1})),
        (r#"{"a": "Hello "+"world", "b": "a" /* one */ + "b"}"#, json!({"a": "Hello world", "b": "ab"})),
        (r#"{"a": ("Par" + "is")}"#, json!({"a": "Paris"})),
        (r#""Par" + "is""#, json!("Paris")),
        (r#""see [1]" + " and [2]""#, json!("see [1] and [2]")),
    ] {
        let (value, repairs) = read(text);
        assert_eq!(value, expected, "{text}");
        assert!(repairs.contains(Repair::Joined), "{text}: {repairs:?}");
    }
    refuse(&[
        r#"{"a": "Par" + x}"#,
        r#"{"a": "Par" + x, "b": "c"}"#,
        r#"{"a": "Par" + 1}"#,
        r#"["a" + b]"#,
        r#"{"a": "press the "+" key"}"#,
        r#"{"a": "use " + " to join"}"#,
        r#"{"a": "x" + "y" z"}"#,
        r#""a" + b"#,
    ]);
}

#[test]
fn hostile_parentheses_joins_and_backslashes_take_linear_time() {
    for unit in
        ["(", "('a', ", "[(1, ", "\"a\" + ", "\\d\\b", "{\"a\": (", "OrderedDict([(", "(1 ", "(\"", "' + '"]
    {
        for before in ["", "[", "{\"a\": \"", "["] {
            let text = before.to_owned() + &unit.repeat(40_000 / unit.len());
            let _ = super::find(&text);
        }
    }
}
