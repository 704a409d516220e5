#[karat::signature]
struct Qa {
    #[input(desc = "one", desc = "two")]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
