//! A default is a value of the field's type.

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(default = "three")]
    points: u8,
}

fn main() {}
