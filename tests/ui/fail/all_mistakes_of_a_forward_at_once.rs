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
impl Rag {
    unsafe fn forward(&mut self, question: &str) -> karat::Result<karat::Prediction<Self::Output>> {
        unimplemented!("{question}")
    }
}

fn main() {}
