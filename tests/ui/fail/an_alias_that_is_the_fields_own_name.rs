#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(alias = "answer")]
    answer: String,
}

fn main() {}
