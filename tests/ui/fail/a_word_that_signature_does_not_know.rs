#[karat::signature(strict)]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
