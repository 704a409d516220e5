//! What the examples share: the model that they run on, and a tiny search.

pub mod search;

use std::env;

use karat::{Lm, Result, ScriptedLm};

/// The model that the environment configures: `KARAT_MODEL` (e.g. `ollama/llama3.2`, at `KARAT_BASE_URL` if that is set), else
/// `openai/gpt-4o-mini` where there is an `OPENAI_API_KEY`.
pub fn configured() -> Result<Option<Lm>> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let openai = || variable("OPENAI_API_KEY").map(|_| "openai/gpt-4o-mini".into());
    let Some(name) = variable("KARAT_MODEL").or_else(openai) else { return Ok(None) };
    let mut lm = Lm::new(&name)?;
    if let Some(url) = variable("KARAT_BASE_URL") {
        lm = lm.base_url(url);
    }
    // A small model may ramble on; a reasoning model would need more.
    Ok(Some(if name.starts_with("llamacpp/") { lm.max_tokens(60) } else { lm }))
}

/// The configured model or, where there is none, the scripted one, so that an example always runs.
pub fn lm(offline: ScriptedLm) -> Result<Lm> {
    Ok(match configured()? {
        Some(lm) => {
            eprintln!("live, on {}", lm.name());
            lm
        }
        None => {
            eprintln!("offline, with scripted answers: set KARAT_MODEL or OPENAI_API_KEY for a live run");
            offline.lm()
        }
    })
}
