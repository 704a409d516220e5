//! `BestOfN`: several rollouts of one module, a reward that scores them, and the report of all of them.
//!
//! Offline: `cargo run -p karat-examples --bin best_of_n`. Live: the same with `KARAT_MODEL` or `OPENAI_API_KEY` set, or on the
//! small local model with `scripts/local-lm run -- cargo run -p karat-examples --bin best_of_n`.

use std::time::Duration;

use karat::{BestOfN, Module, Predict, Reply, Result, ScriptedLm, TerseAdapter, signature};

/// Write a headline of three to eight words for the news.
#[signature]
struct Headline {
    #[input]
    news: String,
    #[output]
    headline: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let lm = karat_examples::lm(ScriptedLm::new([
        Reply::text("The city council of Graz decided on Monday that all buses will run on hydrogen"),
        Reply::text("Graz council: 200 buses by 2035"),
        Reply::text("All Graz buses to run on hydrogen").delay(Duration::from_millis(20)),
        Reply::text("Comes too late").delay(Duration::from_secs(60)),
    ]))?;
    let writer = Predict::<Headline>::new().adapter(TerseAdapter).lm(&lm).demos(demos());

    // Input and prediction are typed: `news` and `headline` are plain fields.
    let best = BestOfN::new(writer, 6, |input, prediction| {
        let words: Vec<_> = prediction.headline.split_whitespace().collect();
        let invented = numbers(&prediction.headline).find(|number| !input.news.contains(number));
        match (words.len(), invented) {
            (_, Some(number)) => (0.0, format!("{number} is not in the news")),
            (3..=8, None) => (1.0, "good".into()),
            (count, None) => (4.0 / count.max(8) as f64, format!("{count} words")),
        }
    })
    .threshold(1.0) // the first headline to reach it ends the call
    .concurrency(2) // two rollouts at a time; what is still running then is dropped on the wire
    .fail_count(3); // a fourth failed rollout would end the call with an error

    let news = "On Monday the city council of Graz decided that by 2031 all 164 of its buses will run on hydrogen. The \
                first twelve arrive in spring.";
    let best = best.call(HeadlineInput { news: news.into() }).await?;

    println!("{}\n", best.headline);
    for rollout in best.rollouts() {
        println!("{rollout}");
    }
    let usage = best.usage();
    println!("\nspent: {} LM calls, {} tokens", usage.calls, usage.total_tokens());
    Ok(())
}

/// The numbers in a text.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty())
}

fn demos() -> Vec<Headline> {
    let demo = |news: &str, headline: &str| Headline { news: news.into(), headline: headline.into() };
    vec![
        demo(
            "The zoo of Basel said on Friday that its oldest elephant, Rosa, has died at the age of 57.",
            "Oldest elephant of Basel zoo dies at 57",
        ),
        demo(
            "Rain flooded the old town of Passau on Sunday; 300 people left their homes.",
            "Flood in Passau: 300 leave homes",
        ),
        demo(
            "Engineers finished the tunnel between the two islands in May, a year earlier than planned.",
            "Island tunnel finished a year early",
        ),
    ]
}
