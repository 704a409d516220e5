//! Checks that a model's reasoning is removed from the beginning of its text, and never becomes its answer, wherever it stands.

use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use karat::{
    ChatAdapter, JsonAdapter, Module, OnParseError, Predict, Reply, ScriptedLm, TerseAdapter, XmlAdapter,
    adapter::Adapter, signature,
};

use crate::{chunks, hostile, streaming, whole::Whole};

#[signature]
struct Echo {
    #[input]
    none: (),
    #[output]
    text: String,
}

/// Tags that makers put around reasoning.
const PAIRS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<THOUGHT>", "</Thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
];

/// Tags around reasoning in harmony.
const HARMONY: (&str, &str) =
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>");

const PIECES: &[&str] =
    &["<think", "</", "[/THINK", "◁", "“", " ", "\n", "\u{feff}", "own words", "🦀", "<thing>", "[x]"];

/// Checks reasoning at the beginning of a text, or drafts of an answer within reasoning.
pub fn check(bytes: &[u8]) {
    let u = &mut Unstructured::new(bytes);
    let _ = match u.ratio(1, 3) {
        Ok(true) => beginning(u),
        _ => draft(u),
    };
}

/// Checks that only blocks at the beginning of a text are reasoning.
fn beginning(u: &mut Unstructured<'_>) -> Result<()> {
    static READER: LazyLock<Predict<Echo>> =
        LazyLock::new(|| Predict::new().adapter(Whole::without_reasoning()));
    let text: String = match u.arbitrary()? {
        true => hostile::either(u.bytes(u.len())?),
        false => {
            let mut text = String::new();
            for _ in 0..u.int_in_range(0..=12)? {
                let (open, close) = *u.choose(PAIRS)?;
                text.push_str(match u.int_in_range(0..=3)? {
                    0 => open,
                    1 => close,
                    _ => u.choose(PIECES)?,
                });
            }
            text
        }
    };
    if text.contains("<|") || text.trim_start().starts_with(['a', 'c', 'A', 'C']) {
        // Harmony, with or without its special tokens.
        return Ok(());
    }
    let read = READER.parse(&EchoInput { none: () }, &text).ok().map(|read| read.text);
    assert_eq!(read.as_deref(), behind_blocks(&text), "{text:?}");
    Ok(())
}

/// Returns the text behind the blocks with which it begins; `None` if one has no end.
fn behind_blocks(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let start = rest.trim_start();
        let lower = start.to_ascii_lowercase();
        let mut pairs = PAIRS.iter().map(|(open, close)| (open.to_lowercase(), close.to_lowercase()));
        let Some((open, close)) = pairs.find(|(open, _)| lower.starts_with(open)) else { return Some(rest) };
        let end = open.len() + lower[open.len()..].find(&close)?;
        rest = &start[end + close.len()..];
    }
}

/// Answer.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
    #[output(default)]
    note: Option<String>,
}

/// Beginning of each answer in a draft.
const EVIL: &str = "EVIL";

/// Parts of reasoning, beside drafts.
const THOUGHTS: &[&str] = &[
    "Is it so? ",
    "\n",
    "\n\n",
    " ",
    "\"",
    "'",
    "`",
    "```\n",
    "{",
    "}",
    "[",
    "\\",
    "He is 5'10\" tall. ",
    "<b>",
    "Question: x\n",
    "[[ ## question ## ]]\n",
    "[[ ## completed ## ]]\n",
    "- ",
    ": ",
    "note",
    "{\"note\": \"",
    "<answer>",
    "</answer>",
    "</note>",
];

fn form(name: &str, value: &str) -> String {
    match name {
        "chat" => format!("[[ ## answer ## ]]\n{value}\n"),
        "xml" => format!("<answer>{value}</answer>"),
        "json" => format!("{{\"answer\": \"{value}\"}}"),
        _ => format!("Answer: {value}\n"),
    }
}

/// Checks that an answer behind reasoning with drafts is read or is an error; a draft is never read.
fn draft(u: &mut Unstructured<'_>) -> Result<()> {
    static ADAPTERS: LazyLock<[Arc<dyn Adapter>; 4]> = LazyLock::new(|| {
        [Arc::new(ChatAdapter), Arc::new(XmlAdapter), Arc::new(JsonAdapter), Arc::new(TerseAdapter)]
    });
    let adapter = u.choose(&*ADAPTERS)?;
    let name = adapter.name();
    let (open, close) = match u.ratio(1, 5)? {
        true => HARMONY,
        false => *u.choose(PAIRS)?,
    };
    let mut text = String::new();
    let mut has_tags = false;
    let shape = u.int_in_range(0..=3)?;
    for block in 0..u.int_in_range(1..=2)? {
        match shape {
            // The opening tag is part of the prompt.
            0 if block == 0 => {}
            1 if block == 0 => text.push_str(u.choose(&["Well.\n", "So, ", "\u{feff}"])?),
            _ => {}
        }
        if shape > 0 || block > 0 {
            text.push_str(open);
        }
        for _ in 0..u.int_in_range(0..=5)? {
            match u.int_in_range(0..=5)? {
                0..=1 => text.push_str(&form(name, EVIL)),
                2 => text.push_str(&form(name, EVIL).replace('\n', " ")),
                3 => {
                    let (open, close) = *u.choose(PAIRS)?;
                    text.push_str(if u.arbitrary()? { open } else { close });
                    has_tags = true;
                }
                _ => text.push_str(u.choose(THOUGHTS)?),
            }
        }
        text.push_str(close);
        text.push_str(u.choose(&["", "\n", "\n\n"])?);
    }
    let is_plain = !has_tags && shape == 3 && open != HARMONY.0;
    let has_answer = u.ratio(4, 5)?;
    if has_answer {
        if name == "terse" && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&form(name, "own"));
    }
    let ask = || QaInput { question: "Which?".into() };
    let mut qa = Predict::<Qa>::new().on_parse_error(OnParseError::Fail);
    qa.predictor_mut().set_adapter(adapter.clone());
    let parsed = qa.parse(&ask(), &text).ok().map(|read| read.answer);
    let is_right = match &parsed {
        None => !(is_plain && has_answer),
        Some(answer) => has_answer && answer == "own",
    };
    // Without an answer, a tag that ends no block is text of a value, and text without a label is a value in the terse form.
    let has_draft = parsed.as_ref().is_some_and(|answer| answer.contains(EVIL));
    let may_be_text = !has_answer && (shape == 0 || has_tags || name == "terse" && !has_draft);
    assert!(is_right || may_be_text, "{name}: {text:?}: {parsed:?}");
    if u.ratio(3, 4)? {
        return Ok(());
    }
    let pieces: Vec<_> = chunks::cut(u, &text)?.into_iter().map(str::to_owned).collect();
    let lm = ScriptedLm::new([Reply::pieces(pieces)]).lm().without_history();
    let (events, read) = streaming::events(qa.lm(&lm).stream(ask()));
    let read = read.map(|read| read.answer);
    assert_eq!(read, parsed, "{name}: {text:?}");
    if let Some(read) = read {
        assert_eq!(streaming::final_text(&events, "answer"), read, "{name}: {text:?}");
    }
    Ok(())
}
