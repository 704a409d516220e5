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
    async fn forward<T: Into<QaInput>>(&self, input: T) -> Result<Prediction<QaOutput>> {
        self.answer.call(input.into()).await
    }
}

fn main() {}
