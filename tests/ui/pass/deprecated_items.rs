//! What the user deprecates raises no lint in the expansion.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

mod old {
    #![allow(deprecated)]
    /// Answer.
    #[karat::signature]
    #[deprecated]
    pub(crate) struct Qa {
        #[input]
        question: String,
        #[deprecated]
        #[output]
        answer: String,
    }
}

fn main() {}
