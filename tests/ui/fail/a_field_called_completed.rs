#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    completed: bool,
}

fn main() {}
