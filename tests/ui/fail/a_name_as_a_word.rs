#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(rename = "reply")]
    answer: String,
}

fn main() {}
