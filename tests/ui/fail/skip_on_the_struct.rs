use karat::Predict;

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module(skip)]
struct Rag {
    answer: Predict<Qa>,
}

fn main() {}
