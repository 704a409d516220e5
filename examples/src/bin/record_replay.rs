//! A test on real answers without a network: record a program's calls once, replay them ever after, and keep a cache meanwhile.
//!
//! Offline: `cargo run -p karat-examples --bin record_replay`. Live: the same with `KARAT_MODEL` or `OPENAI_API_KEY` set, or on
//! the small local model with `scripts/local-lm run -- cargo run -p karat-examples --bin record_replay`.

use karat::{Cache, Lm, Module, Predict, Reply, Result, ScriptedLm, Usage, lm::Replay, signature};

/// Name the language of the text.
#[signature]
struct Detect {
    #[input]
    text: String,
    /// one word
    #[output]
    language: String,
}

const TEXTS: [&str; 3] = ["Guten Morgen!", "Dobré ráno!", "Guten Morgen!"];

/// The program under test.
async fn languages(lm: &Lm) -> Result<(Vec<String>, Usage)> {
    let detect = Predict::<Detect>::new().lm(lm);
    let (mut languages, mut usage) = (Vec::new(), Usage::default());
    for text in TEXTS {
        let answer = detect.call(DetectInput { text: text.into() }).await?;
        usage += answer.usage();
        languages.push(answer.into_inner().language);
    }
    Ok((languages, usage))
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("karat-example-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(karat::Error::other)?;
    let path = folder.join("answers.jsonl");

    // Once. The third text is the first one again, which the cache knows by then.
    let model = ["German", "Czech"].map(|language| Reply::fields([("language", language)]));
    let lm = karat_examples::lm(ScriptedLm::new(model))?.record(&path).cache(Cache::memory());
    let (live, usage) = languages(&lm).await?;
    println!("live: {live:?}, {} calls, {} of them from the cache", usage.calls, usage.cached_calls);

    // In every test.
    let replay = Replay::from_file(&path)?;
    let (replayed, _) = languages(&replay.lm().cache(Cache::memory())).await?;
    println!("replayed: {replayed:?}, the same: {}, unused: {}", replayed == live, replay.unused().len());

    // What was not recorded is an error that says what was.
    let detect = Predict::<Detect>::new().lm(&replay.lm());
    let error = detect.call(DetectInput { text: "Buenos días!".into() }).await;
    println!("not recorded: {}", error.map_or_else(|error| error.to_string(), |_| "answered".into()));

    std::fs::remove_dir_all(folder).map_err(karat::Error::other)
}
