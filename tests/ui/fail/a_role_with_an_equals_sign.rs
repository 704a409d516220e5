#[karat::signature]
struct Qa {
    #[input = "what is asked"]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
