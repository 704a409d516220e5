#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(desc = "short" alias = "reply")]
    answer: String,
}

fn main() {}
