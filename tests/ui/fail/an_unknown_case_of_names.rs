#[karat::signature]
#[serde(rename_all = "CamelCase")]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
