#[karat::signature(crate = 5)]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
