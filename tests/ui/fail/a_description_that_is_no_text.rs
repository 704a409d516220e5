#[karat::signature]
struct Qa {
    #[input(desc = 5)]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
