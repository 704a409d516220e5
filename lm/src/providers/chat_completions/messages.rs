//! Writes messages and tools in the form of the Chat Completions API.

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeSeq},
};
use serde_json::{Map, Value, json};

use crate::data::{Content, Media, MediaSource, Message, Part, Prompt, Role, ToolChoice, ToolSpec};

/// A prompt's messages. A message of a single text is written as it is.
pub(super) struct Messages<'a>(pub(super) &'a Prompt);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for message in self.0.iter() {
            if message.content.is_text() {
                list.serialize_element(message)?;
                continue;
            }
            for message in written(message).map_err(S::Error::custom)? {
                list.serialize_element(&message)?;
            }
        }
        list.end()
    }
}

/// Converts a message of parts: each tool result becomes a message of its own, before the other parts.
fn written(message: &Message) -> Result<Vec<Value>, String> {
    let Message { role, content } = message;
    let (mut all, mut said, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for part in content.parts() {
        match part {
            Part::Text(text) => said.push(json!({ "type": "text", "text": &**text })),
            Part::Media(media) => said.push(of_media(media)?),
            Part::ToolCall(call) => calls.push(json!({
                "id": call.id,
                "type": "function",
                "function": { "name": call.name, "arguments": call.arguments },
            })),
            Part::ToolResult(result) => all.push(json!({
                "role": "tool",
                "tool_call_id": result.call,
                "content": of_result(&result.content)?,
            })),
            // Its provider has another API.
            Part::Opaque(_) => {}
        }
    }
    if said.is_empty() && calls.is_empty() && !all.is_empty() {
        return Ok(all);
    }
    let mut message = Map::new();
    message.insert("role".into(), role.as_str().into());
    let is_plain = *role == Role::Assistant || said.is_empty();
    message.insert(
        "content".into(),
        match is_plain {
            // A model's content is one text, or null if it only called tools.
            true if said.is_empty() && !calls.is_empty() => Value::Null,
            true => text_of(content).into(),
            false => said.into(),
        },
    );
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    all.push(message.into());
    Ok(all)
}

/// The text parts alone.
fn text_of(content: &Content) -> String {
    let texts = content.parts().iter().filter_map(|part| match part {
        Part::Text(text) => Some(&**text),
        _ => None,
    });
    texts.collect()
}

/// A tool's result: a text, or a list of texts and media.
fn of_result(content: &Content) -> Result<Value, String> {
    if content.is_text() {
        return Ok(content.as_str().into());
    }
    let mut said = Vec::new();
    for part in content.parts() {
        match part {
            Part::Media(media) => said.push(of_media(media)?),
            Part::Opaque(_) => {}
            other => said.push(json!({ "type": "text", "text": other.text() })),
        }
    }
    Ok(said.into())
}

fn of_media(media: &Media) -> Result<Value, String> {
    let Media { media_type, source, name } = media;
    let data_url = |data: &str| format!("data:{media_type};base64,{data}");
    let (kind, subtype) = media_type.split_once('/').unwrap_or((media_type, ""));
    Ok(match (kind, source) {
        ("image", MediaSource::Url(url)) => json!({ "type": "image_url", "image_url": { "url": url } }),
        ("image", MediaSource::Base64(data)) => {
            json!({ "type": "image_url", "image_url": { "url": data_url(data) } })
        }
        ("audio", MediaSource::Base64(data)) => {
            let format = match subtype {
                "mpeg" => "mp3",
                "x-wav" | "wave" => "wav",
                other => other,
            };
            json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } })
        }
        (_, MediaSource::Id(id)) => json!({ "type": "file", "file": { "file_id": id } }),
        (_, MediaSource::Base64(data)) => {
            let mut file = json!({ "file_data": data_url(data) });
            if let (Some(name), Some(file)) = (name, file.as_object_mut()) {
                file.insert("filename".into(), name.as_str().into());
            }
            json!({ "type": "file", "file": file })
        }
        (_, MediaSource::Url(_)) => {
            return Err(format!("this API takes no `{media_type}` by its address; send its bytes"));
        }
    })
}

/// A tool in the API's form.
pub(super) struct Tool<'a>(pub(super) &'a ToolSpec);

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            r#type: &'a str,
            function: Function<'a>,
        }
        #[derive(Serialize)]
        struct Function<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            description: &'a str,
            parameters: &'a Value,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            strict: bool,
        }
        let ToolSpec { name, description, parameters, strict } = self.0;
        let function = Function { name, description, parameters, strict: *strict };
        Wire { r#type: "function", function }.serialize(serializer)
    }
}

/// The tool choice in the API's form.
pub(super) fn choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Tool(name) => json!({ "type": "function", "function": { "name": name } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Opaque, ToolCall, ToolResult};

    fn sent(message: Message) -> Value {
        serde_json::to_value(Messages(&vec![message].into())).unwrap()
    }

    #[test]
    fn parts_are_written_in_the_form_of_the_api() {
        let call = ToolCall::new("c1", "weather", r#"{"city":"Paris"}"#);
        let wire = json!({"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}});
        assert_eq!(
            sent(Message::assistant(Part::from(call.clone()))),
            json!([{"role": "assistant", "content": null, "tool_calls": [wire]}])
        );
        assert_eq!(
            sent(Message::assistant(Content::new([
                "Let me see.".into(),
                call.into(),
                Opaque::new("x", "{}").into()
            ]))),
            json!([{"role": "assistant", "content": "Let me see.", "tool_calls": [wire]}])
        );
        assert_eq!(
            sent(Message::tool("c1", "sunny")),
            json!([{"role": "tool", "tool_call_id": "c1", "content": "sunny"}])
        );
        let both = Content::new([ToolResult::new("c1", "sunny").into(), "and now?".into()]);
        assert_eq!(
            sent(Message::user(both)),
            json!([
                {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
                {"role": "user", "content": [{"type": "text", "text": "and now?"}]},
            ])
        );
    }

    #[test]
    fn media_are_written_by_address_or_with_their_bytes() {
        let all = Content::new([
            "look".into(),
            Media::url("image", "https://x/y.png").into(),
            Media::base64("image/png", "QUJD").into(),
            Media::base64("audio/mpeg", "QUJD").into(),
            Media::base64("application/pdf", "QUJD").name("a.pdf").into(),
            Media::id("application/pdf", "file-1").into(),
        ]);
        assert_eq!(
            sent(Message::user(all))[0]["content"],
            json!([
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
                {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ])
        );
        let film = Message::user(Part::from(Media::url("video/mp4", "https://x/y.mp4")));
        let error = serde_json::to_value(Messages(&vec![film].into())).unwrap_err();
        assert!(error.to_string().contains("video/mp4"), "{error}");
    }
}
