#![deny(unused_must_use)]

use karat::{BestOfN, Cache, Lm, Predict, Retry, signature};

/// Answer the question.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn main() {
    let lm = Lm::new("openai/gpt-4o-mini").unwrap();
    lm.clone().cache(Cache::memory());
    let retry = Retry::new();
    retry.attempts(3);
    let qa = Predict::<Qa>::new();
    qa.clone().lm(&lm);
    BestOfN::new(qa, 3, |_, _| 1.0).threshold(0.5);
}
