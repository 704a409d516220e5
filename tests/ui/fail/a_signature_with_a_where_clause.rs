#[karat::signature]
struct Qa
where
    String: Clone,
{
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn main() {}
