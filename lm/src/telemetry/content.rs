//! Prompts and completions as the JSON of the GenAI conventions: messages made of parts.

use serde_json::{Value, json};

use crate::data::{Completion, MediaSource, Part, Prompt, Response};

/// The messages of a prompt in order, including the system message.
pub(super) fn prompt(prompt: &Prompt) -> String {
    let messages = prompt.iter().map(|message| {
        let parts: Vec<_> = message.content.parts().iter().map(of_message).collect();
        json!({ "role": message.role, "parts": parts })
    });
    Value::Array(messages.collect()).to_string()
}

/// One message per completion.
pub(super) fn completions(response: &Response) -> String {
    Value::Array(response.completions.iter().map(completion).collect()).to_string()
}

fn completion(completion: &Completion) -> Value {
    let Completion { text, finish, refusal, reasoning, parts: all } = completion;
    let mut parts: Vec<_> = reasoning.iter().map(|reasoning| part("reasoning", reasoning)).collect();
    if !all.is_empty() {
        parts.extend(all.iter().map(of_message));
    } else if !text.is_empty() || refusal.is_none() {
        parts.push(part("text", text));
    }
    parts.extend(refusal.iter().map(|refusal| part("text", refusal)));
    json!({ "role": "assistant", "parts": parts, "finish_reason": finish.as_str() })
}

/// A part in the form of the conventions: `text`, `tool_call`, `tool_call_response`, `uri`, `blob`, `file`.
fn of_message(of: &Part) -> Value {
    match of {
        Part::Text(text) => part("text", text),
        Part::Media(media) => {
            let (kind, key) = match &media.source {
                MediaSource::Url(_) => ("uri", "uri"),
                MediaSource::Base64(_) => ("blob", "content"),
                MediaSource::Id(_) => ("file", "file_id"),
            };
            let modality = media.media_type.split('/').next().unwrap_or_default();
            let mime_type = &media.media_type;
            json!({ "type": kind, "mime_type": mime_type, "modality": modality, key: media.source.as_str() })
        }
        Part::ToolCall(call) => {
            let arguments = call.json().unwrap_or_else(|_| call.arguments.as_str().into());
            json!({ "type": "tool_call", "id": call.id, "name": call.name, "arguments": arguments })
        }
        Part::ToolResult(result) => {
            json!({ "type": "tool_call_response", "id": result.call, "response": &*result.content })
        }
        Part::Opaque(opaque) => json!({ "type": "opaque", "provider": opaque.maker, "content": opaque.json }),
    }
}

fn part(of: &str, content: &str) -> Value {
    json!({ "type": of, "content": content })
}
