//! What std's types hold is known from their names.

#[karat::signature]
struct Qa {
    #[output(range(0..=10))]
    answer: String,
    #[output(length(max = 3))]
    points: Option<u8>,
    #[output(range(0..=10))]
    marks: Vec<u8>,
    #[output(pattern = "^[a-z]+$")]
    tags: Vec<String>,
    #[output(inner(length(max = 3)))]
    counts: [u8; 3],
    #[output(inner(range(0..=3)))]
    title: Box<str>,
    #[output(inner(range(0..=3)))]
    name: String,
    #[output(one_of("a", 1))]
    shelf: String,
    #[output(length(max = 3))]
    sure: bool,
}

fn main() {}
