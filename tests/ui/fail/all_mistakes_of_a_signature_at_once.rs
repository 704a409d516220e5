#[karat::signature(strict)]
struct Qa {
    #[input(descr = "one")]
    #[output]
    question: String,
    context: String,
    #[output(alias = "")]
    completed: String,
    #[output(desc = 5)]
    #[serde(rename = "context")]
    answer: String,
}

fn main() {}
