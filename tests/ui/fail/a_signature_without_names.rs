#[karat::signature]
struct Qa(#[input] String, #[output] String);

fn main() {
    let _ = karat::Predict::<Qa>::new();
}
