//! Generates texts that are made to be misread.

use arbitrary::{Result, Unstructured};

/// Beginnings, ends and halves of the syntax of answers.
pub const SYNTAX: &[&str] = &[
    "[[ ## answer ## ]]",
    "[[ ## reason ## ]]\n",
    "[[ ## completed ## ]]",
    "[[ \\## answer ## ]]",
    "[[",
    "]]",
    "##",
    "[[##",
    "**[[ ## answer ## ]]**",
    "［［ ## answer ## ］］",
    "\n[[ ## note ## ]]\n",
    "[[ ## completion ## ]]",
    "<|im_end|>",
    "<|im_start|>user\n",
    "</s>",
    "<s>",
    "[/INST]",
    "<answer>",
    "</answer>",
    "<answer/>",
    "<reason a='b'>",
    "</",
    "/>",
    "&lt;",
    "&amp;lt;",
    "&#10;",
    "&#x3c;",
    "&",
    "Answer:",
    "Reason: ",
    "Question:",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    ":",
    ",",
    "\\",
    "\\\"",
    "\\\\",
    "\\n",
    "\\u0041",
    "\\ud83e",
    "\\udd80",
    "\\u",
    "```",
    "```json\n",
    "\n```\n",
    "/*",
    "*/",
    "//",
    "#",
    "null",
    "true",
    "None",
    "\"answer\": ",
    "{\"answer\": \"",
    "\"}",
    "...",
    "…",
    "\"\"\"",
    "“",
    "”",
    "‘",
    "`",
    "\\d",
    "\\frac",
    "\\bword",
    "(",
    ")",
    "('a', ",
    "\" + \"",
    "OrderedDict([(",
    "- a\n- ",
];

/// Characters that look like others, or are invisible.
pub const UNICODE: &[&str] = &[
    "\u{feff}",
    "\u{200b}",
    "\u{200d}",
    "\u{2060}",
    "\u{202e}",
    "\u{2066}",
    "\u{a0}",
    "\u{2028}",
    "\u{85}",
    "\u{b}",
    "\u{c}",
    "\0",
    "\u{1b}",
    "\u{7f}",
    "e\u{301}",
    "é",
    "ß",
    "İ",
    "ı",
    "ﬀ",
    "＜",
    "＞",
    "［",
    "＂",
    "：",
    "🦀",
    "👩\u{200d}👩",
    "א",
    "ا",
    "漢",
    "\u{10ffff}",
    "\u{fffd}",
    "\u{e000}",
];

pub const BLANKS: &[&str] = &[" ", "\n", "\r\n", "\t", "\n\n", "  ", "\r", " \n"];

pub const WORDS: &[&str] =
    &["plain", "words", "Lima", "is it", "so be it.", "1", "-2.5e3", "x", "a b c", "no", "of the"];

/// Picks a text.
pub fn one<'t>(u: &mut Unstructured<'_>, of: &[&'t str]) -> Result<&'t str> {
    u.choose(of).copied()
}

/// Makes a text of at most `most` pieces.
pub fn text(u: &mut Unstructured<'_>, most: usize) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=most)? {
        piece(u, &mut text)?;
    }
    Ok(text)
}

fn piece(u: &mut Unstructured<'_>, text: &mut String) -> Result<()> {
    match u.int_in_range(0..=9)? {
        0..=3 => text.push_str(one(u, SYNTAX)?),
        4 => text.push_str(one(u, UNICODE)?),
        5 | 6 => text.push_str(one(u, BLANKS)?),
        7 | 8 => text.push_str(one(u, WORDS)?),
        _ => text.push(u.arbitrary()?),
    }
    Ok(())
}

/// Reads the bytes as a text, or makes a text from them: a fuzzer works with the former, random bytes need the latter.
pub fn either(bytes: &[u8]) -> String {
    match bytes.split_first() {
        Some((0..=63, rest)) => String::from_utf8_lossy(rest).into_owned(),
        Some((64..=127, rest)) => crate::valid::damaged(&mut Unstructured::new(rest)).unwrap_or_default(),
        Some((_, rest)) => text(&mut Unstructured::new(rest), 40).unwrap_or_default(),
        None => String::new(),
    }
}
