//! karat's side: a `Predict` over HTTP, and over a model in process that answers at once.

use std::sync::Arc;

use karat::{
    LanguageModel, Lm, Module, Predict, Result,
    lm::{BoxFuture, Request, Response, Sink},
    signature,
};

use super::{KEY, MODEL, commit, load, process, server::REPLY};

/// Answer the question.
#[signature]
pub(crate) struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

/// Carries loads until its input ends: `http <in flight> <calls>`, `memory without-history <calls>` and
/// `memory with-history <calls>`.
pub(crate) fn run(address: &str) {
    let runtime = load::runtime();
    let over_http = Arc::new(Predict::<Qa>::new().lm(&lm(address)));
    let with_history = Predict::<Qa>::new().lm(&Lm::custom(AtOnce));
    let without_history = Predict::<Qa>::new().lm(&Lm::custom(AtOnce).without_history());
    process::carry_loads(&commit(), |words| {
        let number = |index: usize| words[index].parse().expect("a number");
        match words[..2] {
            ["http", _] => runtime.block_on(load::make(number(1), number(2), over_http.clone(), call)),
            ["memory", "with-history"] => runtime.block_on(in_process(&with_history, number(2))),
            ["memory", "without-history"] => runtime.block_on(in_process(&without_history, number(2))),
            _ => panic!("no such load: {words:?}"),
        }
    });
}

fn lm(address: &str) -> Lm {
    let lm = Lm::new(&format!("openai/{MODEL}")).expect("an LM");
    lm.base_url(format!("http://{address}/v1")).api_key(KEY)
}

async fn call(qa: Arc<Predict<Qa>>, index: usize) -> String {
    let input = QaInput { question: load::question(index) };
    qa.call(input).await.expect("an answer").into_inner().answer
}

async fn in_process(qa: &Predict<Qa>, calls: usize) {
    for _ in 0..calls {
        let input = QaInput { question: "What is the capital of France?".into() };
        qa.call(input).await.expect("an answer");
    }
}

/// The texts around a question in karat's prompt: the system message, and what stands before and after it in the user's.
pub(crate) fn prompt() -> [String; 3] {
    let prompt = Predict::<Qa>::new().prompt(&QaInput { question: "<here>".into() }).expect("a prompt");
    let texts: Vec<String> = prompt.iter().map(|message| message.content.to_string()).collect();
    let [system, user] = &texts[..] else { panic!("two messages: {texts:?}") };
    let (before, after) = user.split_once("<here>").expect("the question's place");
    [system.clone(), before.to_owned(), after.to_owned()]
}

/// Answers without waiting.
struct AtOnce;

impl LanguageModel for AtOnce {
    fn name(&self) -> &str {
        "at-once"
    }

    fn call<'a>(&'a self, _: &'a Request, _: Option<&'a mut Sink<'a>>) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async { Ok(Response::of(REPLY)) })
    }
}
