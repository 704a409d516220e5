#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[outptu]
    answer: String,
}

fn main() {}
