//! Checks the reading of a server's body: it gives texts or a typed error, and the body contains every text of a completion.

use arbitrary::{Result, Unstructured};

use crate::{hostile, valid};

/// Reads a body as an answer, and a choice with odd unneeded members.
pub fn check(bytes: &[u8]) {
    let body = match bytes.split_first() {
        Some((0..=127, rest)) => rest.to_vec(),
        Some((_, rest)) => generated(&mut Unstructured::new(rest)).unwrap_or_default().into_bytes(),
        None => Vec::new(),
    };
    let shown = String::from_utf8_lossy(&body);
    let _ = with_sides(&mut Unstructured::new(bytes));
    match karat::__private::read_body(&body) {
        Ok(response) => {
            assert!(!response.completions.is_empty(), "{shown}");
            assert!(response.completions.len() <= 2, "{shown}: more than was asked for");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "{shown}"),
    }
}

/// Checks that members that are not needed never cost the answer, that usage is read anywhere, and that an error is an error.
fn with_sides(u: &mut Unstructured<'_>) -> Result<()> {
    const SIDES: &[&str] =
        &["refusal", "reasoning", "reasoning_content", "tool_calls", "role", "annotations", "audio"];
    const ABOUT: &[&str] = &["index", "logprobs", "finish_reason", "stop_reason", "matched_stop"];
    const NONE: &[&str] =
        &["null", "false", "0", "7.5", "[]", "{}", "\"\"", "[[]]", "{\"x\": 1}", "-1", "true"];
    const USAGE: &str = "{\"prompt_tokens\":5,\"completion_tokens\":6}";
    let mut sides = |names: &[&str]| -> Result<String> {
        let names = names.iter().filter(|_| u.ratio(1, 2).unwrap_or(false)).collect::<Vec<_>>();
        names.into_iter().map(|name| Ok(format!(",\"{name}\":{}", hostile::one(u, NONE)?))).collect()
    };
    let (message, choice) = (sides(SIDES)?, sides(ABOUT)?);
    let text = serde_json::to_string(&format!("a{}", hostile::text(u, 2)?)).unwrap();
    let name = hostile::one(u, &["message", "delta"])?;
    let [mut inner, mut outer] = ["", ""].map(str::to_owned);
    match u.int_in_range(0..=2)? {
        0 => inner = format!(",\"usage\":{USAGE}"),
        1 => outer = format!(",\"x_groq\":{{\"usage\":{USAGE}}},\"usage\":{{}}"),
        _ => outer = format!(",\"usage\":{USAGE}"),
    }
    let no_error = hostile::one(u, &["null", "false", "{}", "\"\"", "\" \""])?;
    let choice = format!("[{{\"{name}\":{{\"content\":{text}{message}}}{choice}{inner}}}]");
    let body = format!("{{\"choices\":{choice},\"error\":{no_error}{outer}}}");
    let response =
        karat::__private::read_body(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
    assert_eq!(serde_json::to_string(&response.completions[0].text).unwrap(), text, "{body}");
    assert_eq!((response.usage.prompt_tokens, response.usage.completion_tokens), (5, 6), "{body}");
    let error = hostile::one(u, &["true", "1", "\"x\"", "{\"code\":\"429\"}", "{\"x\":1}", "[1]"])?;
    let body = format!("{{\"choices\":{choice},\"error\":{error}{outer}}}");
    let error = karat::__private::read_body(body.as_bytes()).expect_err(&body);
    assert_eq!(error.usage().total_tokens(), 11, "{body}");
    assert!(error.is_transient() || !error.to_string().contains("try again"), "{error}");
    Ok(())
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
