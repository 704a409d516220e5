#[karat::signature]
struct Qa {
    #[input]
    #[input(desc = "what is asked")]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
