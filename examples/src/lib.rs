//! Helpers of the examples: the model that they run on, and a tiny search.

pub mod search;

use karat::{ErrorKind, Lm, Result, ScriptedLm};

/// The model that the environment names; a small local one gets a token limit.
pub fn live() -> Result<Lm> {
    let lm = Lm::from_env()?;
    // A small model may ramble on; a reasoning model would need more.
    Ok(if lm.name().starts_with("llamacpp/") { lm.max_tokens(60) } else { lm })
}

/// The model that the environment names or, where it names none, the scripted one, so that an example always runs.
pub fn lm(offline: ScriptedLm) -> Result<Lm> {
    match live() {
        Ok(lm) => {
            eprintln!("live, on {}", lm.name());
            Ok(lm)
        }
        Err(error) if error.kind() == ErrorKind::NoLm => {
            eprintln!("offline, with scripted answers: set KARAT_MODEL or OPENAI_API_KEY for a live run");
            Ok(offline.lm())
        }
        Err(error) => Err(error),
    }
}
