//! Generates replies that repeat inputs between a model's own words and answers.

use arbitrary::{Result, Unstructured};
use serde_json::Value;

use super::form::Form;
use crate::hostile;

/// Beginning of each of the model's own texts.
pub(super) const OWN: &str = "own";

/// A part of a reply.
pub(super) enum ReplyPart {
    /// Words of the model's own.
    Prose,
    /// An input, in any form.
    Repeat,
    /// Answers of the model's own: fields, and the beginnings of their values.
    Answer { values: Vec<(usize, String)> },
}

pub(super) struct Reply {
    pub(super) text: String,
    pub(super) parts: Vec<ReplyPart>,
    /// True if the reply can be read in one way only.
    pub(super) is_clear: bool,
}

impl Reply {
    pub(super) fn new(u: &mut Unstructured<'_>, form: Form, inputs: &[String]) -> Result<Self> {
        let mut reply = Self { text: String::new(), parts: Vec::new(), is_clear: true };
        let mut own = Vec::new();
        for number in 0..u.int_in_range(1..=7)? {
            let part = match u.int_in_range(0..=9)? {
                0 | 1 => {
                    let text = format!("{OWN}{number}- {}", hostile::one(u, hostile::WORDS)?);
                    reply.text.push_str(&text);
                    ReplyPart::Prose
                }
                2..=6 => {
                    reply.repeat(u, form, inputs)?;
                    ReplyPart::Repeat
                }
                _ => {
                    if !reply.text.is_empty() && !reply.text.ends_with('\n') {
                        reply.text.push('\n');
                    }
                    let start = reply.text.len();
                    let part = reply.answer(u, form, number)?;
                    own.push((start, reply.text.len()));
                    part
                }
            };
            reply.parts.push(part);
            reply.text.push_str(hostile::one(u, hostile::BLANKS)?);
        }
        // A reply that begins with a tag of reasoning has its answer behind that.
        let has_reasoning = reply.text.trim_start().starts_with("<think>");
        reply.is_clear &= !has_reasoning && !reply.touches(inputs, &own);
        // Text below the beginning of an answer may be an input's, wherever that stands.
        reply.is_clear &= !inputs.iter().any(|input| form.is_lone(input));
        // Braces, quotes and labels of repeated inputs may take in the text behind them: an error is right there.
        let repeats = reply.parts.iter().any(|part| matches!(part, ReplyPart::Repeat));
        let answers = reply.parts.iter().filter(|part| matches!(part, ReplyPart::Answer { .. })).count();
        match form {
            Form::Json => reply.is_clear &= !repeats && answers == 1,
            Form::Terse => {
                let is_first = matches!(reply.parts.first(), Some(ReplyPart::Answer { .. }));
                reply.is_clear &= is_first && !repeats;
            }
            Form::Chat | Form::Xml => {}
        }
        Ok(reply)
    }

    fn repeat(&mut self, u: &mut Unstructured<'_>, form: Form, inputs: &[String]) -> Result<()> {
        let input = u.choose(inputs)?;
        let wrapped = form.wrapped(u)?;
        let (before, after) = *u.choose(&[
            wrapped,
            ("", ""),
            ("", ""),
            ("", ""),
            ("\"", "\""),
            ("```\n", "\n```"),
            ("> ", ""),
            ("own- It says: ", ""),
            ("\n", "\n"),
            ("* ", ""),
        ])?;
        let repeated = match u.int_in_range(0..=4)? {
            0..=2 => input.clone(),
            3 => input.trim().to_owned(),
            _ => {
                let quoted = Value::from(&**input).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        };
        self.text.push_str(before);
        self.text.push_str(&repeated);
        self.text.push_str(after);
        self.is_clear &= !form.ends_open(input);
        Ok(())
    }

    fn answer(&mut self, u: &mut Unstructured<'_>, form: Form, number: usize) -> Result<ReplyPart> {
        let mut values = Vec::new();
        for index in [0, 1, 2] {
            // Most answers are whole.
            if u.ratio(4, 5)? {
                values.push((index, format!("{OWN}{number}{index}- {}", hostile::one(u, hostile::WORDS)?)));
            }
        }
        let (before, after) = form.wrapped(u)?;
        // A value under an input's name is that input.
        self.is_clear &= !before.contains("passage");
        self.text.push_str(before);
        self.text.push_str(&form.answer(&values));
        self.text.push_str(after);
        Ok(ReplyPart::Answer { values })
    }

    /// True if an input stands by chance in the model's own answers.
    fn touches(&self, inputs: &[String], own: &[(usize, usize)]) -> bool {
        let (text, places) = squeezed(&self.text);
        inputs.iter().any(|input| {
            let quoted = Value::from(input.trim()).to_string();
            let plain =
                ENTITIES.iter().fold(input.trim().to_owned(), |text, (from, to)| text.replace(from, to));
            let forms = [input.trim(), &quoted[1..quoted.len() - 1], &plain];
            // An input within a value does not matter.
            let is_syntax = |form: &str| form.contains(['#', '<', ':', '{']);
            forms.into_iter().map(|form| squeezed(form).0).filter(|form| is_syntax(form)).any(|form| {
                text.match_indices(&form).filter(|_| form.len() > 1).any(|(at, part)| {
                    let (first, last) = (places[at], places[at + part.len() - 1]);
                    own.iter().any(|(start, end)| first < *end && *start <= last)
                })
            })
        })
    }
}

/// Entities and their characters.
const ENTITIES: [(&str, &str); 6] =
    [("&#10;", "\n"), ("&#60;", "<"), ("&#x3c;", "<"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];

/// Removes the characters that may differ in a repeat; also returns the place of each byte.
fn squeezed(text: &str) -> (String, Vec<usize>) {
    let (mut squeezed, mut places) = (String::new(), Vec::new());
    for (at, c) in text.char_indices() {
        let c = match c {
            '【' => '[',
            '】' => ']',
            '！'..='～' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
            c => c,
        };
        if c.is_whitespace() || c.is_control() || "\\>*_`-•\u{200b}\u{2060}\u{feff}".contains(c) {
            continue;
        }
        for c in c.to_lowercase() {
            squeezed.push(c);
            places.resize(squeezed.len(), at);
        }
    }
    (squeezed, places)
}
