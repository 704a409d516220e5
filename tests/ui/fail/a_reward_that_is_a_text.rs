use karat::{Prediction};

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::reward]
fn short(input: &QaInput, prediction: &Prediction<QaOutput>) -> String {
    format!("{}{}", input.question, prediction.answer)
}

fn main() {}
