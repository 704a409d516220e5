use karat::Prediction;

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

struct Judge;

impl Judge {
    #[karat::reward]
    fn short(&self, prediction: &Prediction<QaOutput>) -> f64 {
        prediction.answer.len() as f64
    }
}

fn main() {}
