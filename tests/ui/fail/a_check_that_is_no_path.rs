//! A check is a fn with a name, which errors can tell.

#[karat::signature]
struct Qa {
    #[output(check = |points: &u8| points % 2 == 0)]
    points: u8,
    #[output(check = "is_even")]
    marks: u8,
    #[output(check)]
    votes: u8,
    #[output(check())]
    views: u8,
    #[output(inner(check = is_even))]
    all: Vec<u8>,
}

fn is_even(points: &u8) -> bool {
    points % 2 == 0
}

fn main() {}
