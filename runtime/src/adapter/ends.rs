//! End tokens of chat templates, which a server should take off an answer and sometimes does not.
//!
//! One counts at the end of the reply or of the value before the end mark, and one before a turn's start token ends the reply.
//! None counts that the prompt shows, and no `</s>` behind a `<s>`.

use memchr::memchr2;

use super::{Growing, shown::Shown};
use crate::json;

/// The tokens that end a turn or a text; fewer than 64.
pub(super) const TOKENS: &[&str] = &[
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|eot|>",
    "<|eom|>",
    "<|EOT|>",
    "<|eos|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|end_of_turn|>",
    "<|endofturn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|role_end|>",
    "<|END_RESPONSE|>",
    "<|end_of_solution|>",
    "<|user|>",
    "<|observation|>",
    "<｜end▁of▁sentence｜>",
    "<|end▁of▁sentence|>",
    "<|end_of_sentence|>",
    "</s>",
    "<eos>",
    "<eot>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<seed:eos>",
    "[|endofturn|]",
    "[EOS]",
    "[/INST]",
];

/// The tokens that start a turn or a text.
const STARTS: &[&str] = &[
    "<|start|>",
    "<|im_start|>",
    "<|im_user|>",
    "<|im_assistant|>",
    "<|im_system|>",
    "<|start_header_id|>",
    "<|header_start|>",
    "<|start_of_role|>",
    "<|START_OF_TURN_TOKEN|>",
    "<|begin_of_text|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|observation|>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<｜begin▁of▁sentence｜>",
    "<start_of_turn>",
    "<bos>",
    "<s>",
    "<seed:bos>",
    "[|user|]",
    "[|assistant|]",
    "[|system|]",
    "[INST]",
    "[SYSTEM_PROMPT]",
];

/// The end token that may stand as a tag in a text, and its index.
const STRIKE: &str = "</s>";

/// The end token with which the text begins, and its index.
fn token(text: &str) -> Option<(usize, &'static str)> {
    TOKENS.iter().copied().enumerate().find(|(_, token)| text.starts_with(token))
}

/// Where the text opens what `</s>` would close.
fn strike(text: &str) -> Option<usize> {
    text.match_indices("<s")
        .find(|(at, open)| is_strike(text.get(at + open.len()..).unwrap_or_default()))
        .map(|(at, _)| at)
}

/// True if this stands behind the `<s` of a tag.
fn is_strike(behind: &str) -> bool {
    behind.starts_with(|c: char| c == '>' || c.is_whitespace())
}

/// Where the reply ends in this part of it: behind an end token before a start token. Where it is a value in JSON, none stands
/// between quotes.
pub(super) fn turn(text: &str, is_json: bool, shown: &Shown<'_>) -> Option<usize> {
    let (mut quotes, mut at) = (Quotes::default(), 0);
    let is_inside = |start: usize| {
        if is_json {
            quotes.pass(text.get(at..start).unwrap_or_default());
            at = start;
        }
        quotes.is_inside
    };
    turn_outside(text, is_inside, shown)
}

/// Where the reply ends in the text: behind an end token before a start token. One does not count where `is_inside` is true,
/// which is asked of such places in order.
pub(super) fn turn_outside(
    text: &str,
    mut is_inside: impl FnMut(usize) -> bool,
    shown: &Shown<'_>,
) -> Option<usize> {
    let (mut at, mut struck) = (0, None);
    loop {
        let start = at + memchr2(b'<', b'[', text.as_bytes().get(at..)?)?;
        at = start + 1;
        let Some((index, token)) = token(text.get(start..)?) else { continue };
        at = start + token.len();
        let behind = text.get(at..)?.trim_start();
        if !STARTS.iter().any(|turn| behind.starts_with(turn)) || is_inside(start) || shown.has_token(index) {
            continue;
        }
        let is_struck =
            token == STRIKE && struck.get_or_insert_with(|| strike(text)).is_some_and(|open| open < start);
        if !is_struck {
            return Some(at);
        }
    }
}

/// The value, which is the last of its reply, without the end tokens behind it; as it is if nothing else would be left.
pub(super) fn without_tokens<'t>(value: &'t str, shown: &Shown<'_>) -> &'t str {
    match without(value, shown, || strike(value).is_some()) {
        "" => value,
        rest => rest,
    }
}

/// The text without the end tokens behind it, and without the blanks before them.
fn without<'t>(text: &'t str, shown: &Shown<'_>, is_struck: impl Fn() -> bool) -> &'t str {
    let mut rest = text;
    let mut struck = None;
    loop {
        let solid = rest.trim_end();
        // What every token ends with.
        if !solid.ends_with(['>', ']']) {
            break;
        }
        let last = TOKENS
            .iter()
            .enumerate()
            .find_map(|(index, token)| Some((index, *token, solid.strip_suffix(token)?)));
        let Some((index, token, before)) = last else { break };
        if shown.has_token(index) || token == STRIKE && *struck.get_or_insert_with(&is_struck) {
            break;
        }
        rest = before.trim_end();
    }
    rest
}

/// True if the text is nothing but end tokens.
pub(super) fn are_all(text: &str, shown: &Shown<'_>) -> bool {
    without(text, shown, || false).is_empty()
}

/// True if a list or an object is the last that the text has, and has its closing bracket.
pub(super) fn is_closed(text: &str) -> bool {
    let found = json::find(text).unwrap_or_default();
    found.last().is_some_and(|last| !last.is_truncated() && (last.value.is_array() || last.value.is_object()))
}

/// Whether a place in JSON is between quotes.
#[derive(Default)]
struct Quotes {
    is_inside: bool,
    is_escaped: bool,
}

impl Quotes {
    fn pass(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if std::mem::take(&mut self.is_escaped) => {}
                b'\\' => self.is_escaped = true,
                b'"' => self.is_inside = !self.is_inside,
                _ => {}
            }
        }
    }
}

/// Holds back the end tokens of a value that comes in pieces, as [`turn`] and [`without_tokens`] read the whole of it.
#[derive(Default)]
pub(super) struct Tail {
    is_json: bool,
    quotes: Quotes,
    /// End tokens, and the blanks behind them.
    held: Growing,
    /// The last of them.
    last: usize,
    /// What may be the beginning of a token.
    partial: String,
    is_struck: bool,
    is_over: bool,
}

impl Tail {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json, ..Self::default() }
    }

    /// True if the reply ended: nothing behind is a part of it.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn push(&mut self, text: &str, shown: &Shown<'_>, tell: &mut dyn FnMut(&str)) {
        let mut rest = text;
        while !rest.is_empty() && !self.is_over {
            if self.partial.is_empty() {
                let blank = match self.held.is_empty() {
                    true => 0,
                    false => rest.len() - rest.trim_start().len(),
                };
                let (blanks, behind) = rest.split_at(blank);
                self.held.push(blanks);
                let Some(next) = behind.chars().next() else { return };
                if next == '<' || next == '[' {
                    self.partial.push(next);
                    rest = behind.get(1..).unwrap_or_default();
                    continue;
                }
                self.release(tell);
                let plain = memchr2(b'<', b'[', behind.as_bytes()).unwrap_or(behind.len());
                let (plain, behind) = behind.split_at(plain);
                self.pass(plain, tell);
                rest = behind;
                continue;
            }
            let mut chars = rest.chars();
            let Some(next) = chars.next() else { return };
            self.partial.push(next);
            let is_behind = !self.held.is_empty();
            if is_behind && STARTS.contains(&&*self.partial) && self.is_end(shown) {
                self.is_over = true;
                self.partial.clear();
            } else if let Some(index) = TOKENS.iter().position(|token| *token == self.partial) {
                self.last = index;
                self.held.push(&self.partial);
                self.partial.clear();
            } else {
                let goes_on = |token: &&str| token.starts_with(&*self.partial);
                let is_open = TOKENS.iter().any(goes_on) || is_behind && STARTS.iter().any(goes_on);
                // A tag whose end looks like a token.
                let is_tag = self.partial == "<s";
                if !is_open && !is_tag {
                    self.is_struck |= self.partial.strip_prefix("<s").is_some_and(is_strike);
                    self.partial.pop();
                    self.release(tell);
                    continue;
                }
            }
            rest = chars.as_str();
        }
    }

    /// True if the last token that is held can be one.
    fn is_end(&self, shown: &Shown<'_>) -> bool {
        let is_struck = self.is_struck && TOKENS.get(self.last) == Some(&STRIKE);
        !self.quotes.is_inside && !shown.has_token(self.last) && !is_struck
    }

    /// Tells what is held: it is text.
    fn release(&mut self, tell: &mut dyn FnMut(&str)) {
        if !self.held.is_empty() {
            let held = self.held.take();
            self.pass(&held, tell);
        }
        if !self.partial.is_empty() {
            let partial = std::mem::take(&mut self.partial);
            self.pass(&partial, tell);
        }
    }

    fn pass(&mut self, text: &str, tell: &mut dyn FnMut(&str)) {
        if self.is_json {
            self.quotes.pass(text);
        }
        tell(text);
    }

    /// Tells the rest of the value at its end; `has_text` if it has other text before what is held.
    pub(super) fn end(
        &mut self,
        is_last: bool,
        has_text: bool,
        shown: &Shown<'_>,
        tell: &mut dyn FnMut(&str),
    ) {
        if (is_last || self.is_over) && self.partial.is_empty() && !self.held.is_empty() {
            let held = self.held.take();
            let kept = without(&held, shown, || self.is_struck);
            tell(if has_text || !kept.is_empty() { kept } else { &held });
        } else {
            self.release(tell);
        }
    }
}

#[cfg(test)]
#[path = "ends_tests.rs"]
mod tests;
