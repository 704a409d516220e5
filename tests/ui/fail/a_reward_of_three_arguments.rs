use karat::{Prediction};

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::reward]
fn short(input: &QaInput, prediction: &Prediction<QaOutput>, most: usize) -> bool {
    prediction.answer.len() - input.question.len() < most
}

fn main() {}
