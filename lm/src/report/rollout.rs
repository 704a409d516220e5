//! The record of one rollout. [`Error`] carries a report of them.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fmt,
    time::Duration,
};

use super::{Error, Usage};

/// The record of one rollout of a `BestOfN` or a `Refine`: its reward, its failure, its
/// cost. `Display` writes it on one line.
#[derive(Clone, Debug)]
#[must_use = "its setters take it by value and return it"]
pub struct Rollout {
    index: usize,
    rollout_id: u64,
    reward: Option<f64>,
    output: Option<String>,
    feedback: Option<String>,
    advice: Option<Advice>,
    error: Option<Error>,
    usage: Usage,
    elapsed: Duration,
    chosen: bool,
    notes: Vec<String>,
}

/// For authors of wrappers: a record, filled by value.
impl Rollout {
    /// An empty record; it counts as cancelled.
    pub fn new(index: usize, rollout_id: u64) -> Self {
        Self {
            index,
            rollout_id,
            reward: None,
            output: None,
            feedback: None,
            advice: None,
            error: None,
            usage: Usage::default(),
            elapsed: Duration::ZERO,
            chosen: false,
            notes: Vec::new(),
        }
    }

    /// Sets the reward and its feedback.
    pub fn with_score(mut self, reward: f64, feedback: Option<String>) -> Self {
        self.reward = Some(reward);
        self.feedback = feedback;
        self
    }

    /// Sets the output, as text.
    pub fn with_output(mut self, output: impl Into<String>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// Sets the error of a failed rollout.
    pub fn with_error(mut self, error: Error) -> Self {
        self.error = Some(error);
        self
    }

    /// Sets the usage and the elapsed time.
    pub fn with_cost(mut self, usage: Usage, elapsed: Duration) -> Self {
        self.usage = usage;
        self.elapsed = elapsed;
        self
    }

    /// Sets the advice that came from it.
    pub fn with_advice(mut self, advice: Advice) -> Self {
        self.advice = Some(advice);
        self
    }

    /// Marks it as the rollout whose prediction is returned.
    pub fn with_chosen(mut self, chosen: bool) -> Self {
        self.chosen = chosen;
        self
    }

    /// Adds a note for the reader of the report.
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl Rollout {
    /// Its number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The id under which it ran: part of a cache's key.
    pub fn rollout_id(&self) -> u64 {
        self.rollout_id
    }

    /// Its reward; `None` if it failed or was cancelled.
    pub fn reward(&self) -> Option<f64> {
        self.reward
    }

    /// Its output's `Debug` text, the middle of a long one left out. `None` if it failed or was cancelled.
    pub fn output(&self) -> Option<&str> {
        self.output.as_deref()
    }

    /// The reward's feedback on it.
    pub fn feedback(&self) -> Option<&str> {
        self.feedback.as_deref()
    }

    /// The advice that its outcome led to, given to the rollouts after it; only in a `Refine`.
    pub fn advice(&self) -> Option<&Advice> {
        self.advice.as_ref()
    }

    /// Why it failed: the module's error or panic, or the reward's.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// True if it neither finished nor failed, because another rollout or the deadline ended the call first.
    pub fn is_cancelled(&self) -> bool {
        self.reward.is_none() && self.error.is_none()
    }

    /// What it cost, its reward's LM calls included; for a cancelled one, as far as it is known.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// How long it took, its reward included.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// True for the one whose prediction was returned.
    pub fn is_chosen(&self) -> bool {
        self.chosen
    }

    /// Notes for the reader, e.g. that a predictor fixed its temperature at 0.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// The text on one line.
fn one_line(text: impl fmt::Display) -> String {
    text.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line for each rollout; an error that an earlier one had too is not repeated.
pub(crate) fn lines(rollouts: &[Rollout]) -> Vec<String> {
    let mut known: HashMap<String, usize> = HashMap::new();
    let line = |rollout: &Rollout| {
        let same = rollout.error().map(Error::cause).and_then(|text| match known.entry(text) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(place) => {
                place.insert(rollout.index);
                None
            }
        });
        Line { rollout, same }.to_string()
    };
    rollouts.iter().map(line).collect()
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line { rollout: self, same: None }.fmt(f)
    }
}

/// A rollout on one line.
struct Line<'a> {
    rollout: &'a Rollout,
    /// The rollout that failed with the same error before.
    same: Option<usize>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rollout.write(self.same, f)
    }
}

impl Rollout {
    fn write(&self, same: Option<usize>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.chosen { '*' } else { ' ' };
        write!(f, "{mark} rollout {} (id {}): ", self.index, self.rollout_id)?;
        match (&self.error, self.reward, same) {
            (Some(_), _, Some(first)) => write!(f, "failed as rollout {first}")?,
            (Some(error), _, None) => write!(f, "failed: {}", one_line(error))?,
            (None, Some(reward), _) => write!(f, "reward {reward:.3}")?,
            (None, None, _) => f.write_str("cancelled")?,
        }
        if let Some(feedback) = &self.feedback {
            write!(f, " ({})", one_line(feedback))?;
        }
        let usage = self.usage;
        write!(f, ", {} calls, {} tokens, {:.2?}", usage.calls, usage.total_tokens(), self.elapsed)?;
        if let Some(advice) = self.advice.as_ref().filter(|advice| !advice.only_repeats(self.feedback())) {
            write!(f, "; {}", one_line(advice))?;
        }
        for note in &self.notes {
            write!(f, "; note: {note}")?;
        }
        Ok(())
    }
}

/// Advice from one rollout for those after it.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    discussion: String,
    by_predictor: BTreeMap<String, String>,
    error: Option<Error>,
}

impl Advice {
    /// Hints by the path of their predictor, and the discussion that led to them.
    pub fn new(discussion: impl Into<String>, by_predictor: BTreeMap<String, String>) -> Self {
        Self { discussion: discussion.into(), by_predictor, error: None }
    }

    /// The record of advice that could not be had.
    pub fn failed(error: Error) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// The critic's discussion; empty where the reward's own feedback served as advice.
    pub fn discussion(&self) -> &str {
        &self.discussion
    }

    /// The hint for each predictor, by its path in the refined module.
    pub fn by_predictor(&self) -> &BTreeMap<String, String> {
        &self.by_predictor
    }

    /// True if it is the reward's own feedback, given to every predictor.
    fn only_repeats(&self, feedback: Option<&str>) -> bool {
        let mut hints = self.by_predictor.values().peekable();
        hints.peek().is_some()
            && self.discussion.is_empty()
            && hints.all(|hint| Some(hint.as_str()) == feedback)
    }

    /// Why no advice could be had; the earlier advice stayed in force.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.error {
            return write!(f, "no advice: {error}");
        }
        f.write_str("advice:")?;
        for (path, hint) in &self.by_predictor {
            write!(f, " {path}: {hint}")?;
        }
        Ok(())
    }
}
