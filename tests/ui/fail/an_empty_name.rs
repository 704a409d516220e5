#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    #[serde(rename = "")]
    answer: String,
}

fn main() {}
