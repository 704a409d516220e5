//! Helpers of these tests, beside the programs of `shared`: replies by rollout id, and an LM that counts.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use karat::{
    Error, ErrorKind, LanguageModel, Lm, Predict, Prediction, Reply, Result, Rollout, ScriptedLm,
    lm::{BoxFuture, CallHistory, Completion, Message, Request, Response, Usage},
};
use serde_json::Value;

pub use crate::shared::*;

pub fn question(text: &str) -> QaInput {
    QaInput { question: text.into() }
}

pub fn ask() -> QaInput {
    question("Capital of France?")
}

pub fn qa(lm: &ScriptedLm) -> Predict<Qa> {
    Predict::new().lm(&lm.lm())
}

pub fn reply(answer: &str) -> Reply {
    Reply::fields([("answer", answer)])
}

/// An LM that gives these answers one after another.
pub fn answers<'a>(answers: impl IntoIterator<Item = &'a str>) -> ScriptedLm {
    ScriptedLm::new(answers.into_iter().map(reply))
}

/// An LM whose reply depends on the rollout id alone.
pub fn by_rollout(answer: impl Fn(u64) -> Reply + Send + Sync + 'static) -> ScriptedLm {
    ScriptedLm::computed(move |request| answer(request.config.rollout_id.expect("every rollout has an id")))
}

/// An LM that answers with its rollout id.
pub fn echo_id() -> ScriptedLm {
    by_rollout(|id| reply(&id.to_string()))
}

/// The reward that the answer itself names: `0.5`, `NaN`, `inf`, ...
pub fn number(_: &QaInput, prediction: &Prediction<QaOutput>) -> f64 {
    prediction.answer.parse().expect("the answer is a number")
}

pub fn failure(kind: ErrorKind) -> Reply {
    Reply::error(Error::new(kind, format!("scripted {kind:?}")))
}

/// What an LM answers to [`TwoSteps`]: the query to the first predictor, reasoning and answer to the second.
pub fn step_reply(request: &Request, query: &str, answer: &str) -> Reply {
    let wanted = request.prompt.last().rsplit("Now write").next().unwrap_or_default();
    if wanted.contains("query") {
        Reply::fields([("query", query)])
    } else {
        Reply::fields([("reasoning", "by heart"), ("answer", answer)])
    }
}

/// What a critic says: a text for each of these paths.
pub fn advice<'a>(by_predictor: impl IntoIterator<Item = (&'a str, &'a str)>) -> Reply {
    let texts = by_predictor.into_iter().map(|(path, text)| (path.to_owned(), Value::from(text)));
    let fields = [("discussion", Value::from("a discussion")), ("advice", Value::Object(texts.collect()))];
    Reply::fields(fields)
}

/// A failure after which another attempt is worth while.
pub fn server_error() -> Reply {
    failure(ErrorKind::Server)
}

pub fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub fn tokens(prompt: u64, completion: u64) -> Usage {
    Usage::new().calls(1).prompt_tokens(prompt).completion_tokens(completion)
}

/// The rollout ids of all requests, in the order of arrival.
pub fn ids(lm: &ScriptedLm) -> Vec<u64> {
    lm.requests().iter().map(|request| request.config.rollout_id.expect("a rollout id")).collect()
}

pub fn temperatures(lm: &ScriptedLm) -> Vec<Option<f64>> {
    lm.requests().iter().map(|request| request.config.temperature).collect()
}

/// The last message of each request.
pub fn last_messages(lm: &ScriptedLm) -> Vec<String> {
    lm.requests().iter().map(|request| request.prompt.last().to_owned()).collect()
}

/// The whole text of a request.
pub fn whole(request: &Request) -> String {
    let texts: Vec<_> = request.prompt.iter().map(|message| &*message.content).collect();
    texts.join("\n")
}

pub fn rewards(rollouts: &[Rollout]) -> Vec<Option<f64>> {
    rollouts.iter().map(Rollout::reward).collect()
}

pub fn chosen(rollouts: &[Rollout]) -> Vec<usize> {
    let chosen = rollouts.iter().filter(|rollout| rollout.is_chosen());
    chosen.map(Rollout::index).collect()
}

/// Another LM, watched: how many calls were in flight at a time, and how many were dropped before they ended.
#[derive(Clone)]
pub struct Watched {
    lm: ScriptedLm,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    in_flight: AtomicUsize,
    most: AtomicUsize,
    dropped: AtomicUsize,
}

/// One call; dropped before its end, it counts as dropped.
struct InFlight<'a> {
    counts: &'a Counts,
    ended: bool,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counts.in_flight.fetch_sub(1, Ordering::SeqCst);
        if !self.ended {
            self.counts.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Watched {
    pub fn new(lm: ScriptedLm) -> Self {
        Self { lm, counts: Arc::default() }
    }

    pub fn lm(&self) -> Lm {
        Lm::custom(self.clone())
    }

    pub fn in_flight(&self) -> usize {
        self.counts.in_flight.load(Ordering::SeqCst)
    }

    pub fn most_in_flight(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }

    pub fn dropped(&self) -> usize {
        self.counts.dropped.load(Ordering::SeqCst)
    }
}

impl LanguageModel for Watched {
    fn name(&self) -> &str {
        "watched"
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            let now = self.counts.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.counts.most.fetch_max(now, Ordering::SeqCst);
            let mut guard = InFlight { counts: &self.counts, ended: false };
            let response = self.lm.call(request, None).await;
            guard.ended = true;
            response
        })
    }
}

pub fn hi(text: &str) -> Request {
    Request::new(vec![Message::user(text)])
}

/// An LM that echoes what it is asked, and keeps nothing of it.
pub struct Echo;

impl LanguageModel for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        let completion = Completion::new(request.prompt.last());
        Box::pin(async { Ok(Response::new([completion])) })
    }
}

pub fn texts(history: &CallHistory) -> Vec<&str> {
    history.iter().map(|entry| entry.prompt().last()).collect()
}

/// An LM that always answers Paris.
pub fn paris() -> ScriptedLm {
    ScriptedLm::computed(|_| reply("Paris"))
}

/// Collects the warnings of this thread.
#[derive(Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// From now on, until the guard is dropped.
    pub fn collect(&self) -> tracing::subscriber::DefaultGuard {
        tracing::subscriber::set_default(self.clone())
    }

    /// Each warning so far: its values with their names.
    pub fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{}={value:?} ", field.name());
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// The error of an answer that breaks a rule.
pub fn violation<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Error {
    let error = outcome.unwrap_err();
    assert!(error.is_violation() && error.is_parse(), "{error:?}");
    error
}
