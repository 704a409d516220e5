//! `crate = ".."` names karat where the user has it.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

mod facade {
    pub(crate) use karat as inner;
}

/// Answer.
#[karat::signature(crate = "crate::facade::inner")]
struct Qa {
    #[input]
    question: String,
    #[output]
    #[serde(rename = "reply")]
    answer: String,
}

#[karat::module(crate = crate::facade::inner)]
struct Rag {
    qa: karat::Predict<Qa>,
}

#[karat::module(crate = "facade::inner")]
impl Rag {
    async fn forward(&self, question: String, k: usize) -> karat::Result<karat::Prediction<QaOutput>> {
        karat::Module::call(&self.qa, QaInput { question: question.repeat(k) }).await
    }
}

#[karat::reward(crate = "crate::facade::inner")]
fn short(input: &RagInput, prediction: &karat::Prediction<QaOutput>) -> bool {
    prediction.answer.len() < input.k
}

fn main() {}
