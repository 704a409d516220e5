//! Items called `k`, `karat`, `input`, `reader`, `writer`, `walker` are in nobody's way.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

#[allow(non_upper_case_globals)]
const k: usize = 3;
#[allow(non_upper_case_globals)]
const input: usize = 3;
#[allow(non_upper_case_globals)]
static reader: usize = 3;
#[allow(non_upper_case_globals)]
const writer: usize = 3;
#[allow(non_camel_case_types)]
struct walker;
mod karat {}

/// Answer.
#[::karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    output: [u8; k],
}

#[::karat::module]
struct Rag(::karat::Predict<Qa>);

#[::karat::module]
impl Rag {
    async fn forward(&self, question: String) -> ::karat::Result<::karat::Prediction<QaOutput>> {
        ::karat::Module::call(&self.0, QaInput { question }).await
    }
}

#[::karat::reward]
fn first(_: &String, prediction: &::karat::Prediction<QaOutput>) -> bool {
    usize::from(prediction.output[0]) == k + input + reader + writer
}

fn main() {}
