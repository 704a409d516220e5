//! Three levels deep, every predictor is found.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::{Module, Predict, Prediction, Result};

/// Answer the question.
#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
struct Inner {
    qa: Predict<Qa>,
}

#[karat::module]
impl Inner {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        self.qa.call(input).await
    }
}

#[karat::module]
struct Middle(Inner, Option<Inner>);

#[karat::module]
impl Middle {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        self.1.as_ref().unwrap_or(&self.0).call(input).await
    }
}

#[karat::module]
struct Outer {
    middle: Box<Middle>,
}

#[karat::module]
impl Outer {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        self.middle.call(input).await
    }
}

fn main() {
    let inner = Inner { qa: Predict::new() };
    let outer = Outer { middle: Box::new(Middle(inner.clone(), Some(inner))) };
    assert_eq!(outer.named_predictors().len(), 2);
}
