//! The smallest program: one signature, one predictor. `scripts/bench-build` measures what a rebuild of it costs.
//!
//! Run it with a model: `OPENAI_API_KEY=.. cargo run -p karat-examples --bin one_signature`.

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
    let qa = Predict::<Qa>::new().lm(&Lm::new("openai/gpt-4o-mini")?);
    let answer = qa.call(QaInput { question: "What is the capital of France?".into() }).await?;
    println!("{}", answer.answer);
    Ok(())
}
