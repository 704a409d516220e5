#[karat::signature]
struct Qa<T> {
    #[input]
    question: T,
    #[output]
    answer: String,
}

fn main() {}
