//! Whatever the user calls `Result` or `Option` does not matter.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

mod shadows {
    #![allow(missing_docs)]
    pub(super) struct Result;
    pub(super) struct Option;
    pub(super) struct String;
    pub(super) struct Vec;
    #[allow(non_snake_case)]
    pub(super) fn Ok() {}
    #[allow(non_snake_case)]
    pub(super) fn Some() {}
    #[allow(non_snake_case)]
    pub(super) fn Err() {}
    pub(super) trait Clone {}
    pub(super) trait Debug {}
    pub(super) trait Send {}
    pub(super) trait Module {}
    pub(super) struct Prediction;
    pub(super) mod core {}
    pub(super) mod std {}
}
#[allow(unused_imports)]
use shadows::*;
#[allow(unused_imports)]
use shadows::{Clone, Debug, Err, Ok, Option, Result, Send, Some, String, Vec};

/// Answer.
#[karat::signature]
struct Qa {
    #[input]
    question: ::std::string::String,
    #[output]
    answers: ::std::vec::Vec<bool>,
}

#[karat::module]
struct Rag {
    qa: karat::Predict<Qa>,
}

#[karat::module]
impl Rag {
    async fn forward(&self, question: ::std::string::String, k: usize) -> karat::Result<karat::Prediction<QaOutput>> {
        karat::Module::call(&self.qa, QaInput { question: question.repeat(k) }).await
    }
}

#[karat::reward]
fn many(_input: &RagInput, prediction: &karat::Prediction<QaOutput>) -> bool {
    prediction.answers.len() > 3
}

fn main() {}
