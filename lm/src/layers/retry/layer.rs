//! The retry loop: an attempt, a decision by its error, a wait, and again, within the deadline.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::sleep};

use super::bucket::{Bucket, Token};
use crate::{
    data::{Delta, DeltaPart, Request, Response, Sink, Timeouts},
    grow,
    layers::Retry,
    model::{BoxFuture, LanguageModel, Layer, Next},
    polled_timeout::timed,
    report::{Error, ErrorKind, Result, Usage},
};

/// The deadline of a call, and its retries.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    pub(crate) retry: Retry,
    pub(crate) deadline: Option<Duration>,
    /// The limit of one attempt.
    pub(crate) attempt: Option<Duration>,
}

impl Policy {
    /// The usual policy over a network.
    pub(crate) fn usual() -> Self {
        let attempt = Some(Timeouts::new().attempt);
        Self { retry: Retry::new(), deadline: Some(Duration::from_secs(600)), attempt }
    }

    /// The layer around this model; none if it would do nothing, so that it costs nothing.
    pub(crate) fn layer(&self, model: &dyn LanguageModel) -> Option<Retried> {
        let does_nothing = self.retry.attempts <= 1 && self.deadline.is_none() && self.attempt.is_none();
        (!does_nothing).then(|| Retried { policy: self.clone(), bucket: self.retry.bucket(model.identity()) })
    }
}

/// One attempt without limits.
impl Default for Policy {
    fn default() -> Self {
        Self { retry: Retry::none(), deadline: None, attempt: None }
    }
}

pub(crate) struct Retried {
    policy: Policy,
    bucket: Arc<Bucket>,
}

impl Layer for Retried {
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.run(request, sink, next))
    }
}

impl Retried {
    async fn run(
        &self,
        request: &Request,
        mut sink: Option<&mut Sink<'_>>,
        next: Next<'_>,
    ) -> Result<Response> {
        let mut so_far = SoFar::new(next.name());
        so_far.check_runtime()?;
        loop {
            let left = self.left(&so_far);
            if left.is_some_and(|left| left.is_zero()) {
                return Err(self.past_deadline(so_far));
            }
            let (limit, is_deadline) = match (self.policy.attempt, left) {
                (Some(attempt), Some(left)) if attempt >= left => (Some(left), true),
                (Some(attempt), _) => (Some(attempt), false),
                (None, left) => (left, true),
            };
            so_far.tries = so_far.tries.saturating_add(1);
            let (outcome, took) = match &mut sink {
                None => timed(limit, next.call(request, None)).await,
                Some(sink) => {
                    let mut noting = |delta: Delta<'_>| {
                        so_far.note(delta);
                        sink(delta);
                    };
                    timed(limit, next.call(request, Some(&mut noting))).await
                }
            };
            so_far.spent = so_far.spent.saturating_add(took);
            let error = match outcome {
                Some(Ok(response)) => {
                    self.bucket.reached();
                    self.bucket.refill();
                    return Ok(so_far.with_failed(response));
                }
                Some(Err(error)) => error,
                None if is_deadline => return Err(self.past_deadline(so_far)),
                None => self.past_attempt(&mut so_far),
            };
            so_far.failed += error.spent();
            let down = match error.retry_within() {
                Some(limit) => self.bucket.refused(limit),
                None => {
                    self.bucket.reached();
                    Duration::ZERO
                }
            };
            let (wait, token) = match self.verdict(&error, &so_far, down) {
                Verdict::Retry(wait, token) => (wait, token),
                Verdict::Stop(why) => return Err(so_far.ended(error, why)),
            };
            if let Err(refusal) = request.meter.check() {
                return Err(so_far.refused(refusal, error));
            }
            tracing::debug!(
                model = next.name(),
                attempt = so_far.tries,
                error = ?error.kind(),
                status = error.status(),
                ?wait,
                "tries again"
            );
            so_far.last = Some(error);
            so_far.waits = so_far.waits.saturating_add(wait);
            let (_, took) = timed(None, sleep(wait)).await;
            so_far.spent = so_far.spent.saturating_add(took);
            if let (Err(refusal), Some(error)) = (request.meter.check(), so_far.last.clone()) {
                return Err(so_far.refused(refusal, error));
            }
            token.spend();
        }
    }

    /// The rest of the deadline.
    fn left(&self, so_far: &SoFar<'_>) -> Option<Duration> {
        self.policy.deadline.map(|deadline| deadline.saturating_sub(so_far.spent))
    }

    /// Decides what to do about an error; `down`: for how long the endpoint has refused connections.
    fn verdict(&self, error: &Error, so_far: &SoFar<'_>, down: Duration) -> Verdict {
        let retry = &self.policy.retry;
        if !error.is_transient() || so_far.tries >= retry.attempts {
            return Verdict::Stop(None);
        }
        if so_far.has_streamed {
            return Verdict::Stop(Some(
                "not tried again, for a part of the answer was already streamed".into(),
            ));
        }
        let asked = error.retry_after();
        let wait = match asked {
            Some(asked) => asked.min(retry.longest_wait),
            None => retry.backoff.wait(so_far.tries.saturating_sub(1)),
        };
        if error.retry_within().is_some_and(|limit| down.saturating_add(wait) > limit) {
            return Verdict::Stop(None);
        }
        if let (Some(left), Some(deadline)) = (self.left(so_far), self.policy.deadline) {
            let (deadline, remaining) = (shown(deadline), shown(left));
            if let Some(asked) = asked.filter(|asked| *asked >= left) {
                let asked = shown(asked);
                return Verdict::Stop(Some(format!(
                    "not tried again: the server asks to wait {asked}, and of the deadline of {deadline} there are {remaining} left"
                )));
            }
            if wait >= left {
                let wait = shown(wait);
                return Verdict::Stop(Some(format!(
                    "not tried again: a wait of {wait} would pass the deadline of {deadline}, of which {remaining} are left"
                )));
            }
        }
        match self.bucket.take() {
            Some(token) => Verdict::Retry(wait, token),
            None => Verdict::Stop(Some(
                "not tried again: so many calls of this endpoint fail that its budget of retries is used up"
                    .into(),
            )),
        }
    }

    fn past_attempt(&self, so_far: &mut SoFar<'_>) -> Error {
        let limit = self.policy.attempt.map(shown).unwrap_or_default();
        let message = format!(
            "`{}`: the attempt took longer than its limit of {limit}, {}: raise `Timeouts::attempt`, or ask for fewer tokens",
            so_far.model,
            so_far.doing(),
        );
        so_far.with_text(Error::new(ErrorKind::Timeout, message))
    }

    fn past_deadline(&self, mut so_far: SoFar<'_>) -> Error {
        let deadline = self.policy.deadline.map(shown).unwrap_or_default();
        let message = format!(
            "`{}`: the deadline of {deadline} passed {}: raise it with `.deadline(..)`, or ask for fewer tokens",
            so_far.model,
            so_far.doing(),
        );
        let error = so_far.with_text(Error::new(ErrorKind::Timeout, message).with_attempts(so_far.tries));
        let last = so_far.last.take();
        let error = so_far.ended(error, None);
        last.into_iter().fold(error, Error::with_source)
    }
}

/// What to do about an error.
enum Verdict {
    Retry(Duration, Token),
    /// With a remark for the error, if any.
    Stop(Option<String>),
}

/// The state of a call after some attempts.
#[derive(Default)]
struct SoFar<'a> {
    /// The model's name.
    model: &'a str,
    tries: u32,
    /// The cost of the failed attempts.
    failed: Usage,
    /// How much of the deadline is used up.
    spent: Duration,
    waits: Duration,
    /// A part of the answer was streamed.
    has_streamed: bool,
    /// The first completion's text.
    text: String,
    last: Option<Error>,
}

impl<'a> SoFar<'a> {
    fn new(model: &'a str) -> Self {
        Self { model, ..Self::default() }
    }

    /// # Errors
    /// [`ErrorKind::Config`]: there is no clock.
    fn check_runtime(&self) -> Result<()> {
        if Handle::try_current().is_ok() {
            return Ok(());
        }
        let message = format!(
            "`{}` is called outside of a Tokio runtime, which its deadline and retries need: run it under `#[tokio::main]`",
            self.model
        );
        Err(Error::config(message))
    }

    fn note(&mut self, delta: Delta<'_>) {
        self.has_streamed = true;
        if delta.completion == 0 && delta.part == DeltaPart::Text {
            grow::append(&mut self.text, delta.text, grow::STREAM_CAP);
        }
    }

    fn doing(&self) -> &'static str {
        if self.has_streamed { "in the middle of the answer" } else { "before the answer came" }
    }

    fn with_text(&mut self, error: Error) -> Error {
        let text = std::mem::take(&mut self.text);
        Some(text).filter(|text| !text.is_empty()).into_iter().fold(error, Error::with_completion)
    }

    /// Adds the cost of failed attempts to the answer.
    fn with_failed(&self, mut response: Response) -> Response {
        response.usage += self.failed;
        response
    }

    /// The refusal of another attempt, with the last one's error.
    fn refused(&self, refusal: Error, error: Error) -> Error {
        refusal.with_usage(self.failed).with_source(error)
    }

    /// The last error, with a remark on the attempts before it.
    fn ended(&self, error: Error, why: Option<String>) -> Error {
        let error = error.with_usage(self.failed);
        let mut remark = match self.tries {
            0 | 1 if why.is_none() => return error,
            0 | 1 => "after 1 attempt".to_owned(),
            tries => format!("after {tries} attempts with waits of {} in all", shown(self.waits)),
        };
        if let Some(why) = why {
            remark = format!("{remark}; {why}");
        }
        error.with_remark(&remark)
    }
}

/// A time for people.
fn shown(time: Duration) -> String {
    match time {
        short if short < Duration::from_secs(1) => format!("{} ms", short.as_millis()),
        long if long.subsec_millis() == 0 || long.as_secs() >= 100 => format!("{} s", long.as_secs()),
        long => format!("{:.1} s", long.as_secs_f64()),
    }
}
