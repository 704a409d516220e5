//! Each rule has one form, told where another one stands.

#[karat::signature]
struct Qa {
    #[output(range = 10)]
    points: u8,
    #[output(length = 40)]
    answer: String,
    #[output(min = 1)]
    stars: u8,
    #[output(one_of = "a")]
    shelf: String,
    #[output(one_of("a", "b", "a"))]
    name: String,
    #[output(one_of())]
    title: String,
    #[output(regex("^a$"))]
    code: String,
    #[output(rang(0..=10))]
    votes: u8,
    #[output(range(0..=10), range(0..=5))]
    views: u8,
    #[output(inner)]
    tags: Vec<String>,
    #[output(range(5))]
    marks: u8,
}

fn main() {}
