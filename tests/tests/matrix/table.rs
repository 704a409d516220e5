//! The table of all cells' outcomes in `docs/reliability.md`.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use super::{cell::Shown, model::Schedule, rows::Row, subject::Surface};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reliability.md");
const BEGIN: &str = "<!-- The fault matrix begins: written by `KARAT_UPDATE=1 cargo test -p karat-tests --test matrix`. -->\n";
const END: &str = "<!-- The fault matrix ends. -->\n";

/// The outcomes of one fault's forms on one surface under one schedule.
fn field(shown: &[&Shown]) -> String {
    let outcomes: BTreeSet<_> = shown.iter().map(|shown| shown.outcome.as_str()).collect();
    let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|outcome| *outcome == "ok");
    let outcomes = [good, bad].concat();
    let least = shown.iter().map(|shown| shown.requests).min().unwrap_or_default();
    let most = shown.iter().map(|shown| shown.requests).max().unwrap_or_default();
    let requests = if least == most { least.to_string() } else { format!("{least}-{most}") };
    if shown.is_empty() {
        return "-".into();
    }
    format!("{} {requests}", outcomes.join(" or "))
}

/// The whole table. `shown` returns the outcomes of a row's cells.
pub fn render(rows: &[Row], shown: impl Fn(&Row, Surface, Schedule) -> Vec<Shown>) -> String {
    let mut text = String::from("| # | fault | forms |");
    for surface in Surface::ALL {
        let _ = write!(text, " {} |", surface.name());
    }
    text += "\n|---|---|---|---|---|---|---|---|---|\n";
    let mut notes: Vec<&str> = Vec::new();
    for row in rows {
        let _ = write!(text, "| {} | {} | {} |", row.number, row.fault, row.parts.len());
        for surface in Surface::ALL {
            if let Some(why) = row.why_not(surface) {
                let at = notes.iter().position(|note| *note == why).unwrap_or_else(|| {
                    notes.push(why);
                    notes.len() - 1
                });
                let _ = write!(text, " - ({}) |", at + 1);
                continue;
            }
            let fields = Schedule::ALL.map(|schedule| {
                let shown = shown(row, surface, schedule);
                field(&shown.iter().collect::<Vec<_>>())
            });
            let is_one = fields.iter().all(|field| *field == fields[0]);
            let _ = write!(text, " {} |", if is_one { fields[0].clone() } else { fields.join("; ") });
        }
        text.push('\n');
    }
    text.push('\n');
    for (at, note) in notes.iter().enumerate() {
        let _ = writeln!(text, "{}. {note}", at + 1);
    }
    text
}

/// Compares the table with the page, or writes it there if the environment says so.
pub fn compare(table: &str) -> Result<(), String> {
    let page = fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
    let (Some(begin), Some(end)) = (page.find(BEGIN), page.find(END)) else {
        return Err(format!("{PAGE} has no marks for the table: {BEGIN}{END}"));
    };
    let begin = begin + BEGIN.len();
    let wanted = format!("\n{table}\n");
    if page.get(begin..end) == Some(&wanted) {
        return Ok(());
    }
    if std::env::var_os("KARAT_UPDATE").is_none() {
        return Err("the table in docs/reliability.md is another one: \
                    `KARAT_UPDATE=1 cargo test -p karat-tests --test matrix` writes it anew"
            .into());
    }
    let page = format!("{}{wanted}{}", &page[..begin], &page[end..]);
    fs::write(PAGE, page).map_err(|error| format!("{PAGE}: {error}"))
}
