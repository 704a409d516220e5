//! Checks streamed answers: the events do not depend on the pieces, and the output is that of reading the answer at once.

use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use karat::{
    ChatAdapter, JsonAdapter, Module, OnParseError, Predict, Reply, ScriptedLm, TerseAdapter, XmlAdapter,
    adapter::Adapter,
    blocking, signature,
    stream::{StreamEvent, Update},
};

use crate::{chunks, hostile};

/// Answer.
#[signature]
#[derive(PartialEq)]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
    #[output(default)]
    score: Option<u8>,
    #[output(default)]
    items: Vec<String>,
}

/// Parts of answers in each form, and texts that resemble them.
const PARTS: &[&str] = &[
    "[[ ## answer ## ]]\n",
    "\n[[ ## score ## ]]\n",
    "\n[[ ## items ## ]]\n",
    "\n[[ ## completed ## ]]",
    " [[ ## items ## ]] ",
    "- **[[ ## Answer ## ]]**: ",
    "[[ \\## answer ## ]]",
    "［［ ＃＃ score ＃＃ ］］",
    "[[ [",
    "\n[[ ## note ## ]]\n",
    "[[ ## completion ## ]]",
    "<|im_end|>",
    "<|im_end|>\n<|im_start|>user\n",
    "</s>",
    "<s>",
    "<|eot",
    "</answer>",
    "<items>b</items>",
    "<answer />",
    "<answer>",
    "</answer>\n",
    "<score>7</score>",
    "<items><item>a</item></items>",
    "<items>[]</items",
    "&lt;b&gt; &amp",
    "{\"answer\": \"",
    "\", \"score\": ",
    ", \"items\": ",
    "\"items\": [\"a, b\", \"]}\"]}",
    "\\u00e9\\ud83d\\ude00\\n\\\"",
    "Answer: ",
    "{\"json_input\": {\"answer\": \"",
    "\"}}",
    "[{\"Answer\": \"",
    "\"}]",
    "**Answer**: ",
    "<ANSWER>x</answer>",
    "\nScore: 7",
    "\nitems : [\"a\"]",
    "\nQuestion: ",
    "<think>",
    "</think>\n",
    "</think>",
    "[/THINK]\n",
    "◁think▷",
    "<|channel|>analysis<|message|>",
    "<|end|><|start|>assistant<|channel|>final<|message|>",
    "```json\n",
    "\n```",
    "[\"a\", \"b\"]",
    "7",
    "null",
    "\r\n",
];

/// Checks one reply in all four forms.
pub fn check(bytes: &[u8]) {
    let _ = follow(bytes);
}

fn follow(bytes: &[u8]) -> Result<()> {
    static ADAPTERS: LazyLock<[Arc<dyn Adapter>; 4]> = LazyLock::new(|| {
        [Arc::new(ChatAdapter), Arc::new(XmlAdapter), Arc::new(JsonAdapter), Arc::new(TerseAdapter)]
    });
    let u = &mut Unstructured::new(bytes);
    let mut text = String::new();
    for _ in 0..u.int_in_range(1..=12)? {
        match u.int_in_range(0..=3)? {
            0 => text.push_str(&hostile::text(u, 2)?),
            _ => text.push_str(u.choose(PARTS)?),
        }
    }
    let adapter = u.choose(&*ADAPTERS)?;
    let pieces: Vec<_> = chunks::cut(u, &text)?.into_iter().map(str::to_owned).collect();
    let ask = || QaInput { question: "Which?".into() };
    let mut qa = Predict::<Qa>::new().on_parse_error(OnParseError::Fail);
    qa.predictor_mut().set_adapter(adapter.clone());
    let stream = |reply: Reply| {
        let qa = qa.clone().lm(&ScriptedLm::new([reply]).lm().without_history());
        events(qa.stream(ask()))
    };
    let (whole, read) = stream(Reply::text(text.clone()));
    let (cut, _) = stream(Reply::pieces(pieces.clone()));
    assert_eq!(cut, whole, "{} in the pieces {pieces:?}", adapter.name());
    let parsed = qa.parse(&ask(), &text).ok();
    assert_eq!(read.is_some(), parsed.is_some(), "{}: {text:?}", adapter.name());
    let Some(output) = read else { return Ok(()) };
    assert_eq!(Some(&output), parsed.as_ref(), "{}: {text:?}", adapter.name());
    assert_eq!(final_text(&whole, "answer"), output.answer, "{}: {text:?}", adapter.name());
    Ok(())
}

/// Joins the field's text in these events, without discarded text.
pub(crate) fn final_text(events: &[String], field: &str) -> String {
    let last = events.iter().rposition(|event| event.starts_with("discarded")).map_or(0, |at| at + 1);
    let text = |event: &'_ String| event.strip_prefix(field)?.strip_prefix('+').map(str::to_owned);
    events[last..].iter().filter_map(text).collect()
}

/// Collects the events in short, and the output if there is one.
pub(crate) fn events<O: Send + 'static>(stream: karat::stream::ModuleStream<O>) -> (Vec<String>, Option<O>) {
    let run = async move {
        let (mut stream, mut events) = (stream, Vec::new());
        while let Some(Ok(event)) = stream.next().await {
            match event {
                StreamEvent::Done(prediction) => return (events, Some(prediction.into_inner())),
                StreamEvent::Progress(progress) => events.push(match progress.into_update() {
                    Update::Started { field } => format!("{field}:"),
                    Update::Delta { field, text } => format!("{field}+{text}"),
                    Update::Finished { field, value } => format!("{field}={value}"),
                    Update::Reasoning { text } => format!("thinks {text}"),
                    other => format!("discarded {other:?}"),
                }),
                _ => {}
            }
        }
        (events, None)
    };
    blocking::run(run).expect("no async runtime around it")
}
