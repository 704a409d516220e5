//! Removes end tokens of chat templates, which a server should remove from an answer and sometimes does not.
//!
//! An end token counts at the end of the reply, or of the value before the end mark; one before a start token ends the reply. A
//! token that the prompt contains does not count, nor does `</s>` behind `<s>`.

use memchr::memchr2;

use super::{TextBuffer, prompt_texts::PromptTexts};
use crate::json;

/// Tokens that end a turn or a text; fewer than 64.
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

/// Tokens that start a turn or a text.
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

/// The end token that may also be the closing tag of struck text.
const STRIKE: &str = "</s>";

/// Finds the end token with which the text begins, and its index.
fn token(text: &str) -> Option<(usize, &'static str)> {
    TOKENS.iter().copied().enumerate().find(|(_, token)| text.starts_with(token))
}

/// Finds the tag `<s>` that `</s>` would close.
fn strike(text: &str) -> Option<usize> {
    text.match_indices("<s")
        .find(|(at, open)| is_strike(text.get(at + open.len()..).unwrap_or_default()))
        .map(|(at, _)| at)
}

/// True if a `<s` with this text behind it is a tag.
fn is_strike(behind: &str) -> bool {
    behind.starts_with(|c: char| c == '>' || c.is_whitespace())
}

/// Finds where the reply ends within this part: behind an end token before a start token. In JSON, tokens between quotes do not
/// count.
pub(super) fn reply_end(text: &str, is_json: bool, shown: &PromptTexts<'_>) -> Option<usize> {
    let (mut quotes, mut at) = (Quotes::default(), 0);
    let is_inside = |start: usize| {
        if is_json {
            quotes.pass(text.get(at..start).unwrap_or_default());
            at = start;
        }
        quotes.is_inside
    };
    reply_end_outside(text, is_inside, shown)
}

/// Finds where the reply ends within the text: behind an end token before a start token. A token at which `is_inside` is true does
/// not count; it is asked about tokens in order.
pub(super) fn reply_end_outside(
    text: &str,
    mut is_inside: impl FnMut(usize) -> bool,
    shown: &PromptTexts<'_>,
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

/// Removes the end tokens behind a reply's last value; a value of end tokens alone stays.
pub(super) fn without_tokens<'t>(value: &'t str, shown: &PromptTexts<'_>) -> &'t str {
    match without(value, shown, || strike(value).is_some()) {
        "" => value,
        rest => rest,
    }
}

/// Removes the end tokens at the end of a text, and the blanks before them.
fn without<'t>(text: &'t str, shown: &PromptTexts<'_>, is_struck: impl Fn() -> bool) -> &'t str {
    let mut rest = text;
    let mut struck = None;
    loop {
        let solid = rest.trim_end();
        // Every token ends with one of these.
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

/// True if the text consists of end tokens.
pub(super) fn are_end_tokens(text: &str, shown: &PromptTexts<'_>) -> bool {
    without(text, shown, || false).is_empty()
}

/// True if the last JSON value of the text is a list or an object with its closing bracket.
pub(super) fn is_closed(text: &str) -> bool {
    let found = json::find(text).unwrap_or_default();
    found.last().is_some_and(|last| !last.is_truncated() && (last.value.is_array() || last.value.is_object()))
}

/// Tracks whether the current position in JSON is between quotes.
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

/// Removes the end tokens of a streamed value, as [`reply_end`] and [`without_tokens`] do for a whole one.
#[derive(Default)]
pub(super) struct EndTokenFilter {
    is_json: bool,
    quotes: Quotes,
    /// End tokens that are held back, and the blanks behind them.
    held: TextBuffer,
    /// Index of the last token that is held.
    last: usize,
    /// Text that may be the beginning of a token.
    partial: String,
    is_struck: bool,
    is_over: bool,
}

impl EndTokenFilter {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json, ..Self::default() }
    }

    /// True if the reply has ended: text behind is no part of it.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn push(&mut self, text: &str, shown: &PromptTexts<'_>, emit: &mut dyn FnMut(&str)) {
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
                self.release(emit);
                let plain = memchr2(b'<', b'[', behind.as_bytes()).unwrap_or(behind.len());
                let (plain, behind) = behind.split_at(plain);
                self.pass(plain, emit);
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
                // The closing tag of `<s` looks like a token.
                let is_tag = self.partial == "<s";
                if !is_open && !is_tag {
                    self.is_struck |= self.partial.strip_prefix("<s").is_some_and(is_strike);
                    self.partial.pop();
                    self.release(emit);
                    continue;
                }
            }
            rest = chars.as_str();
        }
    }

    /// True if the last token that is held counts.
    fn is_end(&self, shown: &PromptTexts<'_>) -> bool {
        let is_struck = self.is_struck && TOKENS.get(self.last) == Some(&STRIKE);
        !self.quotes.is_inside && !shown.has_token(self.last) && !is_struck
    }

    /// Emits the held tokens as text.
    fn release(&mut self, emit: &mut dyn FnMut(&str)) {
        if !self.held.is_empty() {
            let held = self.held.take();
            self.pass(&held, emit);
        }
        if !self.partial.is_empty() {
            let partial = std::mem::take(&mut self.partial);
            self.pass(&partial, emit);
        }
    }

    fn pass(&mut self, text: &str, emit: &mut dyn FnMut(&str)) {
        if self.is_json {
            self.quotes.pass(text);
        }
        emit(text);
    }

    /// Emits the rest of the value at its end; `has_text` if the value has text before the held tokens.
    pub(super) fn end(
        &mut self,
        is_last: bool,
        has_text: bool,
        shown: &PromptTexts<'_>,
        emit: &mut dyn FnMut(&str),
    ) {
        if (is_last || self.is_over) && self.partial.is_empty() && !self.held.is_empty() {
            let held = self.held.take();
            let kept = without(&held, shown, || self.is_struck);
            emit(if has_text || !kept.is_empty() { kept } else { &held });
        } else {
            self.release(emit);
        }
    }
}

#[cfg(test)]
#[path = "end_tokens_tests.rs"]
mod tests;
