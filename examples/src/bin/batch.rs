//! Many calls at once: one module on a list of inputs, and `Parallel` for different modules on one.
//!
//! Offline: `cargo run -p karat-examples --bin batch`. Live: the same with `KARAT_MODEL` or `OPENAI_API_KEY` set, or on the
//! small local model with `scripts/local-lm run -- cargo run -p karat-examples --bin batch`.

use std::time::Duration;

use karat::{
    Error, JsonAdapter, Module, OnParseError, Predict, Reply, Result, ScriptedLm, TerseAdapter,
    batch::{BatchStop, Parallel},
    signature,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tell what the customer feels.
#[signature]
struct Classify {
    #[input]
    review: String,
    #[output]
    mood: Mood,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
enum Mood {
    Happy,
    Unhappy,
}

/// Name the product in one to three words.
#[signature]
struct FindProduct {
    #[input]
    review: String,
    #[output]
    product: String,
}

const REVIEWS: [&str; 6] = [
    "The kettle boils in a minute and looks great.",
    "Two weeks, and the toaster is broken already.",
    "I bought this lamp twice, that says it all.",
    "The chair arrived without screws. Nobody answers the phone.",
    "Best knife I have ever owned.",
    "???",
];

#[tokio::main]
async fn main() -> Result<()> {
    let lm = karat_examples::lm(ScriptedLm::computed(offline))?;
    let classify = Predict::<Classify>::new()
        .adapter(JsonAdapter)
        .on_parse_error(OnParseError::Fail) // instead of asking once more
        .temperature(0.0)
        .demos(demos(|review, (mood, _)| Classify { review, mood }))
        .lm(&lm);
    let find = Predict::<FindProduct>::new()
        .adapter(TerseAdapter)
        .demos(demos(|review, (_, product)| FindProduct { review, product }))
        .lm(&lm);

    let reviews = classify
        .batch(REVIEWS.map(|review| ClassifyInput { review: review.into() }))
        .concurrency(4)
        .max_errors(2) // a third failed item would end the batch; what is finished is kept
        .timeout(Duration::from_secs(60)) // of each item
        .progress(true) // on stderr, if that is a terminal
        .await;
    for item in &reviews {
        match &item.result {
            Ok(answer) => println!("{:<62}{:?}", item.input.review, answer.mood),
            Err(error) => println!("{:<62}failed: {error}", item.input.review),
        }
    }
    let (usage, failed) = (reviews.usage(), reviews.errors().count());
    println!("\n{failed} failed; {} LM calls, {} tokens", usage.calls, usage.total_tokens());
    if reviews.stop_reason() != BatchStop::Completed {
        return Err(Error::other(format!("the batch ended early: {:?}", reviews.stop_reason())));
    }

    // Different modules side by side; functions bring their outputs to one type.
    let review = REVIEWS[0].to_owned();
    let both = Parallel::new()
        .with_map(&find, FindProductInput { review: review.clone() }, |output| output.product)
        .with_map(&classify, ClassifyInput { review }, |output| format!("{:?}", output.mood))
        .await
        .into_predictions()?;
    println!("{} -> {}", *both[0], *both[1]);
    Ok(())
}

fn demos<S>(demo: impl Fn(String, (Mood, String)) -> S) -> Vec<S> {
    [
        ("The radio has a wonderful sound.", Mood::Happy, "radio"),
        ("The blender leaks, I want my money back.", Mood::Unhappy, "blender"),
        ("This fan is quiet and strong.", Mood::Happy, "fan"),
    ]
    .map(|(review, mood, product)| demo(review.into(), (mood, product.into())))
    .into()
}

/// What the scripted model answers; nothing readable to the last review.
fn offline(request: &karat::lm::Request) -> Reply {
    let review = request.prompt.last();
    match () {
        _ if review.contains("???") => "I cannot tell.".into(),
        _ if request.response_format.is_none() => "Product: kettle".into(),
        _ if review.contains("broken") || review.contains("without") => Reply::fields([("mood", "Unhappy")]),
        _ => Reply::fields([("mood", "Happy")]),
    }
}
