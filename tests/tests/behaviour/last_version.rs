//! Files of the last version are read, and are written as it wrote them.

use std::fs;

use karat::lm::{Completion, Config, Finish, Message, Replay, Request, Response, ResponseFormat};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

/// Reads a text of the last version, expects this value, and writes it back to the same text.
fn is_read_and_written<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(text: &str, value: T) {
    assert_eq!(serde_json::from_str::<T>(text).unwrap(), value, "{text}");
    assert_eq!(serde_json::to_string(&value).unwrap(), text);
}

#[test]
fn messages_requests_and_responses_of_text_have_the_same_json() {
    is_read_and_written(r#"{"role":"user","content":"hi"}"#, Message::user("hi"));
    is_read_and_written(r#"{"role":"system","content":""}"#, Message::system(""));
    is_read_and_written(
        concat!(
            r#"{"prompt":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}],"#,
            r#""config":{"temperature":0.5,"max_tokens":9,"n":2,"seed":1,"stop":["x"],"rollout_id":3,"top_k":5},"#,
            r#""response_format":{"type":"json_schema","name":"Qa","schema":{"type":"object"},"strict":true}}"#,
        ),
        Request::new(vec![Message::system("Be brief."), Message::user("hi")])
            .config(
                Config::new()
                    .temperature(0.5)
                    .max_tokens(9)
                    .n(2)
                    .seed(1)
                    .stop(["x"])
                    .rollout_id(3)
                    .param("top_k", 5),
            )
            .response_format(ResponseFormat::json_schema("Qa", json!({"type": "object"}), true)),
    );
    is_read_and_written(
        concat!(
            r#"{"completions":[{"text":"Paris","finish":"length","refusal":"no","reasoning":"by heart"},"#,
            r#"{"text":"","finish":{"other":"abort"}}],"usage":{"calls":1,"prompt_tokens":5,"completion_tokens":2,"#,
            r#""cached_tokens":0,"reasoning_tokens":0,"cost":0},"model":"x-2"}"#,
        ),
        Response::new([
            Completion::new("Paris").finish(Finish::Length).refusal("no").reasoning("by heart"),
            Completion::new("").finish(Finish::Other("abort".into())),
        ])
        .usage(karat::Usage::new().calls(1).prompt_tokens(5).completion_tokens(2))
        .model("x-2"),
    );
}

#[tokio::test]
async fn a_recording_of_the_last_version_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let line = concat!(
        r#"{"karat_recording":1,"model":"scripted","identity":"scripted","request":{"prompt":[{"role":"user","content":"hi"}],"#,
        r#""config":{"temperature":0.5}},"response":{"completions":[{"text":"hello","finish":"stop"}],"usage":{"calls":1,"#,
        r#""prompt_tokens":1,"completion_tokens":1,"cached_tokens":0,"reasoning_tokens":0,"cost":0}},"elapsed_ms":0}"#,
        "\n"
    );
    fs::write(&path, line).unwrap();
    let replay = Replay::from_file(&path).unwrap();
    let response =
        replay.lm().temperature(0.5).complete(Request::new(vec![Message::user("hi")])).await.unwrap();
    assert_eq!(response.completions, [Completion::new("hello")]);
}
