//! The smallest program: one signature, one predictor. `scripts/bench-build` measures what a rebuild of it costs.
//!
//! Run it on the model that the environment names: `OPENAI_API_KEY=.. cargo run -p karat-examples --bin one_signature`, or
//! `KARAT_MODEL=ollama/llama3.2 ..`.

use karat::{Lm, Module, Predict, Result, signature};

/// Answer the question in one to five words.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let qa = Predict::<Qa>::new().lm(&Lm::from_env()?);
    let answer = qa.call(QaInput { question: "What is the capital of France?".into() }).await?;
    println!("{}", answer.answer);
    Ok(())
}
