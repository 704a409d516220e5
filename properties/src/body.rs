//! The body of a server's answer: texts or a typed error, and every text of a completion stands in the body.

use arbitrary::{Result, Unstructured};

use crate::{hostile, valid};

/// Reads a body.
pub fn check(bytes: &[u8]) {
    let body = match bytes.split_first() {
        Some((0..=127, rest)) => rest.to_vec(),
        Some((_, rest)) => generated(&mut Unstructured::new(rest)).unwrap_or_default().into_bytes(),
        None => Vec::new(),
    };
    let shown = String::from_utf8_lossy(&body);
    match karat::__private::read_body(&body) {
        Ok(response) => {
            assert!(!response.completions.is_empty(), "{shown}");
            assert!(response.completions.len() <= 2, "{shown}: more than was asked for");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "{shown}"),
    }
}

const KEYS: &[&str] = &[
    "choices",
    "message",
    "content",
    "index",
    "finish_reason",
    "refusal",
    "reasoning",
    "reasoning_content",
    "tool_calls",
    "text",
    "type",
    "error",
    "model",
    "usage",
    "prompt_tokens",
    "completion_tokens",
];

fn generated(u: &mut Unstructured<'_>) -> Result<String> {
    let mut out = String::new();
    match u.arbitrary()? {
        true => value(u, &mut out, 0)?,
        false => {
            out.push_str("{\"choices\":[{\"message\":{\"content\":");
            value(u, &mut out, 2)?;
            out.push_str("},\"finish_reason\":");
            value(u, &mut out, 3)?;
            out.push_str("}],\"usage\":");
            value(u, &mut out, 2)?;
            out.push('}');
        }
    }
    Ok(out)
}

fn value(u: &mut Unstructured<'_>, out: &mut String, depth: usize) -> Result<()> {
    match u.int_in_range(0..=if depth > 6 { 3 } else { 7 })? {
        0 => out.push_str(&valid::text(u)?),
        1 => out.push_str(&serde_json::to_string(&hostile::text(u, 3)?).unwrap()),
        2 => out
            .push_str(hostile::one(u, &["\"stop\"", "\"length\"", "\"content_filter\"", "null", "0", "1"])?),
        3 => out.push_str("\"\\ud83e half\""),
        4 => {
            out.push('[');
            value(u, out, depth + 1)?;
            out.push(']');
        }
        _ => {
            out.push('{');
            for index in 0..u.int_in_range(1..=3)? {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&format!("\"{}\":", hostile::one(u, KEYS)?));
                value(u, out, depth + 1)?;
            }
            out.push('}');
        }
    }
    Ok(())
}
