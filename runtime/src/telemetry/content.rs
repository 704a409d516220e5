//! What was said to a model and by it, as the JSON that the GenAI conventions ask for: messages made of parts.

use serde_json::{Value, json};

use crate::lm::{Completion, Prompt, Response};

/// The messages of a prompt in order, the system's among them.
pub(super) fn prompt(prompt: &Prompt) -> String {
    let messages = prompt
        .iter()
        .map(|message| json!({ "role": message.role, "parts": [part("text", &message.content)] }));
    Value::Array(messages.collect()).to_string()
}

/// One message per completion.
pub(super) fn completions(response: &Response) -> String {
    Value::Array(response.completions.iter().map(completion).collect()).to_string()
}

fn completion(completion: &Completion) -> Value {
    let Completion { text, finish, refusal, reasoning } = completion;
    let mut parts: Vec<_> = reasoning.iter().map(|reasoning| part("reasoning", reasoning)).collect();
    if !text.is_empty() || refusal.is_none() {
        parts.push(part("text", text));
    }
    parts.extend(refusal.iter().map(|refusal| part("text", refusal)));
    json!({ "role": "assistant", "parts": parts, "finish_reason": finish.as_str() })
}

fn part(of: &str, content: &str) -> Value {
    json!({ "type": of, "content": content })
}
