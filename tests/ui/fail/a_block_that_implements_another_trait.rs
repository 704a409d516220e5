use karat::Predict;

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
struct Rag {
    answer: Predict<Qa>,
}

#[karat::module]
impl Default for Rag {
    fn default() -> Self {
        Self { answer: Predict::new() }
    }
}

fn main() {}
