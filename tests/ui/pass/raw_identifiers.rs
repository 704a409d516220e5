//! Raw identifiers lose their `r#` in prompts and paths.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::{Module, Predict, Prediction, Result, Signature};

/// Classify.
#[karat::signature]
struct r#Loop {
    #[input]
    r#type: String,
    #[output]
    r#match: bool,
}

#[karat::module]
struct Rag {
    r#move: Predict<Loop>,
}

#[karat::module]
impl Rag {
    async fn forward(&self, r#type: String, r#for: usize) -> Result<Prediction<LoopOutput>> {
        self.r#move.call(LoopInput { r#type: r#type.repeat(r#for) }).await
    }
}

fn main() {
    let names: Vec<_> = Loop::spec().fields().iter().map(|field| field.name()).collect();
    assert_eq!((Loop::spec().name(), names), ("Loop", vec!["type", "match"]));
    let rag = Rag { r#move: Predict::new() };
    assert_eq!(rag.named_predictors()[0].0, "move");
}
