//! A table of rollouts, as text.

use karat::Rollout;

/// One row per rollout of one question.
pub struct Row {
    cells: [String; 8],
}

const HEADS: [&str; 8] = ["question", "by", "rollout", "reward", "calls", "tokens", "time", "why"];

/// The most characters of the last column.
const WHY: usize = 100;

impl Row {
    /// The row of a rollout; the chosen one's reward has a star.
    pub fn new(question: usize, by: &str, rollout: &Rollout) -> Self {
        let reward = match (rollout.reward(), rollout.error()) {
            (Some(reward), _) => format!("{reward:.2}{}", if rollout.is_chosen() { " *" } else { "" }),
            (None, Some(_)) => "failed".into(),
            (None, None) => "cancelled".into(),
        };
        let usage = rollout.usage();
        let time = format!("{:.1} s", rollout.elapsed().as_secs_f64());
        let numbers = [usage.calls, usage.total_tokens()].map(|number| number.to_string());
        let [calls, tokens] = numbers;
        let (question, index) = (question.to_string(), rollout.index().to_string());
        let why = match rollout.error() {
            Some(error) => cause(error),
            None => rollout.feedback().unwrap_or_default().chars().take(WHY).collect(),
        };
        Self { cells: [question, by.into(), index, reward, calls, tokens, time, why] }
    }
}

/// The end of an error: the last of its causes and, of a long one, the last characters, since what went wrong stands there.
pub fn cause(error: &karat::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(next) = last.source() {
        last = next;
    }
    let text = last.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().rev().nth(WHY - 1) {
        Some((start, _)) if start > 0 => format!("..{}", &text[start..]),
        _ => text,
    }
}

/// Prints the rows below their heads, each column as wide as its widest cell.
pub fn print(rows: &[Row]) {
    let heads = HEADS.map(str::to_owned);
    let all = || std::iter::once(&heads).chain(rows.iter().map(|row| &row.cells));
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|column| all().map(|cells| cells[column].chars().count()).max().unwrap_or(0))
        .collect();
    for cells in all() {
        let line: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("  {}", line.join("  ").trim_end());
    }
}
