#[karat::signature]
struct Qa<'a> {
    #[input]
    question: &'a str,
    #[output]
    answer: String,
}

fn main() {}
