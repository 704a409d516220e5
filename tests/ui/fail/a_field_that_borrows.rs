#[karat::signature]
struct Qa {
    #[input]
    question: &str,
    #[output]
    answer: String,
}

fn main() {}
