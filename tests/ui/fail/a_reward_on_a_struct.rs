#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::reward]
struct Short;

fn main() {}
