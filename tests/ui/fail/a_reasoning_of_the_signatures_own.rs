use std::collections::HashMap;

use karat::{BestOfN, ChainOfThought, Predict, Signature};

#[karat::signature]
struct Explain {
    #[input]
    question: String,
    #[output]
    reasoning: String,
    #[output]
    answer: String,
}

#[karat::signature]
struct Renamed {
    #[input]
    #[serde(rename = "reasoning")]
    thought: String,
    #[output]
    answer: String,
}

type Thinker = ChainOfThought<Explain>;

#[karat::module]
struct Direct {
    plain: Predict<Explain>,
    thinking: ChainOfThought<Explain>,
}

#[karat::module]
struct Nested {
    tools: HashMap<String, Vec<BestOfN<ChainOfThought<Renamed>>>>,
}

#[karat::module]
struct Alias(Thinker);

// What a parameter stands for is known at the first call alone.
#[karat::module]
struct Generic<S: Signature> {
    generic: ChainOfThought<S>,
}

fn main() {}
