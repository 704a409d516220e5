//! The program gives every input.

#[karat::signature]
struct Qa {
    #[input(default)]
    question: String,
    #[output(default = )]
    answer: String,
    #[output(optional)]
    points: u8,
}

fn main() {}
