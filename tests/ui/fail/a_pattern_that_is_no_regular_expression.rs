//! A pattern is tried out where it stands.

#[karat::signature]
struct Qa {
    #[output(pattern = "^[a-z+$")]
    answer: String,
    #[output(pattern = r"(?=a)b")]
    code: String,
    #[output(pattern = 5)]
    name: String,
    #[output(inner(pattern = "("))]
    tags: Vec<String>,
}

fn main() {}
