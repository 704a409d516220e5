//! A signature may have no inputs.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::{Module, Predict, Signature};

/// Tell a joke.
#[karat::signature]
struct Joke {
    #[output]
    joke: String,
}

fn main() {
    assert_eq!(Joke::spec().fields().len(), 1);
    drop(Predict::<Joke>::new().call(JokeInput {}));
}
