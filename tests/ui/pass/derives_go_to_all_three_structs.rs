//! `Clone` and `Debug` are always there, and not twice where the user writes them too.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::Signature;

/// Answer.
#[karat::signature]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[derive(serde::Serialize)]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn main() {
    let (input, output) = Qa::default().split();
    assert_eq!(format!("{input:?} {output:?}"), r#"QaInput { question: "" } QaOutput { answer: "" }"#);
    assert_eq!(Qa::join(input.clone(), output.clone()), Qa::default());
    assert!(input <= QaInput::default() && output >= QaOutput::default());
}
