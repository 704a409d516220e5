//! Replies of the scripted server: bytes as they are, pauses, and every way to break off.

use std::time::Duration;

use serde_json::{Value, json};

/// One thing that a server does. What is not at an end after its acts goes on with the next request.
#[derive(Clone, Debug)]
pub enum Act {
    /// An answer in the connection's own version of HTTP.
    Answer {
        /// The status.
        status: u16,
        /// Further headers, `content-length` excepted.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// Bytes as they are, in pieces of this length, each in a write of its own.
    Pieces(Vec<u8>, usize),
    /// Nothing for so long.
    Pause(Duration),
    /// These bytes again and again, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// These bytes again and again, as fast as they are taken.
    Flood(Vec<u8>),
    /// Nothing more, until the client goes.
    Silence,
    /// No more bytes, but the connection stays open until the client goes.
    HalfClose,
    /// The connection is closed.
    Close,
    /// The connection is reset: what is not yet delivered is lost.
    Reset,
    /// HTTP/2: the server goes away and has not looked at the request.
    GoAway,
    /// HTTP/2: the server has not looked at the request.
    RefuseStream,
}

/// What a server does with one request.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// One after another.
    pub acts: Vec<Act>,
    /// For how long nobody listens from then on; what is open is closed.
    pub gone_for: Option<Duration>,
}

impl From<Act> for Reply {
    fn from(act: Act) -> Self {
        Self { acts: vec![act], gone_for: None }
    }
}

impl From<Vec<Act>> for Reply {
    fn from(acts: Vec<Act>) -> Self {
        Self { acts, gone_for: None }
    }
}

impl Reply {
    /// An answer of this status.
    pub fn status(status: u16) -> Self {
        Act::Answer { status, headers: Vec::new(), body: Vec::new() }.into()
    }

    /// An answer of status 200 with a JSON body.
    pub fn json(body: &Value) -> Self {
        Self::status(200).typed("application/json", body.to_string())
    }

    /// A model's answer, whole.
    pub fn text(text: &str) -> Self {
        Self::json(&json!({
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7},
        }))
    }

    /// A model's answer as an event stream, in pieces of so many characters.
    pub fn events(text: &str, characters: usize) -> Self {
        Self::status(200).typed("text/event-stream", pieces(text, characters) + END)
    }

    /// The same with this header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        for act in &mut self.acts {
            if let Act::Answer { headers, .. } = act {
                headers.push((name.into(), value.into()));
            }
        }
        self
    }

    /// The same with this body and its type.
    pub fn typed(mut self, content_type: &str, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        for act in &mut self.acts {
            if let Act::Answer { body, .. } = act {
                *body = content.clone();
            }
        }
        self.header("content-type", content_type)
    }

    /// The same, and then this.
    pub fn then(mut self, act: Act) -> Self {
        self.acts.push(act);
        self
    }

    /// The same, and then nobody listens for so long.
    pub fn then_gone(mut self, time: Duration) -> Self {
        self.gone_for = Some(time);
        self
    }
}

/// The events of a model that writes this text in pieces.
pub fn pieces(text: &str, characters: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    let event = |piece: &[char]| event(&json!({"content": piece.iter().collect::<String>()}));
    all.chunks(characters.max(1)).map(event).collect()
}

/// One event of the first choice.
pub fn event(delta: &Value) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}))
}

/// The events at the end of a stream.
pub const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                       data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}\n\n\
                       data: [DONE]\n\n";

/// The head of an answer of HTTP/1.1, with these lines.
pub fn head(status: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{lines}\r\n")
}
