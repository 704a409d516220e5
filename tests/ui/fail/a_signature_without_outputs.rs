#[karat::signature]
struct Qa {
    #[input]
    question: String,
}

fn main() {}
