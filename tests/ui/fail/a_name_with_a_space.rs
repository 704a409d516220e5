#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    #[serde(rename = "the answer")]
    answer: String,
}

fn main() {}
