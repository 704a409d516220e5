#[karat::signature]
struct Qa {
    #[input(desc)]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
