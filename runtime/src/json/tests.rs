use serde_json::{Value, json};

use super::{DEPTH, Repair, find, parse, unambiguous};

fn value(text: &str) -> Value {
    parse(text).unwrap_or_else(|flaw| panic!("{text}: {flaw}")).0
}

/// Reads the rows of a file of `tests/corpora`; its README says what they mean.
fn rows(text: &'static str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// True if two values are equal: numbers by value, objects in any order of keys.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn the_corpora_of_malformed_json_are_read_as_their_rows_expect() {
    let Some(files) = crate::repository::corpora(["json_repair", "jsonrepair", "instructor", "langchain"])
    else {
        return;
    };
    let mut wrong = Vec::new();
    let (mut count, mut accepted, mut cuts, mut other) = (0, 0, 0, Vec::new());
    for row in files.into_iter().flat_map(rows).filter(|row| row["kind"] == "json") {
        count += 1;
        let (id, text) = (&row["id"], row["text"].as_str().unwrap());
        let strict = serde_json::from_str::<Value>(text).ok();
        // Valid JSON is read as `serde_json` reads it, whatever a row expects.
        if strict.as_ref().is_some_and(|strict| row["verdict"] == "accept" && !same(strict, &row["expect"])) {
            assert_eq!(Some(value(text)), strict);
            other.push(id.as_str().unwrap().to_owned());
            continue;
        }
        let read = parse(text);
        let cut = row["note"].as_str().is_some_and(|note| note.starts_with("cut"));
        match (row["verdict"].as_str().unwrap(), read) {
            ("accept", Ok((value, repairs))) if same(&value, &row["expect"]) => {
                accepted += 1;
                let strict = serde_json::from_str::<Value>(text.trim()).is_ok();
                assert_eq!(repairs.is_empty(), strict, "{id}: a repair is noted, and only a repair: {text}");
            }
            ("accept", Err(_)) if cut => cuts += 1,
            ("accept", read) => wrong.push(format!("{id} {text:?}: {read:?}, expected {}", row["expect"])),
            ("reject", Ok((value, _))) => wrong.push(format!("{id} {text:?}: {value}, expected an error")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((count, accepted, cuts), (366, 163, 26));
    // By the rules of JSON its text is `value}\\\"more`; the row expects one without the backslash.
    assert_eq!(other, ["jr-0257-51b506e7"]);
}

#[test]
fn the_json_test_suite_is_read_as_serde_json_reads_it() {
    use std::collections::HashMap;
    let digits: HashMap<u8, u32> = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        .iter()
        .copied()
        .zip(0..)
        .collect();
    let decode = |text: &str| -> Vec<u8> {
        let mut bits = 0_u32;
        let mut count = 0;
        let mut out = Vec::new();
        for byte in text.bytes().filter_map(|byte| digits.get(&byte)) {
            bits = bits << 6 | byte;
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
                bits &= (1 << count) - 1;
            }
        }
        out
    };
    let mut counts = HashMap::new();
    let Some([suite]) = crate::repository::corpora(["JSONTestSuite"]) else { return };
    for row in rows(suite) {
        let file = row["source"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let bytes = decode(row["text_b64"].as_str().unwrap());
        let text = String::from_utf8_lossy(&bytes);
        let read = parse(&text);
        *counts.entry(file.chars().next()).or_insert(0) += 1;
        assert_eq!(file.starts_with("y_"), row["verdict"] == "accept", "{file}");
        if row["verdict"] == "accept" {
            let strict: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                read.unwrap_or_else(|flaw| panic!("{}: {flaw}", row["id"])).0,
                strict,
                "{}",
                row["id"]
            );
        }
    }
    assert_eq!(counts, HashMap::from([(Some('y'), 95), (Some('n'), 188), (Some('i'), 35)]));
}

#[test]
fn the_rows_of_the_page_on_answers_are_true() {
    let Some(page) = crate::repository::file("docs/answers.md") else { return };
    let mut count = 0;
    for row in page.lines().filter_map(|line| line.strip_prefix("| JSON | `")) {
        let (text, row) = row.split_once("` | ").unwrap();
        let (expected, mended) = row.trim_end_matches('|').split_once(" |").unwrap();
        match parse(text) {
            Ok((value, repairs)) => {
                assert_eq!(value.to_string(), expected, "{text}");
                let words: Vec<_> = repairs.iter().map(|repair| repair.to_string()).collect();
                for word in mended.trim().split(", ").filter(|word| !word.is_empty()) {
                    assert!(words.iter().any(|mended| mended == word), "{text}: {words:?}");
                }
                assert_eq!(words.is_empty(), mended.trim().is_empty(), "{text}: {words:?}");
            }
            Err(flaw) => assert_eq!(expected, "..", "{text}: {flaw}"),
        }
        count += 1;
    }
    assert!(count > 40, "{count}");
}

#[test]
fn endless_nesting_is_an_error_at_once() {
    for unit in ["[", "{\"a\":", "[{\"a\":", "```[", "{[", "\"["] {
        let text = unit.repeat(200_000 / unit.len());
        let _ = find(&text);
    }
    assert!(find(&"[".repeat(1_000_000)).unwrap_err().to_string().contains("nested"));
    assert_eq!(value(&format!("{}1{}", "[".repeat(127), "]".repeat(127))).to_string().len(), 255);
}

#[test]
fn a_text_that_could_mean_two_things_is_an_error() {
    for text in [
        "{\"a\": }",
        "{a: 1, a: 2}",
        "[1,, 2]",
        "[1, ..., 3]",
        "{1, 2}",
        "{\"a\", \"b\"}",
        "{\"a\": [1}",
        "plain words",
        "",
        "/* no end",
        "False. That is wrong.",
        "{\"key with \"inner\" quotes\": 1}",
    ] {
        let read = parse(text);
        assert!(read.is_err(), "{text}: {read:?}");
    }
}

#[test]
fn valid_json_between_prose_is_read_as_it_stands() {
    let long = "k".repeat(2_000);
    for valid in [
        r#"{"a": "b", "c\"d": 1}"#.to_owned(),
        r#"{"a": 1, "c\"d": "e"}"#.to_owned(),
        format!(r#"{{"a": "b", "{long}": 1}}"#),
        format!(r#"{{"a": true, "{long}": 1}}"#),
        format!("{{\"a\": \"b\",{}\"c\": 1}}", " ".repeat(2_000)),
        "{\"a\": \"\u{7f}\u{85}\"}".to_owned(),
        r#"{"a": "```json\n[1", "b": "```"}"#.to_owned(),
        r#"{"```": "{", "b": "}"}"#.to_owned(),
        r#"{"a": "b c"}"#.to_owned(),
        r#"{"a": "```json [1] ```"}"#.to_owned(),
        r#"{"a": "``` ['x"}"#.to_owned(),
    ] {
        let strict: Value = serde_json::from_str(&valid).unwrap();
        let (read, repairs) = parse(&format!("So: {valid}\nIs that it?")).unwrap();
        assert_eq!(read, strict);
        assert_eq!(repairs.iter().collect::<Vec<_>>(), [Repair::Prose], "{valid}");
    }
}

#[test]
fn a_code_block_goes_before_other_values_unless_it_is_part_of_one() {
    let read = |text: &str| unambiguous(find(text).unwrap()).map(|found| found.value);
    assert_eq!(read("A draft: {\"a\": 1}. ```json {\"a\": 2} ```"), Some(json!({"a": 2})));
    assert_eq!(read("A draft: {a: 1,}. ```json {\"a\": 2} ```"), Some(json!({"a": 2})));
    assert_eq!(read("So: {a: \"```json [1] ```\"} it is."), Some(json!({"a": "```json [1] ```"})));
    // Marks of a block within a text, and what would be half a tuple or too deep behind them.
    assert_eq!(read("So: {\"a ```('x', y\": 1} it is."), Some(json!({"a ```('x', y": 1})));
    let deep = "[".repeat(200);
    assert_eq!(read(&format!("So: {{\"a ```{deep}\": 1}} it is.")), Some(json!({format!("a ```{deep}"): 1})));
    // The list in the block goes on behind it, and the object around it has a flaw itself.
    assert_eq!(read("So: {a: \"``` ['x\"}\nIs that it?"), None);
    assert_eq!(read("```\n42\n```"), Some(json!(42)));
    assert_eq!(read("The answer:\n```json\n42\n```"), Some(json!(42)));
    assert_eq!(read("```objective-c++\n42\n```"), Some(json!(42)));
}

#[test]
fn a_value_nested_too_deeply_is_an_error_whatever_follows_it() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for text in [format!("{deep} {{\"a\": 1}}"), format!("```{deep}``` ```{{\"a\": 1}}```")] {
        assert!(find(&text).unwrap_err().to_string().contains("nested"));
    }
}

#[test]
fn mended_values_are_read_down_to_the_limit_of_nesting() {
    let nested = |levels: usize| format!("{}a{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(&nested(DEPTH)).is_ok());
    assert!(parse(&nested(DEPTH + 1)).unwrap_err().to_string().contains("nested"));
}

#[test]
fn a_point_is_no_number() {
    assert_eq!(value("{a: ., b: -., c: .5}"), json!({"a": ".", "b": "-.", "c": 0.5}));
}

#[test]
fn a_lone_literal_is_found_at_its_place() {
    let found = find(" \u{a0}True\u{a0} ").unwrap().remove(0);
    assert_eq!((found.start, found.end, found.value), (3, 7, json!(true)));
}

#[test]
fn a_backslash_begins_an_unquoted_text_unless_a_quote_follows_it() {
    assert_eq!(value(r#"{a: \d, b: \"c\"}"#), json!({"a": r"\d", "b": "c"}));
}

#[test]
fn an_unquoted_text_may_contain_brackets_quotes_and_commas_before_no_key() {
    for (text, expected) in [
        ("[see [1, 2] there, b]", json!(["see [1, 2] there", "b"])),
        ("[it is 'so' here, b]", json!(["it is 'so' here", "b"])),
        ("[5'4, x]", json!(["5'4", "x"])),
        ("{a: 5'4, b: x}", json!({"a": "5'4", "b": "x"})),
        ("{a: note b: 1}", json!({"a": "note b: 1"})),
        ("{a: see foo, bar baz: 1}", json!({"a": "see foo, bar baz: 1"})),
        (
            "{a: -_1, b: 1_, c: 1__0, d: ._1, e: 1_000}",
            json!({"a": "-_1", "b": "1_", "c": "1__0", "d": "._1", "e": 1000}),
        ),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
    assert!(parse("{a: b ] c}").unwrap_err().to_string().contains("closes nothing"));
    assert!(parse("{\\a: 1}").unwrap_err().to_string().contains("expected a key"));
}

#[test]
fn a_forgotten_comma_is_seen_before_a_text_a_number_and_a_container() {
    assert_eq!(value(r#"["a" "b" 1, "c" 2, "d" {"e": 3} "f" [4]]"#).as_array().unwrap().len(), 9);
    // In an object, a comma between quotes counts only before a key.
    let inner = r#"{"a": "b", "c", "d": 1}"#;
    for behind in ["", &" ".repeat(400)] {
        assert_eq!(value(&format!("{inner}{behind}")), json!({"a": "b\", \"c", "d": 1}));
    }
}

#[test]
fn every_escape_of_json_is_read_in_mended_json_too() {
    assert_eq!(value(r#"{a: "\b\f\n\r\t\/\\\u0041"}"#), json!({"a": "\u{8}\u{c}\n\r\t/\\A"}));
}

#[test]
fn the_lookahead_may_end_within_a_character() {
    for pad in ["", "x", "xx", "xxx"] {
        let text = format!("{pad}{}", "🦀".repeat(1_000));
        assert_eq!(value(&format!("{{a: \"b\", c: \"{text}\"}}")), json!({"a": "b", "c": text}));
    }
}

#[test]
fn half_a_pair_of_surrogates_stays_as_written() {
    assert_eq!(value(r#"{a: "\ud83e\udd80 \ud83e x"}"#), json!({"a": "🦀 \\ud83e x"}));
}

#[test]
fn each_flaw_is_noted() {
    for (text, repair) in [
        ("```json\n[1]\n```", Repair::Fence),
        ("```\n42\n```", Repair::Fence),
        ("so: [1].", Repair::Prose),
        ("[1 /* one */]", Repair::Comment),
        ("['a']", Repair::Quotes),
        ("{a: 1}", Repair::Unquoted),
        (r#"["a "b" c"]"#, Repair::InnerQuote),
        ("[\"a\tb\"]", Repair::ControlCharacter),
        (r#"["\d",]"#, Repair::Escape),
        ("[1 \"a\"]", Repair::MissingComma),
        ("{\"a\" 1}", Repair::MissingColon),
        ("[1,]", Repair::ExtraComma),
        ("[True]", Repair::PythonLiteral),
        ("[1_000]", Repair::Number),
        ("{\"a\":1,\"a\":1,}", Repair::DoubleKey),
        ("[1,\u{a0}2]", Repair::Blank),
        ("[1\u{2028}]", Repair::Blank),
        ("\u{200b}[]", Repair::Blank),
    ] {
        let (_, repairs) = parse(text).unwrap_or_else(|flaw| panic!("{text}: {flaw}"));
        assert!(repairs.contains(repair), "{text}: {repairs:?}");
    }
    assert!(find("[1").unwrap()[0].is_truncated());
    let mut several = parse("[1,]").unwrap().1;
    several.extend(parse("True").unwrap().1);
    assert_eq!(several.iter().collect::<Vec<_>>(), [Repair::ExtraComma, Repair::PythonLiteral]);
    assert_eq!(parse("True").unwrap().1.iter().collect::<Vec<_>>(), [Repair::PythonLiteral]);
}
