#![allow(unused_imports)] // The return type is replaced by the right one.

use karat::{Module, Predict, Result};

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
    async fn forward(&self, input: QaInput) -> Result<QaOutput> {
        Ok(self.answer.call(input).await?.into_inner())
    }
}

fn main() {
    let _ = |rag: Rag, input: QaInput| drop(rag.call(input));
}
