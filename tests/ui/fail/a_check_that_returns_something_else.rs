//! A check says yes or no, or what is wrong.

struct Opaque;

#[karat::signature]
struct Qa {
    #[output(check = half)]
    points: u8,
    #[output(check = fits)]
    answer: String,
}

fn half(points: &u8) -> u8 {
    points / 2
}

fn fits(answer: &str) -> Result<(), Opaque> {
    if answer.is_empty() { Err(Opaque) } else { Ok(()) }
}

fn main() {}
