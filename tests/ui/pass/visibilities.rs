//! A signature may be public, of the crate, or private, and so may be its fields.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

/// Public.
pub mod public {
    /// Answer.
    #[karat::signature]
    pub struct Qa {
        /// the question
        #[input]
        pub question: String,
        /// the answer
        #[output]
        pub(crate) answer: String,
        #[output]
        note: String,
    }

    /// A module.
    #[karat::module]
    pub struct Rag {
        pub(crate) qa: karat::Predict<Qa>,
    }

    #[karat::module]
    impl Rag {
        /// Runs it, with a private type among its arguments.
        pub async fn forward(&self, question: String, private: Private) -> karat::Result<karat::Prediction<QaOutput>> {
            let Private(count) = private;
            karat::Module::call(&self.qa, QaInput { question: question.repeat(count) }).await
        }
    }

    #[derive(Clone, Debug)]
    struct Private(usize);
}

mod hidden {
    /// Answer.
    #[karat::signature]
    pub(crate) struct Qa {
        #[input]
        pub(crate) question: String,
        #[output]
        pub(in crate::hidden) answer: String,
    }

    #[karat::module]
    pub(super) struct Rag {
        pub(super) qa: karat::Predict<Qa>,
    }

    #[karat::module]
    impl Rag {
        async fn forward(&self, question: String, k: usize) -> karat::Result<karat::Prediction<QaOutput>> {
            karat::Module::call(&self.qa, QaInput { question: question.repeat(k) }).await
        }
    }
}

fn main() {
    let rag = hidden::Rag { qa: karat::Predict::new() };
    drop(karat::Module::call(&rag, hidden::RagInput { question: String::new(), k: 1 }));
    let input: Option<(public::QaInput, public::RagInput, hidden::QaOutput)> = None;
    assert!(input.is_none());
}
