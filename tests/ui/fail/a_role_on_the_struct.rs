#[karat::signature]
#[input]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
