#[karat::signature]
struct Qa {
    #[input]
    #[output]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
