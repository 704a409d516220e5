use karat::Predict;

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
    async fn forward(&self, input: QaInput) -> karat::Result<karat::Prediction<Self::Output>> {
        self.answer.call(input).await
    }
}

fn main() {}
