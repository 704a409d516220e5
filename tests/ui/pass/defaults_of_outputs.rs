//! What stands for an output that the model leaves out: the type's own default, a value, an expression that names the user's items.
#![deny(warnings, missing_docs, unreachable_pub, rust_2018_idioms)]

const SCALE: u8 = 10;

fn tags() -> Vec<String> {
    vec!["none".into()]
}

/// Rate the text.
#[karat::signature]
struct Rate {
    #[input]
    text: String,
    /// up to ten
    #[output(default = SCALE, alias = "of", desc = "the most points")]
    scale: u8,
    #[output(default)]
    note: String,
    #[output(default = tags())]
    tags: Vec<String>,
    #[output(default = if SCALE > 5 { 1.5 } else { 0.5 })]
    factor: f64,
}

fn main() {
    let input = RateInput { text: "x".into() };
    let output = karat::Predict::<Rate>::new().parse(&input, "[[ ## note ## ]]\nn").unwrap();
    assert_eq!((output.scale, output.note.as_str(), output.tags, output.factor), (10, "n", tags(), 1.5));
}
