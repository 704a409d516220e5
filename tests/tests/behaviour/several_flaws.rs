//! Tests of several flaws in one answer: each is mended as if it were alone, whole and streamed.

use std::{collections::BTreeMap, fmt::Debug};

use karat::{
    ChatAdapter, JsonAdapter, TerseAdapter, XmlAdapter, adapter::Adapter, field::Repair, lm::Finish,
    signature,
};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value_ends::outcome;

/// Answer.
#[signature]
#[derive(PartialEq)]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

/// List.
#[signature]
#[derive(PartialEq)]
struct List {
    #[input]
    question: String,
    #[output]
    items: Vec<String>,
}

/// Give the prices.
#[signature]
#[derive(PartialEq)]
struct Prices {
    #[input]
    question: String,
    #[output]
    prices: Vec<Decimal>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Lang {
    #[serde(rename = "C")]
    C,
    #[serde(rename = "C++")]
    Plus,
    #[serde(rename = "C#")]
    Sharp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Person {
    name: String,
    lang: Option<Lang>,
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default, alias = "yrs")]
    age: Option<u8>,
}

/// Describe them.
#[signature]
#[derive(PartialEq)]
struct People {
    #[input]
    question: String,
    #[output]
    who: Person,
    #[output]
    langs: BTreeMap<u32, Lang>,
}

/// Reads a reply, and returns the output and the flaws of its first field.
macro_rules! read {
    ($signature:ident, $input:ident, $adapter:expr, $reply:expr, $finish:expr) => {{
        let input = $input { question: "q".into() };
        let outcome = Box::pin(outcome::<$signature>($adapter, input, $reply, $finish)).await;
        outcome.map(|read| {
            let repairs: Vec<Repair> =
                read.repairs().iter().flat_map(|(_, repairs)| repairs.iter()).collect();
            (read.into_inner(), repairs)
        })
    }};
}

fn shown<T: Debug, E>(outcome: Result<(T, Vec<Repair>), E>) -> Option<String> {
    outcome.ok().map(|(value, _)| format!("{value:?}"))
}

async fn answer(adapter: impl Adapter + Clone, reply: &str) -> Option<String> {
    read!(Qa, QaInput, adapter, reply, Finish::Stop).ok().map(|(read, _)| read.answer)
}

#[tokio::test]
async fn an_answer_behind_reasoning_in_a_code_block_with_an_end_token_is_read() {
    let chat = [
        "<think>hm [[ ## answer ## ]] Lyon</think>\n```\n[[ ## answer ## ]]\nParis\n[[ ## completed ## ]]\n```<|im_end|>",
        "hm\n[[ ## answer ## ]]\nLyon\n</think>\n[[ ## answer ## ]]\nParis\n[[ ## completed ## ]]</s>",
        "<think>x</think>[[ ## answer ## ]]\nParis\n[[ ## note ## ]]\nnone<|im_end|>",
        "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>[[ ## answer ## ]]\nParis<|im_end|>",
    ];
    for reply in chat {
        assert_eq!(answer(ChatAdapter, reply).await.as_deref(), Some("Paris"), "{reply}");
    }
    let xml = [
        "Maybe <answer>Lyon</answer>\n</Thought>\n```xml\n<answer>Paris</answer>\n```</s>",
        "<think time=\"5\"><answer>Lyon</answer></think><answer>Paris<|im_end|></answer>",
        "<thinking>I <answer>Lyon</answer></thinking>\n<answer>Paris</answer><|im_end|>\n<|im_start|>user\n<answer>Rome</answer>",
    ];
    for reply in xml {
        assert_eq!(answer(XmlAdapter, reply).await.as_deref(), Some("Paris"), "{reply}");
    }
    let json = [
        "Maybe {\"answer\": \"Lyon\"}\n</THINK>\n```json\n{\"answer\": \"Paris\"}\n```<|im_end|>",
        "<think>t</think>{\"name\": \"Qa\", \"parameters\": {\"answer\": \"Paris\"}}<|eom_id|>",
        "<think>t</think>\n[{'answer': \"Par\" + \"is\",}]<|eot_id|><|start_header_id|>user<|end_header_id|>{\"answer\": \"Rome\"}",
    ];
    for reply in json {
        assert_eq!(answer(JsonAdapter, reply).await.as_deref(), Some("Paris"), "{reply}");
    }
    let terse = [
        "Answer: Lyon\nno\n[/THINK]\nAnswer: Paris<|eot_id|>",
        "◁think▷Answer: Lyon◁/think▷Answer: Paris<|im_end|>\n<|im_start|>user\nAnswer: Rome",
    ];
    for reply in terse {
        assert_eq!(answer(TerseAdapter, reply).await.as_deref(), Some("Paris"), "{reply}");
    }
}

#[tokio::test]
async fn a_number_for_a_text_keeps_its_digits_in_harmony_and_in_a_wrapped_answer() {
    for reply in [
        "<|channel|>analysis<|message|>{\"answer\": 41}<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>{\"answer\": 1.50}<|return|>",
        "<think>{\"answer\": 2}</think>{\"json_input\": {\"answer\": 1.50}}</s>",
        "\"{\\\"answer\\\": 1.50}\"",
    ] {
        assert_eq!(answer(JsonAdapter, reply).await.as_deref(), Some("1.50"), "{reply}");
    }
}

#[tokio::test]
async fn a_cut_answer_is_truncated_behind_reasoning_and_when_wrapped() {
    let cut = |outcome: karat::Result<(QaOutput, Vec<Repair>)>, reply: &str| {
        let error = outcome.expect_err(reply);
        assert!(error.is_truncated(), "{reply}: {error}");
    };
    for reply in [
        "<think>a</think>[[ ## answer ## ]]\nPar",
        "[[ ## answer ## ]]\nParis<|im_e",
        "[[ ## answer ## ]]\nLyon\n[[ ## completed ## ]]\n</think>\n[[ ## answer ## ]]\nPar",
    ] {
        cut(read!(Qa, QaInput, ChatAdapter, reply, Finish::Length), reply);
    }
    for reply in [
        "{\"r\": {\"answer\": \"Paris\"}",
        "[{\"answer\": \"Paris\"}",
        "{\"answer\": \"Lyon\"} Wait. {\"answer\": \"Par",
        "{\"answer\": \"Lyon\"}</think>{\"answer\": \"Par",
        "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>{\"answer\": \"Par",
    ] {
        cut(read!(Qa, QaInput, JsonAdapter, reply, Finish::Length), reply);
    }
}

#[tokio::test]
async fn digits_are_kept_in_lists_of_every_form() {
    let both = Some("PricesOutput { prices: [12345678901234567.89, 1.10] }".to_owned());
    for reply in [
        "{\"r\": {\"prices\": [12345678901234567.89, \"1.10\"]}}",
        "{'prices': (12345678901234567.89, 1.10)}</s>",
        "{\"prices\": \"[12345678901234567.89, 1.10]\"}",
    ] {
        let read = shown(read!(Prices, PricesInput, JsonAdapter, reply, Finish::Stop));
        assert_eq!(read, both, "{reply}");
    }
    let reply = "[[ ## prices ## ]]\n- 12345678901234567.89\n- 1.10<|im_end|>";
    assert_eq!(shown(read!(Prices, PricesInput, ChatAdapter, reply, Finish::Stop)), both);
    let reply = "<prices>12345678901234567.89</prices><prices>1.10</prices>";
    assert_eq!(shown(read!(Prices, PricesInput, XmlAdapter, reply, Finish::Stop)), both);
    let reply = "Prices: [12345678901234567.89, 1.10]</s>";
    assert_eq!(shown(read!(Prices, PricesInput, TerseAdapter, reply, Finish::Stop)), both);
}

#[tokio::test]
async fn one_number_for_a_list_keeps_its_digits() {
    let one = Some("PricesOutput { prices: [12345678901234567.89] }".to_owned());
    let reply = "{\"prices\": 12345678901234567.89}";
    assert_eq!(shown(read!(Prices, PricesInput, JsonAdapter, reply, Finish::Stop)), one);
    let reply = "[[ ## prices ## ]]\n12345678901234567.89";
    assert_eq!(shown(read!(Prices, PricesInput, ChatAdapter, reply, Finish::Stop)), one);
}

#[tokio::test]
async fn signs_of_names_count_in_structs_and_maps_whatever_else_is_mended() {
    let people = |lang: &str| {
        format!(
            "<think>C?</think>{{\"out\": {{'who': {{\"name\": 42, \"lang\": \"{lang}\", \"ids\": \"- a\\n- b\", \"yrs\": \"36\"}}, \
             \"langs\": {{\"1\": \"{lang}\"}}}}}}<|im_end|>"
        )
    };
    for (lang, meant) in [("c#", Some("Sharp")), ("C++", Some("Plus")), ("C #", None), ("C+", None)] {
        let reply = people(lang);
        let read = shown(read!(People, PeopleInput, JsonAdapter, &reply, Finish::Stop));
        let expected = meant.map(|meant| {
            format!(
                "PeopleOutput {{ who: Person {{ name: \"42\", lang: Some({meant}), ids: [\"a\", \"b\"], age: Some(36) }}, \
                 langs: {{1: {meant}}} }}"
            )
        });
        assert_eq!(read, expected, "{reply}");
    }
}

async fn list(adapter: impl Adapter + Clone, reply: &str) -> Option<(Vec<String>, Vec<Repair>)> {
    read!(List, ListInput, adapter, reply, Finish::Stop).ok().map(|(read, repairs)| (read.items, repairs))
}

#[tokio::test]
async fn a_list_or_nothing_among_repeated_elements_is_no_item() {
    for (reply, items) in [
        ("<items>a</items><items></items>", Some(&["a"][..])),
        ("<items/><items>a</items><items>b</items>", Some(&["a", "b"])),
        ("<items></items><items></items>", Some(&[])),
        // The first of several lists counts.
        ("<items>- a\n- b</items><items>- c\n- d</items>", Some(&["a", "b"])),
        ("<items>('a', 'b')</items><items>c</items>", Some(&["a", "b"])),
        ("<items>a</items><items>1. b\n2. c</items>", None),
        ("<items>a</items><items>('b', 'c')</items>", None),
        ("<items></items><items>- a\n- b</items>", None),
        ("<items>a (b)</items><items>(c)</items>", Some(&["a (b)", "(c)"])),
    ] {
        let read = list(XmlAdapter, reply).await;
        let expected = items.map(|items| items.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read.as_ref().map(|(items, _)| items), expected.as_ref(), "{reply}");
        assert!(read.is_none_or(|(_, repairs)| repairs.contains(&Repair::DoubleField)), "{reply}");
    }
}

#[tokio::test]
async fn a_bracketed_number_within_a_text_is_no_list_of_texts() {
    for text in ["• see [1]\n\nand so", "As [1] says", "See [1, 2]."] {
        let reply = format!("[[ ## items ## ]]\n{text}");
        assert_eq!(list(ChatAdapter, &reply).await, None, "{text}");
    }
    let reply = "[[ ## items ## ]]\nHere: [\"a\", 1.0]";
    assert_eq!(list(ChatAdapter, reply).await.unwrap().0, ["a", "1.0"]);
}

#[tokio::test]
async fn an_object_with_escaped_quotes_has_its_escapes_doubled() {
    for (reply, text) in [
        (r#"{\"answer\": \"Par\\nis\"}"#, "Par\nis"),
        (r#"{\"answer\": \"say \\\"hi\\\" now\"}"#, "say \"hi\" now"),
        (r#"{\"answer\": \"a\\\\b\"}"#, "a\\b"),
        (r#"{\"answer\": \"a\nb \u00e9\"}"#, "a\nb é"),
    ] {
        assert_eq!(answer(JsonAdapter, reply).await.as_deref(), Some(text), "{reply}");
    }
}

#[tokio::test]
async fn a_second_opening_tag_without_an_end_is_flagged() {
    let reply = "<answer>Lyon</answer> Wait. <answer>Par";
    let (read, repairs) = read!(Qa, QaInput, XmlAdapter, reply, Finish::Stop).unwrap();
    assert_eq!((&*read.answer, &*repairs), ("Lyon", &[Repair::DoubleField][..]));
}

#[tokio::test]
async fn an_end_token_behind_a_foreign_marker_leaves_it_alone_on_its_line() {
    let reply = "[[ ## items ## ]]\n- a\n- b\n[[ ## end ## ]]<|im_end|>";
    assert_eq!(list(ChatAdapter, reply).await.unwrap().0, ["a", "b"]);
    let reply = "[[ ## answer ## ]]\nParis\n[[ ## completion ## ]]</s>";
    let (read, repairs) = read!(Qa, QaInput, ChatAdapter, reply, Finish::Stop).unwrap();
    assert_eq!((&*read.answer, &*repairs), ("Paris", &[Repair::ForeignMarker][..]));
}
