use karat::Predict;

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[derive(Clone)]
struct Index;

#[karat::module]
struct Rag {
    answer: Predict<Qa>,
    #[module(skp)]
    index: Index,
}

fn main() {}
