use karat::{BestOfN, Predict, Prediction, Refine, Result, Reward, Score};

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
struct Judge {
    qa: Predict<Qa>,
}

impl Reward<QaInput, QaOutput> for Judge {
    async fn evaluate(&self, _: &QaInput, _: &Prediction<QaOutput>) -> Result<Score> {
        Ok(Score::new(1.0))
    }
}

fn main() {
    let judge = Judge { qa: Predict::new() };
    let _ = BestOfN::new(Predict::<Qa>::new(), 3, judge.clone());
    let _ = Refine::new(Predict::<Qa>::new(), 3, judge);
}
