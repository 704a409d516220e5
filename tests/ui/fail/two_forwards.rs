use karat::{Module, Predict, Prediction, Result};

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
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        self.answer.call(input).await
    }

    async fn forward(&self, question: String) -> Result<Prediction<QaOutput>> {
        self.answer.call(QaInput { question }).await
    }
}

fn main() {
    let _ = |rag: Rag, input: QaInput| drop(rag.call(input));
}
