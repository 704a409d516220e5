//! A constant as a bound is a number.

const MOST: &str = "ten";

#[karat::signature]
struct Qa {
    #[output(range(0..=MOST))]
    points: u8,
    #[output(length(max = MOST))]
    answer: String,
}

fn main() {}
