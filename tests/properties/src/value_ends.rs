//! Checks that a value ends where the model ended it.
//!
//! Remains of a template, a token limit or a foreign section behind it are no part of it, text inside of it stays, and an answer
//! that was cut is complete or an error.

use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use karat::{
    ChatAdapter, JsonAdapter, Module, OnParseError, Predict, Reply, ScriptedLm, TerseAdapter, XmlAdapter,
    adapter::Adapter, blocking, lm::Finish, signature,
};
use serde_json::json;

use crate::hostile;

/// Answer.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    reason: String,
    #[output]
    answer: String,
}

/// Texts that may stand in a value and stay.
const INSIDE: &[&str] = &[
    "<|im_end|>",
    "</s>",
    "<s>",
    "<|eot_id|>",
    "[/INST]",
    "<|im_e",
    "[[ ## note ## ]]",
    "[[ ## note ## ]]\n",
    "[[ ## comp",
    "[[",
    "<b>",
    "</b>",
    "&",
    "\"",
    "\\",
    "```",
];

/// Tokens that a server leaves behind an answer.
const TOKENS: &[&str] = &[
    "<|im_end|>",
    "<|eot_id|>\n",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
    "<|endoftext|> ",
    "<|im_end|>\n<|im_start|>user\nAnd Peru?\n",
    "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
    "<end_of_turn>\n<start_of_turn>model\nwords",
];

/// Sections that a model writes unasked behind its answer.
const SECTIONS: &[&str] =
    &["\n[[ ## completion ## ]]", "\n\n[[ ## note ## ]]\nwords\n", "\n[[ ## a ## ]]\n1\n[[ ## b ## ]]\n2"];

/// Checks one answer in one of the four forms.
pub fn check(bytes: &[u8]) {
    let _ = answer(bytes);
}

/// Makes a value that begins and ends with words, as does each of its lines.
fn value(u: &mut Unstructured<'_>) -> Result<String> {
    let mut value = String::from("own");
    for _ in 0..u.int_in_range(0..=4)? {
        let (before, after) = *u.choose(&[(" ", " "), (" ", ""), ("", " "), ("", "")])?;
        value = format!(
            "{value}{before}{}{after}{}",
            hostile::one(u, INSIDE)?,
            hostile::one(u, &["x", "words", "Lima\nand on"])?
        );
    }
    Ok(value)
}

fn answer(bytes: &[u8]) -> Result<()> {
    static ADAPTERS: LazyLock<[Arc<dyn Adapter>; 4]> = LazyLock::new(|| {
        [Arc::new(ChatAdapter), Arc::new(XmlAdapter), Arc::new(JsonAdapter), Arc::new(TerseAdapter)]
    });
    let u = &mut Unstructured::new(bytes);
    let form = u.int_in_range(0..=3)?;
    let (reason, answer) = (value(u)?, value(u)?);
    let has_end = u.arbitrary()?;
    let tail = if u.arbitrary()? { hostile::one(u, TOKENS)? } else { "" };
    let section = if form == 0 && u.ratio(1, 3)? { hostile::one(u, SECTIONS)? } else { "" };
    let before = format!("{tail}{section}");
    let mut text = match form {
        0 => format!(
            "[[ ## reason ## ]]\n{reason}\n\n[[ ## answer ## ]]\n{answer}{before}{}",
            if has_end { "\n\n[[ ## completed ## ]]" } else { "" }
        ),
        1 => format!(
            "<reason>{reason}</reason>\n<answer>{answer}{tail}{}",
            if has_end { "</answer>" } else { "" }
        ),
        2 => json!({"reason": reason, "answer": answer}).to_string() + tail,
        _ => format!("Reason: {reason}\nAnswer: {answer}{tail}"),
    };
    let finish = match u.int_in_range(0..=2)? {
        0 => Finish::Stop,
        1 => Finish::from(hostile::one(u, &["unload", "eos", "MAX_TOKENS"])?),
        _ => {
            let at = u.int_in_range(0..=text.len())?;
            text.truncate((0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
            Finish::Length
        }
    };
    let is_cut = finish == Finish::Length;
    let lm = ScriptedLm::new([Reply::text(text.clone()).finish(finish)]).lm().without_history();
    let mut qa = Predict::<Qa>::new().on_parse_error(OnParseError::Fail).lm(&lm);
    qa.predictor_mut().set_adapter(ADAPTERS[form].clone());
    let read =
        blocking::run(qa.call(QaInput { question: "Which?".into() })).expect("no async runtime around it");
    let name = ADAPTERS[form].name();
    match read {
        Ok(read) => {
            assert_eq!(read.reason, reason, "{name}: {text:?}");
            assert_eq!(read.answer, answer, "{name}: {text:?}");
        }
        Err(error) => {
            assert!(is_cut && error.is_truncated() || text.trim().is_empty(), "{name}: {text:?}: {error}")
        }
    }
    Ok(())
}
