#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(alias = "score")]
    answer: String,
    #[output]
    score: f64,
}

fn main() {}
