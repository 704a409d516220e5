//! Saves and loads what a program has learned: as a state file (which DSPy reads too), and together with a description of
//! the program, so that another program's state is refused.
//!
//! Offline: `cargo run -p karat-examples --bin save_load`. Live: the same with `KARAT_MODEL` or `OPENAI_API_KEY` set, or on the
//! small local model with `scripts/local-lm run -- cargo run -p karat-examples --bin save_load`.

use std::{env, fs, path::Path, process};

use karat::{JsonAdapter, Module, Param, Predict, Prediction, Result, ScriptedLm, module, signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tell how urgent the ticket is.
#[signature]
struct Urgency {
    #[input]
    rules: Vec<String>,
    #[input]
    ticket: String,
    #[output]
    urgency: Level,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Level {
    Today,
    Tomorrow,
    Someday,
}

/// What can be learned: the predictor's instructions and demos, and the rules.
#[module]
struct Triage {
    urgency: Predict<Urgency>,
    rules: Param<Vec<String>>,
}

#[module]
impl Triage {
    async fn forward(&self, ticket: String) -> Result<Prediction<UrgencyOutput>> {
        self.urgency.call(UrgencyInput { rules: self.rules.to_vec(), ticket }).await
    }
}

impl Triage {
    fn new() -> Self {
        Self { urgency: Predict::new().adapter(JsonAdapter), rules: Param::default() }
    }
}

/// Another program that happens to have a predictor of the same name.
#[module]
struct Router {
    urgency: Predict<Urgency>,
    fallback: Predict<Urgency>,
}

#[module]
impl Router {
    async fn forward(&self, input: UrgencyInput) -> Result<Prediction<UrgencyOutput>> {
        match self.urgency.call(input.clone()).await {
            Err(error) if error.is_parse() => self.fallback.call(input).await,
            outcome => outcome,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    // The process default, so that no LM becomes a part of the state. (One that is set on a module does, without its key; and it
    // stays when a state is loaded.)
    karat::configure(karat_examples::lm(ScriptedLm::new([r#"{"urgency": "Today"}"#]))?);
    let folder = env::temp_dir().join(format!("karat-save-load-{}", process::id()));
    let outcome = run(&folder).await;
    let _ = fs::remove_dir_all(&folder);
    outcome
}

async fn run(folder: &Path) -> Result<()> {
    // What an optimizer would do.
    let mut tuned = Triage::new();
    tuned.rules.set(vec!["Whoever cannot work is helped today.".into()]);
    tuned.urgency =
        tuned.urgency.instructions("Tell by when the ticket has to be solved.").demos(demos(&tuned.rules));

    // The state alone. Loading is all or nothing.
    let file = folder.join("triage.json");
    tuned.save(&file)?;
    let mut loaded = Triage::new();
    loaded.load(&file)?;
    assert_eq!(loaded.dump_state(), tuned.dump_state());
    println!("loaded: {}", loaded.dump_state().paths().collect::<Vec<_>>().join(", "));
    let ticket = "Since this morning nobody in accounting can log in.";
    println!("{ticket} -> {:?}", loaded.call(ticket.into()).await?.urgency);

    // The state and what the program is made of.
    let program = folder.join("triage");
    tuned.save_program(&program)?;
    Triage::new().load_program(&program)?;
    let mut other = Router { urgency: Predict::new(), fallback: Predict::new() };
    match other.load_program(&program) {
        Err(error) if error.is_state() => println!("\na wrong program is refused: {error}"),
        unexpected => unexpected?,
    }
    Ok(())
}

fn demos(rules: &[String]) -> Vec<Urgency> {
    let demo = |ticket: &str, urgency| Urgency { rules: rules.to_vec(), ticket: ticket.into(), urgency };
    vec![
        demo("My screen stays black and I cannot work.", Level::Today),
        demo("Please order a second keyboard for the new colleague.", Level::Tomorrow),
        demo("The logo on the start page is a bit blurred.", Level::Someday),
    ]
}
