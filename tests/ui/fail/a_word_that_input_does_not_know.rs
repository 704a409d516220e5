#[karat::signature]
struct Qa {
    #[input(descr = "what is asked")]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
