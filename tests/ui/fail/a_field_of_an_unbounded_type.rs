use karat::Predict;

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
struct Rag<M> {
    answer: Predict<Qa>,
    inner: M,
}

fn main() {}
