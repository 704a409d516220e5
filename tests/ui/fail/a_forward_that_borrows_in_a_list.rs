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
    async fn forward(&self, questions: Vec<&str>) -> Result<Prediction<QaOutput>> {
        self.answer.call(QaInput { question: questions.concat() }).await
    }
}

fn main() {}
