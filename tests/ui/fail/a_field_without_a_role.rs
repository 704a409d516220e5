#[karat::signature]
struct Qa {
    #[input]
    question: String,
    answer: String,
    #[output]
    score: f64,
}

fn main() {}
