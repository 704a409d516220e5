#[karat::signature]
struct Qa;

fn main() {
    let _ = karat::Predict::<Qa>::new();
}
