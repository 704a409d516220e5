//! Items, names, types and docs may come out of `macro_rules!`.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::{Module, Predict, Prediction, Result, Signature};

macro_rules! task {
    ($(#[$meta:meta])* $vis:vis $name:ident($($input:ident: $from:ty),*) -> $output:ident: $to:ty = $desc:expr) => {
        $(#[$meta])*
        #[karat::signature]
        $vis struct $name {
            $(#[input] $input: $from,)*
            #[output(desc = $desc)]
            $output: $to,
            /// a fixed field
            #[output]
            fixed: bool,
        }
    };
}

task!(
    /// Answer the question.
    pub(crate) Qa(question: String, context: Vec<String>) -> answer: Option<String> = "one word"
);

macro_rules! program {
    ($name:ident, $signature:ty, $input:ty, $output:ty, $reward:ident) => {
        #[karat::module]
        struct $name {
            inner: Predict<$signature>,
        }

        #[karat::module]
        impl $name {
            async fn forward(&self, input: $input) -> Result<Prediction<$output>> {
                self.inner.call(input).await
            }
        }

        #[karat::reward]
        fn $reward(_input: &$input, prediction: &Prediction<$output>) -> bool {
            prediction.fixed
        }
    };
    ($item:item) => {
        #[karat::module]
        $item
    };
}

program!(Rag, Qa, QaInput, QaOutput, fixed);

program! {
    struct Other {
        rag: Rag,
    }
}

program! {
    impl Other {
        async fn forward(&self, input: QaInput, k: usize) -> Result<Prediction<QaOutput>> {
            let _ = k;
            self.rag.call(input).await
        }
    }
}

fn main() {
    let spec = Qa::spec();
    assert_eq!(spec.instructions(), "Answer the question.");
    assert_eq!(spec.fields()[2].description(), "one word");
    let rag = Rag { inner: Predict::new() };
    // Not the text of the macro, which would say `$input`.
    assert!(rag.source().is_some_and(|source| source.contains("QaInput") && !source.contains('$')));
    let input = QaInput { question: String::new(), context: Vec::new() };
    drop(Other { rag }.call(OtherInput { input, k: 1 }));
    assert!(!*fixed(
        &QaInput { question: String::new(), context: Vec::new() },
        &Prediction::new(QaOutput { answer: None, fixed: false }),
    ));
}
