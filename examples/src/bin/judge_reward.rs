//! An LM judge as the reward: a module of its own, which `BestOfN::with_reward` asks about every rollout.
//!
//! Offline: `cargo run -p karat-examples --bin judge_reward`. Live: the same with `KARAT_MODEL` or `OPENAI_API_KEY` set, or on the
//! small local model with `scripts/local-lm run -- cargo run -p karat-examples --bin judge_reward`.

use karat::{
    BestOfN, JsonAdapter, Module, Predict, Prediction, Result, Reward, Score, ScriptedLm, TerseAdapter,
    module, signature,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Write a slogan for the product.
#[signature]
struct Slogan {
    #[input]
    product: String,
    #[output]
    slogan: String,
}

/// Judge the slogan: does it fit the product, and will it be remembered?
#[signature]
struct Rate {
    #[input]
    product: String,
    #[input]
    slogan: String,
    #[output]
    grade: Grade,
}

/// Words, since models are better at them than at points.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
enum Grade {
    Poor,
    Fair,
    Good,
    Excellent,
}

/// A `#[module]`, so that each rollout has a copy of it whose LM calls are counted.
#[module]
struct Judge {
    rate: Predict<Rate>,
}

impl Reward<SloganInput, SloganOutput> for Judge {
    async fn evaluate(&self, input: &SloganInput, prediction: &Prediction<SloganOutput>) -> Result<Score> {
        // What needs no LM is decided without one.
        let words = prediction.slogan.split_whitespace().count();
        if !(2..=10).contains(&words) {
            return Ok(Score::new(0.0).with_feedback(format!("{words} words")));
        }
        let (product, slogan) = (input.product.clone(), prediction.slogan.clone());
        let rating = self.rate.call(RateInput { product, slogan }).await?;
        let value = match rating.grade {
            Grade::Poor => 0.1,
            Grade::Fair => 0.4,
            Grade::Good => 0.7,
            Grade::Excellent => 1.0,
        };
        Ok(Score::new(value).with_feedback(format!("{:?}", rating.grade)))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let lm = karat_examples::lm(ScriptedLm::new([
        "Buy our umbrella",
        r#"{"grade": "Poor"}"#,
        "Rain? Let it.",
        r#"{"grade": "Excellent"}"#,
    ]))?;
    let writer = Predict::<Slogan>::new().adapter(TerseAdapter).lm(&lm).demos(slogans());
    // The judge may run on another, better model. Its temperature is its own: the rollouts' is not for it.
    let judge = Judge { rate: Predict::new().adapter(JsonAdapter).lm(&lm).temperature(0.0).demos(ratings()) };

    let best = BestOfN::with_reward(writer, 4, judge).threshold(0.9);
    let best =
        best.call(SloganInput { product: "an umbrella that no storm turns inside out".into() }).await?;

    println!("{}\n", best.slogan);
    for rollout in best.rollouts() {
        println!("{rollout}");
    }
    println!("\n{} LM calls, the judge's included", best.usage().calls);
    Ok(())
}

fn slogans() -> Vec<Slogan> {
    let demo = |product: &str, slogan: &str| Slogan { product: product.into(), slogan: slogan.into() };
    vec![
        demo("a mattress for people who sleep badly", "Count on it, not sheep."),
        demo("a very strong glue", "Stuck? For ever."),
    ]
}

fn ratings() -> Vec<Rate> {
    let demo =
        |product: &str, slogan: &str, grade| Rate { product: product.into(), slogan: slogan.into(), grade };
    vec![
        demo("a very strong glue", "We have been selling glue since 1950.", Grade::Poor),
        demo("a mattress for people who sleep badly", "A good mattress.", Grade::Fair),
        demo("a bicycle with an electric motor", "Hills? What hills?", Grade::Excellent),
        demo("a pen that writes under water", "Writes where others drown.", Grade::Good),
    ]
}
