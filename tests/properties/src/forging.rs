//! What the inputs hold never becomes an output, even where a model repeats them; and what the model answers itself is read.
//!
//! Every answer of an input begins with `EVIL`, every text of the model's own with a token that no input has.

mod form;
mod reply;

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use karat::{ChatAdapter, JsonAdapter, Predict, TerseAdapter, XmlAdapter, signature};

use self::{
    form::Form,
    reply::{OWN, Part, Reply},
};
use crate::hostile;

/// With which each answer in an input begins.
const EVIL: &str = "EVIL";

/// Answer from the passage.
#[signature]
pub struct Qa {
    #[input]
    passage: String,
    #[input]
    notes: Vec<String>,
    #[input]
    question: String,
    #[output]
    answer: String,
    #[output]
    reason: String,
    #[output]
    hint: Option<String>,
}

const FIELDS: [&str; 3] = ["answer", "reason", "hint"];

/// Inputs and replies with field markers.
pub fn chat(bytes: &[u8]) {
    static QA: LazyLock<Predict<Qa>> = LazyLock::new(|| Predict::new().adapter(ChatAdapter));
    let _ = forge(&QA, Form::Chat, bytes);
}

/// Inputs and replies with elements.
pub fn xml(bytes: &[u8]) {
    static QA: LazyLock<Predict<Qa>> = LazyLock::new(|| Predict::new().adapter(XmlAdapter));
    let _ = forge(&QA, Form::Xml, bytes);
}

/// Inputs and replies with labels.
pub fn terse(bytes: &[u8]) {
    static QA: LazyLock<Predict<Qa>> = LazyLock::new(|| Predict::new().adapter(TerseAdapter));
    let _ = forge(&QA, Form::Terse, bytes);
}

/// Inputs and replies with JSON objects.
pub fn json(bytes: &[u8]) {
    static QA: LazyLock<Predict<Qa>> = LazyLock::new(|| Predict::new().adapter(JsonAdapter));
    let _ = forge(&QA, Form::Json, bytes);
}

fn forge(qa: &Predict<Qa>, form: Form, bytes: &[u8]) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    let inputs = inputs(u, form)?;
    let reply = Reply::new(u, form, &inputs)?;
    let [passage, question, notes @ ..] = &inputs[..] else { return Ok(()) };
    let input = QaInput { passage: passage.clone(), question: question.clone(), notes: notes.to_vec() };
    let read = qa.parse(&input, &reply.text);
    let case = || {
        format!(
            "{form:?}\n--- inputs: {inputs:#?}\n--- reply: {:?}\n{}\n--- read: {read:?}",
            reply.text, reply.text
        )
    };
    let values = match &read {
        Ok(output) => [Some(&output.answer), Some(&output.reason), output.hint.as_ref()],
        Err(_) => {
            assert!(!reply.must_be_read(), "an answer of the model's own is lost\n{}", case());
            return Ok(());
        }
    };
    for (index, value) in values.into_iter().enumerate() {
        let name = FIELDS[index];
        let Some(value) = value else {
            assert!(
                !(reply.is_clear && reply.first(index).is_some()),
                "`{name}` of the model's own is lost\n{}",
                case()
            );
            continue;
        };
        // Behind the beginning of an answer that a model repeats, what it writes is its answer, be it a code block's end. So is
        // a label's first text.
        let may_be_other = !reply.is_clear || form == Form::Terse && index == 0;
        let is_forged = match may_be_other {
            true => is_of_inputs(form, value, &inputs),
            false => !value.trim_start().starts_with(OWN),
        };
        assert!(!is_forged, "`{name}` is forged\n{}", case());
        if reply.is_clear && form != Form::Terse {
            let first = reply.first(index);
            let is_first = first.is_some_and(|first| value.trim_start().starts_with(first));
            assert!(is_first, "`{name}` is not what the model wrote first ({first:?})\n{}", case());
        }
    }
    Ok(())
}

/// True if the value begins with an input's answer, be it behind beginnings of answers that are inputs of their own.
fn is_of_inputs(form: Form, value: &str, inputs: &[String]) -> bool {
    let trimmed =
        |text: &str| text.trim_start_matches(|c: char| c.is_whitespace() || "\"`'>*\\".contains(c)).len();
    let mut start = &value[value.len() - trimmed(value)..];
    while let Some(rest) = inputs
        .iter()
        .filter(|input| form.is_lone(input))
        .find_map(|input| start.strip_prefix(input.trim()).filter(|rest| rest.len() < start.len()))
    {
        start = &rest[rest.len() - trimmed(rest)..];
    }
    // A first output without a label may be any text.
    start.starts_with(EVIL)
        || form != Form::Terse
            && inputs.iter().any(|input| input.contains(EVIL) && start.starts_with(input.trim()))
}

/// Two to five texts, some of which hold answers, or others of them.
fn inputs(u: &mut Unstructured<'_>, form: Form) -> Result<Vec<String>> {
    let mut inputs: Vec<String> = Vec::new();
    for _ in 0..u.int_in_range(2..=5)? {
        let mut text = String::new();
        for _ in 0..u.int_in_range(0..=5)? {
            match u.int_in_range(0..=11)? {
                0..=3 => form.evil(u, &mut text)?,
                4 => form.half(u, &mut text)?,
                5 => text.push_str(&hostile::text(u, 3)?),
                6 if !inputs.is_empty() => {
                    text.push_str(if form == Form::Terse { "\n" } else { "" });
                    text.push_str(u.choose(&inputs)?);
                }
                7 => text.push_str(hostile::one(u, hostile::UNICODE)?),
                8 => text.push_str(hostile::one(u, &["<think>", "</think>", "<think>x</think>\n"])?),
                _ => text.push_str(hostile::one(u, hostile::WORDS)?),
            }
            if u.ratio(3, 4)? {
                text.push_str(hostile::one(u, hostile::BLANKS)?);
            }
        }
        inputs.push(text);
    }
    Ok(inputs)
}

impl Reply {
    /// True if the reply gives each field that has to be there, and in no way that could mean something else.
    fn must_be_read(&self) -> bool {
        self.is_clear && self.first(0).is_some() && self.first(1).is_some()
    }

    /// With what the model's first own answer for a field begins.
    fn first(&self, field: usize) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Answer { values } => {
                values.iter().find(|(index, _)| *index == field).map(|(_, value)| &**value)
            }
            Part::Prose | Part::Repeat => None,
        })
    }
}
