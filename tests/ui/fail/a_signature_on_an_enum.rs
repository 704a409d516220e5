#[karat::signature]
enum Qa {
    Question {
        #[input]
        question: String,
    },
}

fn main() {
    let _ = karat::Predict::<Qa>::new();
}
