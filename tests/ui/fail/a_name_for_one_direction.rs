#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    #[serde(rename(serialize = "reply"))]
    answer: String,
}

fn main() {}
