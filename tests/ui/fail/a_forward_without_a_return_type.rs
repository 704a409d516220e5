use karat::{Module, Predict};

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
    async fn forward(&self, input: QaInput) {
        drop(self.answer.call(input).await);
    }
}

fn main() {
    let _ = |rag: Rag, input: QaInput| drop(rag.call(input));
}
