#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(temperature = 0.5)]
    answer: String,
}

fn main() {}
