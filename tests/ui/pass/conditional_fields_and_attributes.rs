//! What `cfg` takes away is in no struct, no table and no traversal; `cfg_attr` counts where it holds.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::{Predict, Prediction, Result, Signature};

/// Answer.
#[karat::signature]
#[cfg_attr(all(), derive(PartialEq, Clone))]
#[cfg_attr(any(), derive(NoSuchDerive))]
struct Qa {
    #[cfg_attr(all(), input)]
    #[cfg_attr(any(), output)]
    question: String,
    #[cfg(any())]
    nothing: NoSuchType,
    #[cfg(all())]
    #[output]
    #[cfg_attr(all(), serde(rename = "reply"))]
    answer: String,
}

#[karat::module]
#[cfg_attr(all(), derive(Debug))]
struct Rag {
    qa: Predict<Qa>,
    #[cfg(any())]
    nothing: NoSuchType,
    #[cfg_attr(all(), module(skip))]
    count: std::sync::Arc<std::sync::atomic::AtomicU8>,
}

#[karat::module]
#[cfg(all())]
impl Rag {
    async fn forward(&self, question: String, #[cfg(any())] nothing: NoSuchType, #[cfg(all())] k: usize) -> Result<Prediction<QaOutput>> {
        self.qa.call(QaInput { question: question.repeat(k) }).await
    }

    #[cfg(any())]
    fn nothing() -> NoSuchType {}
}

fn main() {
    let names: Vec<_> = Qa::spec().fields().iter().map(|field| field.name()).collect();
    assert_eq!(names, ["question", "reply"]);
    let input = QaInput { question: "?".into() };
    assert!(input == input.clone());
    drop(RagInput { question: "?".into(), k: 1 });
}
