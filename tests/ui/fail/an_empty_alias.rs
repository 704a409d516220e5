#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(alias = "")]
    answer: String,
}

fn main() {}
