//! Doc comments of every form become text; `desc` wins over them.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::Signature;

/// Answer the question.
///
///   Be brief.
#[karat::signature]
struct Qa {
    /// ignored
    #[input(desc = "what is asked")]
    question: String,
    /** two
     * lines
     */
    #[input]
    context: String,
    #[doc = concat!("from ", "a macro")]
    #[output]
    answer: String,
    #[output(desc = concat!("con", "cat"))]
    note: String,
    #[output]
    bare: String,
}

fn main() {
    let spec = Qa::spec();
    assert_eq!(spec.instructions(), "Answer the question.\n\n  Be brief.");
    let descriptions: Vec<_> = spec.fields().iter().map(|field| field.description()).collect();
    assert_eq!(descriptions, ["what is asked", "two\nlines", "from a macro", "concat", ""]);
}
