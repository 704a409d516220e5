use karat::{Predict, Prediction, Result};

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[derive(Debug)]
struct Task(String);

#[karat::module]
struct Rag {
    answer: Predict<Qa>,
}

#[karat::module]
impl Rag {
    async fn forward(&self, input: Task) -> Result<Prediction<QaOutput>> {
        self.answer.call(QaInput { question: input.0 }).await
    }
}

fn main() {}
