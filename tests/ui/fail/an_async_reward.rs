use karat::{Prediction};

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::reward]
async fn short(input: &QaInput, prediction: &Prediction<QaOutput>) -> f64 {
    (prediction.answer.len() - input.question.len()) as f64
}

fn main() {}
