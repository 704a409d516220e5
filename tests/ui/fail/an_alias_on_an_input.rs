#[karat::signature]
struct Qa {
    #[input(alias = "query")]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
