//! Measures how the time of reading an answer grows with its length, for valid, cut and hostile text in every form. Linear is 2.0
//! for twice the text; the goal is 2.2 up to 16 MiB. A single step varies with the machine's load, hence the last column.
//!
//! `just growth` runs it, with a limit in MiB and a filter of row names. Each time is processor time, the least of several runs. The
//! allocator keeps its memory there, so that the system's handing out of pages is not measured, which alone makes `serde_json`'s row
//! 2.4.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

#[path = "shared/document.rs"]
mod document;

use std::{hint::black_box, time::Duration};

use cpu_time::ThreadTime;
use karat::{ChatAdapter, JsonAdapter, Predict, Signature, XmlAdapter, adapter::Adapter};
use serde_json::Value;

use self::document::{Any, AnyInput, List, ListInput, document};

/// Units of JSON text: each is repeated to the wanted length, as the answer in JSON and as a field's text.
const JSON: [&str; 18] = [
    "[",
    "\"a\",",
    "```{",
    "```",
    "[\"/*",
    "{}{}",
    "{a:b, c ",
    "{\"a\": \"b \"c\" d\", ",
    "{a: b\n c",
    "[\"a\" \"",
    "{#\n",
    "[1 \"",
    "{\"a\" \"b\" ",
    "[a \\\"",
    "{\"a\":\"\\u00e9\\",
    "[\"\"\"a\" ",
    "{\"a\": 1, \"a\": 2, \"b\": ",
    "\u{200b}[\u{2028}",
];

/// Units of text with field markers.
const CHAT: [&str; 13] = [
    "[[ ",
    "[[ ## ",
    "[ [\t#\u{a0}# words",
    "[[ \\\\",
    "[[ ## words ## ]]",
    "[[ ## words ## ]]\n",
    "x [[ ## words ## ]]\n",
    "[[ ## Other Words ## ]] ",
    "[[ ## words ## ]] a [[ ## completed ## ]]\n",
    "*_`- > ",
    "```\n",
    "[[ ## words ## ]]\n[\"a\"]\n\n",
    "[[ ## WORDS ## ]]\n",
];

/// Units of text with elements.
const XML: [&str; 10] = [
    "<",
    "<words",
    "<words>",
    "<words>a</words>",
    "</words>",
    "<words a='",
    "&#1",
    "<words><item>",
    "<item>",
    "<WORDS>",
];

/// Makes a text of this many bytes.
type Text = Box<dyn Fn(usize) -> String>;

/// Reads a text.
type Read = Box<dyn Fn(&str)>;

fn main() {
    let given = || std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let most = given().find_map(|given| given.parse().ok()).unwrap_or(16);
    let wanted = given().find(|given| given.parse::<usize>().is_err()).unwrap_or_default();
    let sizes: Vec<_> = [1, 2, 4, 8, 16].into_iter().filter(|size| *size <= most).collect();
    let heads: Vec<_> = sizes.iter().map(|size| format!("{size} MiB")).collect();
    println!("\n| text | {} | greatest ratio | over all |", heads.join(" | "));
    println!("|---|{}---|---|", "---|".repeat(sizes.len()));
    for (name, text, read) in rows() {
        if name.contains(&wanted) {
            let texts: Vec<_> = sizes.iter().map(|size| text(size << 20)).collect();
            let times = times(&texts, &read);
            let ratios = times.windows(2).map(|pair| pair[1].as_secs_f64() / pair[0].as_secs_f64());
            let shown: Vec<_> = times.iter().map(|time| format!("{time:.1?}")).collect();
            let greatest = ratios.fold(0.0, f64::max);
            println!("| {name} | {} | {greatest:.2} | {:.2} |", shown.join(" | "), over_all(&times));
        }
    }
}

/// Mean growth for each doubling, from the first time to the last.
fn over_all(times: &[Duration]) -> f64 {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return 0.0 };
    (last.as_secs_f64() / first.as_secs_f64()).powf(1.0 / (times.len() - 1).max(1) as f64)
}

/// Measures the least time of each text. All sizes take turns, so that a slower moment of the machine affects them alike.
fn times(texts: &[String], read: &Read) -> Vec<Duration> {
    let mut least = vec![Duration::MAX; texts.len()];
    for _ in 0..RUNS {
        for (text, least) in texts.iter().zip(&mut least) {
            let start = ThreadTime::now();
            read(black_box(text));
            *least = start.elapsed().min(*least);
        }
    }
    least
}

const RUNS: usize = 4;

fn rows() -> Vec<(String, Text, Read)> {
    let floor = |text: &str| drop(black_box(serde_json::from_str::<Value>(text)));
    let object = |bytes| format!("{{\"value\": {}}}", document(bytes));
    let below = |bytes| format!("[[ ## value ## ]]\n{}", document(bytes));
    let element = |bytes| format!("<value>{}</value>", document(bytes));
    let prose = |bytes| "Words, and \"words\" in quotes. ".repeat(bytes / 30);
    let cut = |make: fn(usize) -> String| -> Text {
        Box::new(move |bytes| {
            let mut text = make(bytes);
            let nine_tenths = text.len() * 9 / 10;
            text.truncate((nine_tenths..).find(|end| text.is_char_boundary(*end)).unwrap_or_default());
            text
        })
    };
    let mut rows: Vec<(String, Text, Read)> = vec![
        ("valid, `serde_json` alone".into(), Box::new(object), Box::new(floor)),
        ("JSON: valid".into(), Box::new(object), any(JsonAdapter)),
        (
            "JSON: valid, in prose".into(),
            Box::new(move |bytes| format!("So: {}\nThat is it.", object(bytes))),
            any(JsonAdapter),
        ),
        ("JSON: cut".into(), cut(object), any(JsonAdapter)),
        ("JSON: prose".into(), Box::new(prose), any(JsonAdapter)),
        ("chat: valid".into(), Box::new(below), any(ChatAdapter)),
        ("chat: cut".into(), cut(below), any(ChatAdapter)),
        ("chat: prose".into(), Box::new(prose), any(ChatAdapter)),
        ("XML: valid".into(), Box::new(element), any(XmlAdapter)),
        ("XML: cut".into(), cut(element), any(XmlAdapter)),
        ("XML: prose".into(), Box::new(prose), any(XmlAdapter)),
    ];
    for unit in JSON {
        rows.push((format!("JSON: `{}`", unit.escape_debug()), repeated("", unit), list(JsonAdapter)));
        let text = repeated("[[ ## words ## ]]\n", unit);
        rows.push((format!("a field's text: `{}`", unit.escape_debug()), text, list(ChatAdapter)));
    }
    for unit in CHAT {
        rows.push((format!("chat: `{}`", unit.escape_debug()), repeated("", unit), list(ChatAdapter)));
    }
    for unit in XML {
        rows.push((format!("XML: `{}`", unit.escape_debug()), repeated("", unit), list(XmlAdapter)));
    }
    rows
}

fn repeated(head: &'static str, unit: &'static str) -> Text {
    Box::new(move |bytes| head.to_owned() + &unit.repeat(bytes / unit.len()))
}

fn any(adapter: impl Adapter) -> Read {
    let input = AnyInput { text: "x".into() };
    reader(Predict::<Any>::new().adapter(adapter), input)
}

fn list(adapter: impl Adapter) -> Read {
    let input = ListInput { text: "x".into() };
    reader(Predict::<List>::new().adapter(adapter), input)
}

fn reader<S: Signature>(predict: Predict<S>, input: S::Input) -> Read {
    Box::new(move |text| drop(black_box(predict.parse(&input, text))))
}
