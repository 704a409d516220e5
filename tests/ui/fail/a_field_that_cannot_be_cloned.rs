use karat::Predict;

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

struct Index;

#[karat::module]
struct Rag {
    answer: Predict<Qa>,
    #[module(skip)]
    index: Index,
}

fn main() {}
