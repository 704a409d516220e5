use karat::{Module, Predict, Prediction, Result};

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
struct Twice<M: Module> {
    inner: M,
    answer: Predict<Qa>,
}

#[karat::module]
impl<M: Module> Twice<M> {
    async fn forward(&self, question: String, input: M::Input) -> Result<Prediction<M::Output>> {
        drop(question);
        self.inner.call(input).await
    }
}

fn main() {}
