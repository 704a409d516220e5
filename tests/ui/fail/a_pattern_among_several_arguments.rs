use karat::{Predict, Prediction, Result};

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
struct Rag {
    answer: Predict<Qa>,
}

#[karat::module]
impl Rag {
    async fn forward(&self, QaInput { question }: QaInput, k: usize) -> Result<Prediction<QaOutput>> {
        self.answer.call(QaInput { question: question.repeat(k) }).await
    }
}

fn main() {}
