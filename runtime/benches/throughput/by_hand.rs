//! The floor: what a program would write with `reqwest` and `serde_json` that has no need of karat.

use std::sync::Arc;

use reqwest::{Client, Response};
use serde::{Deserialize, Serialize};

use super::{KEY, MODEL, commit, load, of_karat, process};

/// Carries loads until its input ends: `http <in flight> <calls>`.
pub(crate) fn run(address: &str) {
    let runtime = load::runtime();
    let by_hand = ByHand::new(address);
    process::carry_loads(&commit(), |words| {
        let number = |index: usize| words[index].parse().expect("a number");
        runtime.block_on(load::make(number(1), number(2), by_hand.clone(), ByHand::call));
    });
}

#[derive(Clone)]
struct ByHand {
    client: Client,
    url: String,
    /// karat's own texts, so that the bodies are the same.
    prompt: Arc<[String; 3]>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: [Message<'a>; 2],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Reply,
}

#[derive(Deserialize)]
struct Reply {
    content: String,
}

impl ByHand {
    fn new(address: &str) -> Self {
        let url = format!("http://{address}/v1/chat/completions");
        Self { client: Client::new(), url, prompt: Arc::new(of_karat::prompt()) }
    }

    async fn call(self, index: usize) -> String {
        let [system, before, after] = &*self.prompt;
        let user = format!("{before}{}{after}", load::question(index));
        let messages =
            [Message { role: "system", content: system }, Message { role: "user", content: &user }];
        let body = Body { model: MODEL, messages };
        let request = self.client.post(&self.url).bearer_auth(KEY).json(&body);
        let response = request.send().await.and_then(Response::error_for_status).expect("a response");
        let body = response.bytes().await.expect("a body");
        let answer: Answer = serde_json::from_slice(&body).expect("an answer");
        answer.choices.into_iter().next().expect("a choice").message.content
    }
}
