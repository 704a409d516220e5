use karat::Predict;

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
struct Rag {
    #[module]
    answer: Predict<Qa>,
}

fn main() {}
