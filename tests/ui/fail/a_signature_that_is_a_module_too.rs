use karat::{Predict, Prediction, Result};

#[karat::signature]
#[karat::module]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
impl Qa {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        Predict::<Qa>::new().forward(input).await
    }
}

use karat::{module, signature};

#[module]
#[signature]
struct Other {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn main() {
    let _ = (QaInput { question: String::new() }, OtherInput { question: String::new() });
}
