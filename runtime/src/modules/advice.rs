//! The critic: one LM call that turns a rated run into advice for each predictor.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value, json};

use super::rollouts::Hints;
use crate::{
    JsonAdapter, Lm, Module, Predict, Result, Score, Trace,
    author::{Tracer, all_predictors, shortened},
    signature,
};

/// A program made of LM predictors was run once and its output was rated. Find out which predictor held the reward down and
/// what it should do instead. Then advise: for each predictor that should change, under its exact name from `modules`, one or
/// two sentences that tell it how to work on inputs like these. A predictor sees its own inputs and your advice, nothing
/// else. For a predictor that did well, write nothing. Never write the final answer into the advice.
#[signature]
struct Advise {
    /// source code
    #[input]
    program: String,
    /// the predictors: name, fields, task
    #[input]
    modules: String,
    /// what the program was given
    #[input]
    inputs: String,
    /// what each predictor took and gave
    #[input]
    trajectory: String,
    /// what the program gave
    #[input]
    outputs: String,
    /// how the reward is worked out
    #[input]
    reward_source: String,
    /// the reward to reach
    #[input]
    threshold: String,
    /// the reward that was reached
    #[input]
    reward: String,
    /// the rater's words
    #[input]
    feedback: String,
    /// what went wrong, and whose fault it was
    #[output]
    discussion: String,
    /// from predictor name to advice
    #[output]
    advice: BTreeMap<String, String>,
}

/// The most characters of each input, so that all of them together fit a context of 4,096 tokens.
mod most {
    pub(super) const PROGRAM: usize = 1_800;
    pub(super) const MODULES: usize = 1_200;
    pub(super) const INPUTS: usize = 1_000;
    pub(super) const TRAJECTORY: usize = 2_000;
    /// Of one value in the trajectory.
    pub(super) const VALUE: usize = 400;
    pub(super) const OUTPUTS: usize = 1_000;
    pub(super) const REWARD_SOURCE: usize = 800;
    pub(super) const FEEDBACK: usize = 500;
}

/// Placeholder for a text that is not known.
const UNKNOWN: &str = "(not known)";

/// A rated run, for the critic.
pub(super) struct Review {
    pub(super) inputs: String,
    pub(super) outputs: String,
    pub(super) trace: Trace,
    pub(super) score: Score,
    pub(super) threshold: Option<f64>,
}

/// Asks the LM what the module's predictors should do differently. The tracer counts the costs.
pub(super) async fn advise(
    module: &impl Module,
    lm: &Lm,
    rollout_id: u64,
    review: Review,
    tracer: &Tracer,
) -> Result<(String, Hints)> {
    let paths = Paths::of(module);
    let mut critic = Predict::<Advise>::new().adapter(JsonAdapter).lm(lm);
    critic.predictor_mut().set_tracer(tracer, "critic");
    critic.predictor_mut().set_rollout_id(rollout_id);
    critic.predictor_mut().narrow_field("advice", paths.schema())?;
    let Review { inputs, outputs, trace, score, threshold } = review;
    let input = AdviseInput {
        program: shortened(module.source().unwrap_or(UNKNOWN), most::PROGRAM),
        modules: shortened(&definitions(module), most::MODULES),
        inputs: shortened(&inputs, most::INPUTS),
        trajectory: shortened(&trajectory(&trace, &paths), most::TRAJECTORY),
        outputs: shortened(&outputs, most::OUTPUTS),
        reward_source: shortened(score.source().unwrap_or(UNKNOWN), most::REWARD_SOURCE),
        threshold: threshold
            .map_or_else(|| "as high as possible".to_owned(), |threshold| threshold.to_string()),
        reward: score.value().to_string(),
        feedback: shortened(score.feedback().unwrap_or("(none)"), most::FEEDBACK),
    };
    let advice = critic.forward(input).await?.into_inner();
    Ok((advice.discussion, paths.sort(advice.advice)))
}

/// The predictors of a module: each one's path in it, and the path from the outermost module that a trace has.
struct Paths(Vec<(String, String)>);

impl Paths {
    fn of(module: &impl Module) -> Self {
        let named = all_predictors(module).into_iter();
        Self(
            named
                .map(|(path, predictor)| {
                    (path.clone(), predictor.tracer().map_or(path, |_| predictor.path().to_string()))
                })
                .collect(),
        )
    }

    /// An object with one text per predictor: a model that is held to it cannot miss a name.
    fn schema(&self) -> Value {
        let text = json!({ "type": "string" });
        let properties: Map<_, _> = self.0.iter().map(|(path, _)| (path.clone(), text.clone())).collect();
        let names: Vec<_> = properties.keys().cloned().collect();
        json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
    }

    fn inner<'a>(&'a self, outer: &'a str) -> &'a str {
        self.0.iter().find(|(_, known)| known == outer).map_or(outer, |(path, _)| path)
    }

    /// The predictor that a critic's name means: its path in either form, or the path without what small models leave out,
    /// if that fits one only.
    fn find(&self, name: &str) -> Option<&str> {
        let name = name.trim().trim_matches('`').trim_start_matches("self.");
        let exact = self.0.iter().find(|(path, outer)| path == name || outer == name);
        let mut fits = self.0.iter().filter(|(path, _)| path.strip_suffix(".predict") == Some(name));
        let only = match (fits.next(), fits.next()) {
            (Some(fit), None) => Some(fit),
            _ => None,
        };
        exact.or(only).map(|(path, _)| path.as_str())
    }

    /// The advice by path. Advice for an unknown predictor is left out, with a warning.
    fn sort(&self, advice: BTreeMap<String, String>) -> Hints {
        let mut hints = Hints::new();
        for (name, text) in advice {
            let text = text.trim();
            if text.is_empty() || text.eq_ignore_ascii_case("n/a") {
                continue;
            }
            match self.find(&name) {
                Some(path) => drop(hints.insert(path.to_owned(), text.to_owned())),
                // Name and text are a model's words, which do not belong in a log.
                None => tracing::warn!("the critic advised a predictor that the module does not have"),
            }
        }
        hints
    }
}

/// One line per predictor: path, fields, task.
fn definitions(module: &impl Module) -> String {
    let mut text = String::new();
    for (path, predictor) in all_predictors(module) {
        let names = |fields: Vec<Cow<'static, str>>| fields.join(", ");
        let (inputs, outputs) = predictor.field_names();
        // Writing to a `String` does not fail.
        let _ =
            writeln!(text, "{path}: {} -> {}. {}", names(inputs), names(outputs), predictor.instructions());
    }
    text
}

fn trajectory(trace: &Trace, paths: &Paths) -> String {
    let mut text = String::new();
    for step in trace.steps() {
        let _ = writeln!(text, "{}", paths.inner(step.predictor()));
        let mut values = |mark: &str, values: &[(Cow<'static, str>, Value)]| {
            for (name, value) in values {
                let _ = writeln!(text, "{mark} {name}: {}", shortened(&value.to_string(), most::VALUE));
            }
        };
        values("  <", step.inputs());
        values("  >", step.outputs());
        if let Some(error) = step.error() {
            let _ = writeln!(text, "  failed: {}", shortened(&error.to_string(), most::VALUE));
        }
    }
    text
}
