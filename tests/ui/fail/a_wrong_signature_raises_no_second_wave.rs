use karat::{Module, Predict, Prediction, Result};

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    context: String,
    #[output(desc = 5)]
    answer: String,
}

async fn answer(question: String, context: String) -> Result<Prediction<QaOutput>> {
    let prediction = Predict::<Qa>::new().call(QaInput { question, context }).await?;
    println!("{}", prediction.answer);
    Ok(prediction)
}

fn main() {
    let _ = answer(String::new(), String::new());
}
