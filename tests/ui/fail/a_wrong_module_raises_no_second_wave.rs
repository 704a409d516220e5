use karat::{BestOfN, Module, Predict, Prediction, Result};

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
    fn forward(&mut self, question: String, k: usize) -> Result<Prediction<QaOutput>> {
        unimplemented!("{question}{k}")
    }
}

async fn answer(rag: Rag, question: String) -> Result<String> {
    let best = BestOfN::new(rag, 5, |input: &RagInput, prediction| prediction.answer.len() < input.k);
    Ok(best.call(RagInput { question, k: 3 }).await?.answer.clone())
}

fn main() {
    let _ = answer;
}
