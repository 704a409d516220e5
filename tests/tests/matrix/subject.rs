//! The subject of the cells: one predictor, called on each of the surfaces, and the outcome of a call.

use std::{error::Error as _, time::Duration};

use karat::{
    BestOfN, Cache, Error, ErrorKind, Limits, Lm, Module, OnParseError, Predict, Prediction, Refine, Retry,
    lm::{BoxFuture, Timeouts},
    signature,
    stream::StreamEvent,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::Unit;

/// How many items a batch has, and how many rollouts there are.
pub const ROLLOUTS: usize = 3;

/// The key, which is only in its header.
pub const KEY: &str = "sk-canary/7f3a91";
/// A part of it that nothing else has.
pub const CANARY: &str = "7f3a91";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    Predict,
    Batch,
    Stream,
    BestOfN,
    Refine,
    /// A predictor whose LM has a cache.
    Cached,
}

impl Surface {
    pub const ALL: [Self; 6] =
        [Self::Predict, Self::Batch, Self::Stream, Self::BestOfN, Self::Refine, Self::Cached];

    pub fn name(self) -> &'static str {
        ["Predict", "batch", "stream", "BestOfN", "Refine", "cached"][self as usize]
    }

    pub fn has_rollouts(self) -> bool {
        matches!(self, Self::BestOfN | Self::Refine)
    }

    /// How many good answers one call needs.
    pub fn answers(self) -> usize {
        if matches!(self, Self::Batch) || self.has_rollouts() { ROLLOUTS } else { 1 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    pub name: String,
    #[serde(default)]
    pub age: Option<u8>,
}

/// Answer the question.
#[signature]
#[derive(PartialEq)]
pub struct Qa {
    #[input]
    pub question: String,
    #[output]
    pub answer: String,
    #[output]
    pub age: Option<u8>,
    #[output]
    pub score: Option<f64>,
    #[output]
    pub count: Option<u64>,
    #[output]
    pub tags: Option<Vec<String>>,
    #[output]
    pub person: Option<Person>,
}

pub fn ask(question: &str) -> QaInput {
    QaInput { question: question.into() }
}

/// The predictor with its LM, called on a surface.
#[derive(Clone)]
pub struct Subject {
    pub surface: Surface,
    pub qa: Predict<Qa>,
    pub lm: Lm,
    pub limits: Limits,
    pub cache: Option<Cache>,
    /// Whether answers are streamed, if the surface can stream.
    pub is_streamed: bool,
}

impl Subject {
    /// Of an LM at this address.
    pub fn new(surface: Surface, url: &str, deadline: Duration, timeouts: Timeouts) -> Self {
        // The server's own limits are tested elsewhere: `docs/limits.md`.
        let limits = Limits::new().concurrency(1_000).learn(false);
        let lm = Lm::new("openai/gpt-x").expect("a provider").base_url(url).api_key(KEY);
        let lm = lm
            .retry(Retry::new().random(|| 1.0))
            .deadline(deadline)
            .timeouts(timeouts)
            .limits(limits.clone());
        let cache = matches!(surface, Surface::Cached).then(Cache::memory);
        let is_streamed = matches!(surface, Surface::Stream);
        Self { surface, qa: Predict::new(), lm, limits, cache, is_streamed }.ready()
    }

    /// The same with this cache.
    pub fn cached(self, cache: Cache) -> Self {
        Self { cache: Some(cache), ..self }.ready()
    }

    /// The same with another LM.
    pub fn with_lm(self, change: impl FnOnce(Lm) -> Lm) -> Self {
        let lm = change(self.lm.clone());
        Self { lm, ..self }.ready()
    }

    fn ready(mut self) -> Self {
        if let Some(cache) = &self.cache {
            self.lm = self.lm.cache(cache.clone());
        }
        self.qa = Predict::new().lm(&self.lm).on_parse_error(OnParseError::Reask(1));
        self
    }

    pub fn best_of_n(&self) -> BestOfN<Predict<Qa>> {
        BestOfN::new(self.qa.clone(), ROLLOUTS, |_, _| 1.0)
    }

    /// The reward has feedback of its own, so that no critic is asked.
    pub fn refine(&self) -> Refine<Predict<Qa>> {
        Refine::new(self.qa.clone(), ROLLOUTS, |_, _| (1.0, "go on"))
    }

    /// One call of the surface.
    pub fn call(&self, question: &str) -> BoxFuture<'static, Seen> {
        let (subject, question) = (self.clone(), question.to_owned());
        Box::pin(async move {
            let streamed = subject.is_streamed;
            match subject.surface {
                Surface::Predict | Surface::Stream | Surface::Cached => {
                    Seen::one(run(&subject.qa, &question, streamed).await)
                }
                Surface::Batch => subject.batch(&question).await,
                Surface::BestOfN => Seen::rollouts(run(&subject.best_of_n(), &question, streamed).await),
                Surface::Refine => Seen::rollouts(run(&subject.refine(), &question, streamed).await),
            }
        })
    }

    async fn batch(&self, question: &str) -> Seen {
        let questions = (0..ROLLOUTS).map(|index| ask(&format!("{question} ({index})")));
        let items = self.qa.batch(questions).concurrency(1).await;
        let results = items.into_iter().map(|item| item.result);
        let mut seen = Seen::default();
        for result in results {
            seen.units.push(match &result {
                Ok(_) => None,
                Err(error) => Some(error.kind()),
            });
            match result {
                Ok(prediction) => seen.predictions.push(prediction),
                Err(error) => seen.errors.push(error),
            }
        }
        seen
    }
}

async fn run<M: Module<Input = QaInput, Output = QaOutput>>(
    module: &M,
    question: &str,
    streamed: bool,
) -> Result<Prediction<QaOutput>, Error> {
    if !streamed {
        return module.call(ask(question)).await;
    }
    let mut stream = module.stream(ask(question));
    let mut done = None;
    while let Some(event) = stream.next().await {
        if let StreamEvent::Done(prediction) = event? {
            done = Some(prediction);
        }
    }
    done.ok_or_else(|| Error::new(ErrorKind::Other, "the stream ended without a prediction"))
}

/// The outcome of a call.
#[derive(Debug, Default)]
pub struct Seen {
    /// Each item, each rollout or the one run: `None` for a success.
    pub units: Vec<Option<ErrorKind>>,
    /// The error of the call as a whole.
    pub error: Option<ErrorKind>,
    pub predictions: Vec<Prediction<QaOutput>>,
    pub errors: Vec<Error>,
}

impl Seen {
    fn one(result: Result<Prediction<QaOutput>, Error>) -> Self {
        let mut seen = Self::whole(result);
        seen.units.push(seen.error);
        seen
    }

    pub fn rollouts(result: Result<Prediction<QaOutput>, Error>) -> Self {
        let mut seen = Self::whole(result);
        let rollouts = match (seen.predictions.first(), seen.errors.first()) {
            (Some(prediction), _) => prediction.rollouts().to_vec(),
            (None, Some(error)) => error.rollouts().to_vec(),
            (None, None) => Vec::new(),
        };
        seen.units = rollouts.iter().map(|rollout| rollout.error().map(Error::kind)).collect();
        seen.errors.extend(rollouts.iter().filter_map(|rollout| rollout.error().cloned()));
        seen
    }

    fn whole(result: Result<Prediction<QaOutput>, Error>) -> Self {
        let mut seen = Self::default();
        match result {
            Ok(prediction) => seen.predictions.push(prediction),
            Err(error) => {
                seen.error = Some(error.kind());
                seen.errors.push(error);
            }
        }
        seen
    }

    /// True if the outcome is as the model expects; runs that did not begin are not distinguished.
    pub fn is(&self, units: &[Unit]) -> bool {
        let expected: Vec<_> = units
            .iter()
            .map(|unit| match unit {
                Unit::Done { .. } => None,
                Unit::Failed(kind) => Some(*kind),
                Unit::NotRun => Some(ErrorKind::Cancelled),
            })
            .collect();
        self.units == expected
    }

    /// In a few words, for the table.
    pub fn words(&self) -> String {
        let failed: Vec<_> = self.units.iter().flatten().collect();
        match self.error {
            Some(kind) => format!("{kind:?}"),
            None if failed.is_empty() => "ok".into(),
            None if failed.len() == self.units.len() => format!("{:?}", failed[0]),
            None => format!("{} of {}", self.units.len() - failed.len(), self.units.len()),
        }
    }

    /// All its printed texts.
    pub fn texts(&self) -> String {
        let mut text = format!("{self:?} {:#?}", self.errors);
        for error in &self.errors {
            text += &format!("{error} {:?}", error.completion());
            let mut source = error.source();
            while let Some(inner) = source {
                text += &format!("{inner} {inner:?}");
                source = inner.source();
            }
        }
        for prediction in &self.predictions {
            let rollouts: String =
                prediction.rollouts().iter().map(|rollout| format!("{rollout} {rollout:?}")).collect();
            text += &format!("{:?}{rollouts}", prediction.trace());
        }
        text
    }
}
