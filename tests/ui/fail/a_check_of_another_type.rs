//! A check takes a reference to the field's value.

#[karat::signature]
struct Qa {
    #[output(check = is_even)]
    points: u16,
    #[output(check = is_known)]
    answer: String,
    #[output(check(fits, "an answer to the question"))]
    name: String,
}

fn is_even(points: &u8) -> bool {
    points % 2 == 0
}

fn fits(question: &str, name: &str) -> bool {
    question.contains(name)
}

fn main() {}
