//! A deterministic LM for tests: plays replies and records requests.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use crate::{
    data::{Completion, Delta, Finish, Part, Request, Response, Sink, ToolCall},
    handle::Lm,
    model::{BoxFuture, LanguageModel},
    report::{Error, ErrorKind, Result, Usage},
};

/// An LM that plays replies from a queue, or computes them, and records every request; for tests with no network.
///
/// It is a handle: clones share the queue and the record. A queue that is used up is an error, never a silent repeat.
///
/// ```
/// use karat::{Predict, Module, Reply, ScriptedLm, signature};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let lm = ScriptedLm::new([Reply::fields([("answer", "Paris")])]);
/// let qa = Predict::<Qa>::new().lm(&lm.lm());
/// let answer = qa.call(QaInput { question: "Capital of France?".into() }).await?;
/// assert_eq!(answer.answer, "Paris");
/// assert!(lm.requests()[0].prompt.last().contains("Capital of France?"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "its setters take it by value and return it"]
pub struct ScriptedLm {
    name: Arc<str>,
    script: Script,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone)]
enum Script {
    Queue(Arc<Mutex<VecDeque<Reply>>>),
    Computed(Arc<dyn Fn(&Request) -> Reply + Send + Sync>),
}

/// Types that [`Reply::output`] takes: the output structs of `#[signature]`, and `Reasoned` ones.
pub trait Answer {
    /// The fields by name, in the order in which a model writes them.
    ///
    /// # Errors
    /// [`is_bad_input`](Error::is_bad_input): a value has no JSON form.
    fn into_fields(self) -> Result<Vec<(String, Value)>>;
}

/// One reply of a [`ScriptedLm`].
#[derive(Clone, Debug)]
#[must_use = "its setters take it by value and return it"]
pub struct Reply {
    outcome: Result<Vec<Body>>,
    finish: Finish,
    usage: Option<Usage>,
    delay: Duration,
    pace: Duration,
    cut: Option<Error>,
}

#[derive(Clone, Debug)]
enum Body {
    /// A text, streamed in these pieces.
    Text(Vec<String>),
    Refusal(String),
    /// A text, which may be empty, and these calls.
    ToolCalls(String, Vec<ToolCall>),
    /// Output fields, written in the requested format: as a JSON object or under field markers.
    Fields(Vec<(String, Value)>),
}

impl Reply {
    fn of(outcome: Result<Vec<Body>>) -> Self {
        Self {
            outcome,
            finish: Finish::Stop,
            usage: None,
            delay: Duration::ZERO,
            pace: Duration::ZERO,
            cut: None,
        }
    }

    /// This text, exactly.
    pub fn text(text: impl Into<String>) -> Self {
        Self::pieces([text])
    }

    /// The text made of these pieces; a [stream](crate::LanguageModel::call) gets them one by one.
    pub fn pieces<T: Into<String>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self::of(Ok(vec![Body::Text(pieces.into_iter().map(Into::into).collect())]))
    }

    /// Tool calls.
    ///
    /// ```
    /// use karat::{Reply, ScriptedLm, lm::{Message, Request, ToolCall}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> karat::Result<()> {
    /// let call = ToolCall::new("call_1", "weather", r#"{"city": "Paris"}"#);
    /// let lm = ScriptedLm::new([Reply::tool_calls([call.clone()])]).lm();
    /// let response = lm.complete(Request::new(vec![Message::user("Rain in Paris?")])).await?;
    /// assert!(response.completions[0].tool_calls().eq([&call]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn tool_calls(calls: impl IntoIterator<Item = ToolCall>) -> Self {
        Self::of(Ok(vec![Body::ToolCalls(String::new(), calls.into_iter().collect())]))
    }

    /// These output fields, as a model would write them: a JSON object where the request asks for JSON, else each under its
    /// `[[ ## name ## ]]` marker.
    pub fn fields<N: Into<String>, V: Into<Value>>(fields: impl IntoIterator<Item = (N, V)>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self::of(Ok(vec![Body::Fields(fields)]))
    }

    /// The fields of a typed output, e.g. `QaOutput { .. }` or, for a `ChainOfThought`, a
    /// `Reasoned` one; written as by [`fields`](Reply::fields). An output without a JSON form is a failure of the
    /// LM.
    ///
    /// ```
    /// use karat::{ChainOfThought, Module, Reasoned, Reply, ScriptedLm, signature};
    ///
    /// #[signature]
    /// struct Rate {
    ///     #[input]
    ///     joke: String,
    ///     #[output]
    ///     points: u8,
    ///     #[output]
    ///     why: Option<String>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> karat::Result<()> {
    /// let output = Reasoned { reasoning: "It rhymes.".into(), output: RateOutput { points: 7, why: None } };
    /// let lm = ScriptedLm::new([Reply::output(output)]).lm();
    /// let rated = ChainOfThought::<Rate>::new().lm(&lm).call(RateInput { joke: "Knock".into() }).await?;
    /// assert_eq!((rated.points, rated.why.as_deref()), (7, None));
    /// # Ok(())
    /// # }
    /// ```
    pub fn output(output: impl Answer) -> Self {
        match output.into_fields() {
            Ok(fields) => Self::of(Ok(vec![Body::Fields(fields)])),
            Err(error) => Self::error(error),
        }
    }

    /// Adds an output field of any type behind those of [`fields`](Reply::fields) or [`output`](Reply::output); replaces one of that
    /// name. A reply of another kind has no fields: this makes it an [`is_config`](Error::is_config) failure.
    ///
    /// ```
    /// use karat::Reply;
    ///
    /// let reply = Reply::fields([("answer", "Paris")]).with_field("points", 9).with_field("sources", vec!["atlas"]);
    /// # drop(reply);
    /// ```
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        match self.outcome.as_mut().map(|bodies| bodies.last_mut()) {
            Ok(Some(Body::Fields(fields))) => {
                let name = name.into();
                fields.retain(|(other, _)| *other != name);
                fields.push((name, value.into()));
            }
            Ok(_) => {
                let message = "only a reply of fields takes `with_field`: begin with `Reply::fields` or `Reply::output`";
                self.outcome = Err(Error::config(message));
            }
            Err(_) => {}
        }
        self
    }

    /// A refusal with this text.
    pub fn refusal(text: impl Into<String>) -> Self {
        Self::of(Ok(vec![Body::Refusal(text.into())]))
    }

    /// A failure of the LM.
    pub fn error(error: Error) -> Self {
        Self::of(Err(error))
    }

    /// One more completion, as from a request with `n` above 1.
    pub fn and(mut self, other: Reply) -> Self {
        match (&mut self.outcome, other.outcome) {
            (Ok(bodies), Ok(more)) => bodies.extend(more),
            (outcome, Err(error)) => *outcome = Err(error),
            (Err(_), Ok(_)) => {}
        }
        self
    }

    /// How long the reply takes, on tokio's clock (so paused time works).
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// How long a stream waits before each piece, on tokio's clock.
    pub fn pace(mut self, pause: Duration) -> Self {
        self.pace = pause;
        self
    }

    /// Breaks off with this error once the whole text has been streamed.
    pub fn cut(mut self, error: Error) -> Self {
        self.cut = Some(error);
        self
    }

    /// Why the completion ended, as a [`Finish`] or a provider's name for it; [`Finish::Stop`] if not set.
    ///
    /// ```
    /// use karat::{Reply, lm::Finish};
    ///
    /// let _ = Reply::text("cut").finish(Finish::Length);
    /// let _ = Reply::text("cut").finish("model_length");
    /// ```
    pub fn finish(mut self, finish: impl Into<Finish>) -> Self {
        self.finish = finish.into();
        self
    }

    /// What the reply costs; if not set, one token per whitespace-separated word, and nothing if it is an error.
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    async fn play(self, request: &Request, mut sink: Option<&mut Sink<'_>>) -> Result<Response> {
        pause(self.delay).await;
        let as_json = request.response_format.is_some();
        let paid = |error: Error| self.usage.into_iter().fold(error, Error::with_usage);
        let bodies = self.outcome.map_err(paid)?;
        if let Some(sink) = &mut sink {
            for (index, body) in bodies.iter().enumerate() {
                for piece in body.pieces(as_json) {
                    pause(self.pace).await;
                    if !piece.is_empty() {
                        sink(Delta::text(index, &piece));
                    }
                }
            }
        }
        let completions: Vec<_> = bodies.into_iter().map(|body| body.write(as_json, &self.finish)).collect();
        if let Some(cut) = self.cut {
            let text = completions.into_iter().next().map(|completion| completion.text).unwrap_or_default();
            let cut = paid(cut);
            return Err(if text.is_empty() { cut } else { cut.with_completion(text) });
        }
        let usage = self.usage.unwrap_or_else(|| Usage {
            calls: 1,
            prompt_tokens: request.prompt.iter().map(|message| words(&message.content)).sum(),
            completion_tokens: completions.iter().map(|completion| words(&completion.text)).sum(),
            ..Usage::default()
        });
        Ok(Response { completions, usage, ..Response::default() })
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        Self::error(error)
    }
}

impl Body {
    /// The pieces in which it is streamed.
    fn pieces(&self, as_json: bool) -> Vec<String> {
        match self {
            Body::Text(pieces) => pieces.clone(),
            other => vec![other.clone().write(as_json, &Finish::Stop).text],
        }
    }

    fn write(self, as_json: bool, finish: &Finish) -> Completion {
        let mut completion = Completion { finish: finish.clone(), ..Completion::default() };
        match self {
            Body::Text(pieces) => completion.text = pieces.concat(),
            Body::Refusal(text) => completion.refusal = Some(text),
            Body::ToolCalls(text, calls) => {
                let text = Some(text).filter(|text| !text.is_empty()).map(Part::from);
                completion = Completion::of_parts(text.into_iter().chain(calls.into_iter().map(Part::from)));
            }
            Body::Fields(fields) if as_json => {
                completion.text = Value::Object(fields.into_iter().collect()).to_string();
            }
            Body::Fields(fields) => {
                for (name, value) in fields {
                    let value = match value {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    completion.text += &format!("[[ ## {name} ## ]]\n{value}\n\n");
                }
                completion.text += "[[ ## completed ## ]]";
            }
        }
        completion
    }
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

impl ScriptedLm {
    /// Plays these replies in order, one per request.
    pub fn new<R: Into<Reply>>(replies: impl IntoIterator<Item = R>) -> Self {
        let queue = replies.into_iter().map(Into::into).collect();
        Self::of(Script::Queue(Arc::new(Mutex::new(queue))))
    }

    /// Computes each reply from its request.
    pub fn computed<R: Into<Reply>>(reply: impl Fn(&Request) -> R + Send + Sync + 'static) -> Self {
        Self::of(Script::Computed(Arc::new(move |request| reply(request).into())))
    }

    fn of(script: Script) -> Self {
        Self { name: "scripted".into(), script, requests: Arc::default() }
    }

    /// Another name than `scripted`, for programs with several.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// A handle for modules; it shares this one's queue and record.
    pub fn lm(&self) -> Lm {
        Lm::custom(self.clone())
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    /// How many requests came so far.
    pub fn calls(&self) -> usize {
        lock(&self.requests).len()
    }

    fn answer<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            lock(&self.requests).push(request.clone());
            self.next(request).play(request, sink).await
        })
    }

    fn next(&self, request: &Request) -> Reply {
        match &self.script {
            Script::Computed(reply) => reply(request),
            Script::Queue(queue) => lock(queue).pop_front().unwrap_or_else(|| {
                let message =
                    format!("`{}` has no reply left for request {}: give it more", self.name, self.calls());
                Reply::error(Error::new(ErrorKind::Other, message))
            }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LanguageModel for ScriptedLm {
    fn name(&self) -> &str {
        &self.name
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        self.answer(request, sink)
    }
}

impl From<ScriptedLm> for Lm {
    fn from(lm: ScriptedLm) -> Self {
        Lm::custom(lm)
    }
}

impl fmt::Debug for ScriptedLm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedLm")
            .field("name", &self.name)
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}
