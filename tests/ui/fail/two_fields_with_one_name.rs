#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    #[serde(rename = "question")]
    answer: String,
}

fn main() {}
