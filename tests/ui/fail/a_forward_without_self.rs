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
    async fn forward(input: QaInput) -> Result<Prediction<QaOutput>> {
        unimplemented!("{input:?}")
    }
}

fn main() {
    let _ = |rag: Rag, input: QaInput| drop(rag.call(input));
}
