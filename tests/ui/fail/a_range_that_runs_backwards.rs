//! The least comes first, and a bound is a number.

#[karat::signature]
struct Qa {
    #[output(range(min = 3, max = 1))]
    points: u8,
    #[output(range(1.0..0.5))]
    share: f64,
    #[output(range(0.5..0.5))]
    part: f64,
    #[output(length(40..=1))]
    title: String,
    #[output(length(1..40))]
    name: String,
    #[output(length(min = -1))]
    note: String,
    #[output(range(max = "ten"))]
    stars: u8,
    #[output(range(min = 0, min = 1))]
    votes: u8,
    #[output(range(least = 0))]
    views: u8,
}

fn main() {}
