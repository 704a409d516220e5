//! `Refine`: what the reward says about one rollout is advice for the next.
//!
//! Offline: `cargo run -p karat-examples --bin refine`. Live: the same with `KARAT_MODEL` or `OPENAI_API_KEY` set, or on the
//! small local model with `scripts/local-lm run -- cargo run -p karat-examples --bin refine`.

use karat::{Module, Predict, Prediction, Refine, Result, ScriptedLm, TerseAdapter, reward, signature};

/// Write the subject line of the commit that makes this change.
#[signature]
struct Commit {
    /// what was changed, and why
    #[input]
    change: String,
    #[output]
    subject: String,
}

/// One point for each rule that is kept; the broken ones are the advice. Its text counts as advice as it is; a reward without
/// text would have a critic, itself an LM call, read the program and this function and write the advice.
#[reward]
fn house_rules(input: &CommitInput, commit: &Prediction<CommitOutput>) -> (f64, String) {
    let subject = commit.subject.as_str();
    let (verb, rest) = subject.split_once(' ').unwrap_or((subject, ""));
    let mut words = rest.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 4);
    let rules = [
        (subject.chars().count() <= 50, "Use at most 50 characters."),
        (subject.starts_with(char::is_uppercase), "Begin with a capital letter."),
        (
            !verb.ends_with("ed") && !verb.ends_with("ing"),
            "Begin with an imperative, such as Fix, Add or Remove.",
        ),
        (words.all(|word| input.change.contains(word)), "Use the words of the change."),
        (!subject.ends_with('.'), "Leave out the full stop."),
    ];
    let broken: Vec<_> = rules.iter().filter(|(kept, _)| !kept).map(|(_, rule)| *rule).collect();
    let share = 1.0 - broken.len() as f64 / rules.len() as f64;
    (share, if broken.is_empty() { "Every rule is kept.".into() } else { broken.join(" ") })
}

#[tokio::main]
async fn main() -> Result<()> {
    let lm = karat_examples::lm(ScriptedLm::new([
        "Fixed the parser that took it for granted that a file has lines.",
        "Fixed a crash on empty files",
        "Fix a crash on empty files",
    ]))?;
    let writer = Predict::<Commit>::new().adapter(TerseAdapter).lm(&lm).demos(demos());

    // One rollout after the other, since each learns from the one before.
    let refine = Refine::new(writer, 4, house_rules).threshold(1.0);
    let change = "The parser took it for granted that a file has at least one line and crashed on empty files. It now \
                  gives an empty document for them.";
    let commit = refine.call(CommitInput { change: change.into() }).await?;

    println!("{}\n", commit.subject);
    for rollout in commit.rollouts() {
        println!("{rollout}");
    }
    println!("\nreward {:.2} after {} LM calls", commit.reward().unwrap_or_default(), commit.usage().calls);
    Ok(())
}

fn demos() -> Vec<Commit> {
    let demo = |change: &str, subject: &str| Commit { change: change.into(), subject: subject.into() };
    vec![
        demo(
            "The cache was never emptied; now old entries go after an hour.",
            "Expire cache entries after an hour",
        ),
        demo("Nobody used the XML export any more, so it is gone.", "Remove the unused XML export"),
    ]
}
