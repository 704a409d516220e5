//! Custom language models: a layer around another LM that counts and logs its calls, and a model made of a few rules.
//!
//! Offline: `cargo run -p karat-examples --bin custom_lm`. Live: the same with `KARAT_MODEL` or `OPENAI_API_KEY` set, or on the
//! small local model with `scripts/local-lm run -- cargo run -p karat-examples --bin custom_lm`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use karat::{
    JsonAdapter, LanguageModel, Lm, Module, Predict, Reply, Result, ScriptedLm,
    lm::{BoxFuture, Completion, Layer, Next, Request, Response, Sink},
    signature,
};

/// A layer: it passes every request on, counts it, and logs how long the answer took. Streams go through it as they come.
#[derive(Clone, Default)]
struct Logged {
    calls: Arc<AtomicU64>,
}

impl Layer for Logged {
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
            let start = Instant::now();
            let outcome = next.call(request, sink).await;
            let took = start.elapsed();
            match &outcome {
                Ok(response) => {
                    eprintln!("call {call}: {} tokens, {took:.2?}", response.usage.total_tokens())
                }
                Err(error) => eprintln!("call {call}: {error}, {took:.2?}"),
            }
            outcome
        })
    }
}

/// A model that is two rules: a baseline that every real one should beat.
struct Rules;

impl LanguageModel for Rules {
    fn name(&self) -> &str {
        "rules"
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        _: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            let message = request.prompt.last().to_lowercase();
            let spam = ["prize", "winner", "free"].iter().any(|word| message.contains(word));
            // `JsonAdapter` is going to read it; usage is left at zero tokens.
            let completion = Completion::new(format!(r#"{{"spam": {spam}}}"#));
            Ok(Response::new([completion]))
        })
    }
}

/// Tell whether the mail is spam.
#[signature]
struct Filter {
    #[input]
    mail: String,
    #[output]
    spam: bool,
}

const MAILS: [&str; 3] = [
    "You are the winner of our grand prize! Send us your card number.",
    "Lunch at noon? I am free until two.",
    "Dear friend, my late uncle left 40 million dollars and needs your help.",
];

#[tokio::main]
async fn main() -> Result<()> {
    let lm =
        karat_examples::lm(ScriptedLm::new([true, false, true].map(|spam| Reply::fields([("spam", spam)]))))?;
    let logged = Logged::default();
    let filter = Predict::<Filter>::new().adapter(JsonAdapter).demos(vec![
        Filter { mail: "Win a car now, click here!".into(), spam: true },
        Filter { mail: "The minutes of today's meeting are attached.".into(), spam: false },
    ]);
    let by_rules = filter.clone().lm(&Lm::custom(Rules));
    // A custom model is an `Lm` as any other: it has a config, goes into wrappers, is shared by clones.
    let by_lm = filter.lm(&lm.layer(logged.clone()).temperature(0.0));

    for mail in MAILS {
        let input = FilterInput { mail: mail.into() };
        let rules = by_rules.call(input.clone()).await?;
        let lm = by_lm.call(input).await?;
        println!("{mail}\n    spam? rules: {}, LM: {}", rules.spam, lm.spam);
    }
    println!("\nthe layer counted {} calls", logged.calls.load(Ordering::Relaxed));
    Ok(())
}
