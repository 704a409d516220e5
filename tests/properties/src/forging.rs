//! Checks that text of an input never becomes an output, even if the model repeats it, and that the model's own answer is read.
//!
//! Every answer in an input begins with `EVIL`; every text of the model's own begins with a token that no input has.

mod form;
mod reply;

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use karat::{ChatAdapter, JsonAdapter, Predict, TerseAdapter, XmlAdapter, signature};

use self::{
    form::Form,
    reply::{OWN, Reply, ReplyPart},
};
use crate::hostile;

/// Beginning of each answer in an input.
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

/// Checks replies with field markers.
pub fn chat(bytes: &[u8]) {
    static QA: LazyLock<Predict<Qa>> = LazyLock::new(|| Predict::new().adapter(ChatAdapter));
    let _ = forge(&QA, Form::Chat, bytes);
}

/// Checks replies with elements.
pub fn xml(bytes: &[u8]) {
    static QA: LazyLock<Predict<Qa>> = LazyLock::new(|| Predict::new().adapter(XmlAdapter));
    let _ = forge(&QA, Form::Xml, bytes);
}

/// Checks replies with labels.
pub fn terse(bytes: &[u8]) {
    static QA: LazyLock<Predict<Qa>> = LazyLock::new(|| Predict::new().adapter(TerseAdapter));
    let _ = forge(&QA, Form::Terse, bytes);
}

/// Checks replies with JSON objects.
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
        // Behind a repeated beginning of an answer, the model's text is its answer, even a code block's end. The same holds for the
        // first text behind a label.
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

/// True if the value begins with an input's answer, also behind beginnings of answers that are whole inputs.
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

/// Makes two to five inputs, some of which contain answers or one another.
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
    /// True if the reply gives each required field without ambiguity.
    fn must_be_read(&self) -> bool {
        self.is_clear && self.first(0).is_some() && self.first(1).is_some()
    }

    /// Beginning of the model's first own answer for a field.
    fn first(&self, field: usize) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            ReplyPart::Answer { values } => {
                values.iter().find(|(index, _)| *index == field).map(|(_, value)| &**value)
            }
            ReplyPart::Prose | ReplyPart::Repeat => None,
        })
    }
}
