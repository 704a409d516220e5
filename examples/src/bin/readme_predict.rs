use karat::{Lm, Module, Predict, signature};

/// Answer the question in one word.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[tokio::main]
async fn main() -> karat::Result<()> {
    let qa = Predict::<Qa>::new().lm(&Lm::from_env()?);
    let prediction = qa.call(QaInput { question: "What is the capital of France?".into() }).await?;
    println!("{}", prediction.answer);
    Ok(())
}
