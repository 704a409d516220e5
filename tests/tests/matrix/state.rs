//! Row 49: files of a program's state.

use std::{fs, io, path::Path};

use karat::{ErrorKind, Module, Predict, Result, signature};
use karat_tests::clock::run;

use super::{
    cell::{Shown, check, nothing_stays, plain_server, subject},
    fault::good,
    model::Schedule,
    rows::Row,
    subject::{Subject, Surface},
};

/// The expected outcome of a damaged file.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Fails,
    /// The state is the one that was saved.
    Equal,
}

pub fn rows() -> Vec<Row> {
    let own = |damage: fn(&Path) -> io::Result<()>, ends: Ends| {
        move |surface, schedule| damaged(surface, schedule, damage, ends)
    };
    vec![
        Row::new(49, "a state file cut, flipped, of another version or signature, after a crash")
            .own("cut", own(cut, Ends::Fails))
            .own("empty", own(|file| fs::write(file, ""), Ends::Fails))
            .own("flipped", own(flipped, Ends::Fails))
            .own("of another version", own(other_version, Ends::Equal))
            .own("of another signature", own(other_signature, Ends::Fails))
            .own("after a crash", own(crashed, Ends::Equal)),
    ]
}

fn cut(file: &Path) -> io::Result<()> {
    let bytes = fs::read(file)?;
    fs::write(file, &bytes[..bytes.len() / 2])
}

fn flipped(file: &Path) -> io::Result<()> {
    let mut bytes = fs::read(file)?;
    if let Some(byte) = bytes.iter_mut().rev().find(|byte| **byte == b'}') {
        *byte ^= 0x20;
    }
    fs::write(file, bytes)
}

fn other_version(file: &Path) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    fs::write(file, text.replace(concat!("\"", env!("CARGO_PKG_VERSION"), "\""), "\"99.0.0\""))
}

#[signature]
struct Other {
    #[input]
    text: String,
    #[output]
    summary: String,
}

fn other_signature(file: &Path) -> io::Result<()> {
    Predict::<Other>::new().save(file).map_err(io::Error::other)
}

/// A process that was killed while it saved leaves half a file beside the old one.
fn crashed(file: &Path) -> io::Result<()> {
    let bytes = fs::read(file)?;
    fs::write(file.with_extension("json.tmp"), &bytes[..bytes.len() / 2])
}

/// Saves the module that the surface calls.
fn save(subject: &Subject, file: &Path) -> Result<()> {
    match subject.surface {
        Surface::BestOfN => subject.best_of_n().save(file),
        Surface::Refine => subject.refine().save(file),
        _ => subject.qa.save(file),
    }
}

/// Loads the file; returns the outcome and the predictor's instructions after it.
fn load(subject: &mut Subject, file: &Path) -> (Result<()>, String) {
    fn loaded<M: Module>(mut module: M, file: &Path) -> (Result<()>, String) {
        let outcome = module.load(file);
        let instructions =
            module.named_predictors().first().map(|(_, predictor)| predictor.instructions().to_owned());
        (outcome, instructions.unwrap_or_default())
    }
    match subject.surface {
        Surface::BestOfN => loaded(subject.best_of_n(), file),
        Surface::Refine => loaded(subject.refine(), file),
        _ => loaded(subject.qa.clone(), file),
    }
}

/// The file is damaged before the first load, before one after a good one, or at every one of two.
fn damaged(
    surface: Surface,
    schedule: Schedule,
    damage: fn(&Path) -> io::Result<()>,
    ends: Ends,
) -> Result<Shown, String> {
    run(async move {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let folder = tempfile::tempdir().map_err(|error| text(&error))?;
        let file = folder.path().join("state.json");
        let server = plain_server(good);
        let mut subject = subject(surface, &server);
        let plain = subject.clone();
        subject.qa = subject.qa.instructions("Be brief.");
        save(&subject, &file).map_err(|error| text(&error))?;
        subject = plain;
        let mut outcome = "ok".to_owned();
        if schedule == Schedule::Later {
            let (good, instructions) = load(&mut subject, &file);
            check(good.is_ok() && instructions == "Be brief.", || format!("{good:?}"))?;
        }
        damage(&file).map_err(|error| text(&error))?;
        for _ in 0..if schedule == Schedule::Every { 2 } else { 1 } {
            let (loaded, instructions) = load(&mut subject, &file);
            let expected = match ends {
                Ends::Fails => "Answer the question.",
                Ends::Equal => "Be brief.",
            };
            check(instructions == expected, || format!("the instructions are {instructions}: {loaded:?}"))?;
            match (ends, loaded) {
                (Ends::Equal, Ok(())) => {}
                (Ends::Fails, Err(error)) if error.kind() == ErrorKind::State => outcome = "State".into(),
                (_, other) => return Err(format!("{other:?}")),
            }
        }
        // Saved anew, it is whole.
        save(&subject, &file).map_err(|error| text(&error))?;
        let (anew, _) = load(&mut subject, &file);
        check(anew.is_ok(), || format!("{anew:?}"))?;
        let seen = subject.call("Capital of France?").await;
        check(seen.error.is_none() && server.count() == surface.answers(), || format!("{seen:?}"))?;
        nothing_stays(&subject, &server).await?;
        Ok(Shown { outcome, requests: server.count() })
    })
}
