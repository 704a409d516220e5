use karat::Predict;

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
enum Rag {
    One(Predict<Qa>),
    Two(#[module(skip)] u8),
}

fn main() {}
