//! Signatures, modules and rewards may be local to a function.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::{Predict, Prediction, Result};

fn main() {
    /// Answer.
    #[karat::signature]
    struct Qa {
        #[input]
        question: String,
        #[output]
        answer: String,
    }

    #[karat::module]
    struct Rag {
        qa: Predict<Qa>,
    }

    #[karat::module]
    impl Rag {
        async fn forward(&self, question: String, k: usize) -> Result<Prediction<QaOutput>> {
            self.qa.call(QaInput { question: question.repeat(k) }).await
        }
    }

    #[karat::reward]
    fn short(input: &RagInput, prediction: &Prediction<QaOutput>) -> bool {
        prediction.answer.len() < input.k
    }

    let rag = Rag { qa: Predict::new() };
    drop(karat::BestOfN::new(rag, 2, short));
}
