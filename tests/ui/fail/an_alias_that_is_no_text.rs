#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(alias = ["reply", 2])]
    answer: String,
}

fn main() {}
