#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(alias = "result")]
    answer: String,
    #[output(alias = "result")]
    score: f64,
}

fn main() {}
