//! The program gives the inputs, and knows what it gives.

#[karat::signature]
struct Qa {
    #[input(length(max = 40), desc = "what is asked")]
    question: String,
    #[input(check = is_even, range(0..=10))]
    points: u8,
    #[output]
    answer: String,
}

fn is_even(points: &u8) -> bool {
    points % 2 == 0
}

fn main() {}
