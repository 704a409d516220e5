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
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        let shared = std::rc::Rc::new(input);
        self.answer.call((*shared).clone()).await
    }
}

fn main() {}
