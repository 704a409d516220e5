//! Limits of one endpoint: requests at a time and per minute, fair between callers.

mod gate;
mod learned;
mod queue;
mod window;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

use self::gate::{Gate, Permit};
use crate::{
    data::{Request, Response, Sink},
    model::{BoxFuture, Layer, Next},
    report::{Error, ErrorKind, RateLimit, Result},
};

/// The estimated tokens of an answer where the request has no `max_tokens`.
const USUAL_ANSWER: u64 = 512;

/// The bytes of a token, by the usual rule of thumb for English.
const BYTES_PER_TOKEN: u64 = 4;

/// Limits of one endpoint: requests at a time, requests per minute, tokens per minute, and those that the server reports. Set them
/// with [`Lm::limits`](crate::Lm::limits).
///
/// It is a handle that is cheap to clone. All clones share one state, so several LMs of one endpoint, or of one account, get clones
/// of one `Limits`. A setter gives limits of their own, with a new state.
///
/// **Order.** Requests that cannot be sent at once wait: callers take turns, one request each (a caller is a predictor, with all
/// clones of it; requests by hand count as one caller), and a caller's own requests keep their order. So a caller with one
/// request waits for at most one request of each other caller, however many those have waiting. A request that needs many tokens is
/// not overtaken by smaller ones. A wait has no end unless [`longest_wait`](Limits::longest_wait) sets one.
///
/// **Per minute** means in any 60 seconds: never more than so many, wherever the server's own minutes begin. There is no smaller
/// unit, so all of a minute's requests may be sent at once. Before a request is sent, its tokens are estimated: a quarter of the
/// prompt's bytes, and `max_tokens` (512 if not set) for each completion; its usage replaces the estimate once it is known.
/// The limit is exact for the estimates alone: where an estimate was too low, the minute has more tokens than the limit.
/// A request that fails or is dropped counts as estimated, unless the server refused it. A request that is larger than the whole
/// limit is sent when nothing else is in its minute.
///
/// **The server's limits** count too, unless [`learn`](Limits::learn) is off: the headers `x-ratelimit-limit-requests`,
/// `-remaining-requests`, `-reset-requests` and the same for tokens, as OpenAI, Groq and others send them with every answer, and
/// `retry-after` with an error, for which all wait (up to 5 minutes). `Limits::new()` alone goes by the server's limits only.
///
/// **Cancellation.** Dropping a call at any moment leaves the queue or frees its place; a stream keeps its place until it ends or is
/// dropped. Time is tokio's, so tests may [pause](https://docs.rs/tokio/latest/tokio/time/fn.pause.html) it.
///
/// ```
/// use karat::{Limits, ScriptedLm, lm::{Message, Request}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let limits = Limits::new().concurrency(8).requests_per_minute(500).tokens_per_minute(200_000);
/// let small = ScriptedLm::new(["hello"]).lm().limits(limits.clone());
/// let large = ScriptedLm::new(["good day"]).lm().limits(limits.clone());
/// small.complete(Request::new(vec![Message::user("hi")])).await?;
/// large.complete(Request::new(vec![Message::user("hi")])).await?;
/// assert_eq!((limits.in_flight(), limits.waiting()), (0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "its setters take it by value and return it"]
pub struct Limits {
    gate: Arc<Gate>,
}

#[derive(Clone, Debug)]
struct LimitSettings {
    concurrency: Option<usize>,
    requests_per_minute: Option<u64>,
    tokens_per_minute: Option<u64>,
    longest_wait: Option<Duration>,
    learn: bool,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            concurrency: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            longest_wait: None,
            learn: true,
        }
    }
}

impl Limits {
    /// No limits but those that the server reports.
    pub fn new() -> Self {
        Self::of(LimitSettings::default())
    }

    fn of(settings: LimitSettings) -> Self {
        Self { gate: Arc::new(Gate::new(settings)) }
    }

    fn with(self, set: impl FnOnce(&mut LimitSettings)) -> Self {
        let mut settings = self.gate.settings.clone();
        set(&mut settings);
        Self::of(settings)
    }

    /// At most so many requests on their way at a time. 0 is an error of the first call.
    pub fn concurrency(self, requests: usize) -> Self {
        self.with(|settings| settings.concurrency = Some(requests))
    }

    /// At most so many requests in any 60 seconds. 0 is an error of the first call.
    pub fn requests_per_minute(self, requests: u64) -> Self {
        self.with(|settings| settings.requests_per_minute = Some(requests))
    }

    /// At most so many tokens, read and written, in any 60 seconds. 0 is an error of the first call.
    pub fn tokens_per_minute(self, tokens: u64) -> Self {
        self.with(|settings| settings.tokens_per_minute = Some(tokens))
    }

    /// How long a request waits at most; then it fails with an [`is_rate_limited`](Error::is_rate_limited) error, which has the
    /// remaining wait as far as it is known ([`Error::retry_after`]). Zero: it is sent at once or fails.
    pub fn longest_wait(self, wait: Duration) -> Self {
        self.with(|settings| settings.longest_wait = Some(wait))
    }

    /// Whether the server's own limits are kept; they are, if not set.
    pub fn learn(self, learn: bool) -> Self {
        self.with(|settings| settings.learn = learn)
    }

    /// How many requests are in flight.
    pub fn in_flight(&self) -> usize {
        self.gate.in_flight()
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.gate.waiting()
    }

    /// The limits that the server reported last.
    pub fn last_report(&self) -> Option<RateLimit> {
        self.gate.last_report()
    }

    /// The error of a setting that makes no sense.
    pub(crate) fn mistake(&self) -> Option<Error> {
        let settings = &self.gate.settings;
        let zero = [
            ("concurrency", settings.concurrency == Some(0)),
            ("requests_per_minute", settings.requests_per_minute == Some(0)),
            ("tokens_per_minute", settings.tokens_per_minute == Some(0)),
        ];
        let (setter, _) = zero.into_iter().find(|(_, is_zero)| *is_zero)?;
        Some(Error::config(format!("`Limits::{setter}` of 0 lets nothing through: expected at least 1")))
    }

    /// Waits for a place. Cancel safe: dropped, it leaves the queue.
    async fn enter(&self, model: &str, request: &Request) -> Result<Permit> {
        let waiting = self.gate.enter(request.caller.as_ref().map(crate::data::Caller::id), tokens(request));
        let longest = self.gate.settings.longest_wait;
        let deadline = longest.and_then(|longest| Instant::now().checked_add(longest));
        loop {
            let next = match waiting.look() {
                Ok(permit) => return Ok(permit),
                Err(next) => next,
            };
            let now = Instant::now();
            if let (Some(longest), Some(true)) = (longest, deadline.map(|deadline| deadline <= now)) {
                let message = format!(
                    "`{model}`: no place under its own limits within {longest:?}: send fewer requests at once, or let them wait \
                     longer with `Limits::longest_wait(..)`"
                );
                // Another attempt would only wait in the same queue again.
                let error = Error::new(ErrorKind::RateLimited, message).with_should_retry(false);
                let wait = next.map(|next| next.saturating_duration_since(now));
                return Err(wait.into_iter().fold(error, Error::with_retry_after));
            }
            let Some(until) = next.into_iter().chain(deadline).min() else {
                waiting.bell().await;
                continue;
            };
            if Handle::try_current().is_err() {
                let message =
                    format!("`{model}`: called outside of a Tokio runtime: run it under `#[tokio::main]`");
                return Err(Error::config(message));
            }
            let bell = std::pin::pin!(waiting.bell());
            futures_util::future::select(bell, std::pin::pin!(sleep_until(until))).await;
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// The same limits: not merely equal settings.
impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.gate, &other.gate)
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitSettings { concurrency, requests_per_minute, tokens_per_minute, longest_wait, learn } =
            &self.gate.settings;
        f.debug_struct("Limits")
            .field("concurrency", concurrency)
            .field("requests_per_minute", requests_per_minute)
            .field("tokens_per_minute", tokens_per_minute)
            .field("longest_wait", longest_wait)
            .field("learn", learn)
            .finish_non_exhaustive()
    }
}

/// An estimate of the tokens that a request will take.
fn tokens(request: &Request) -> u64 {
    let bytes: u64 = request.prompt.iter().map(|message| message.content.bytes() as u64).sum();
    let of_tools = |tool: &crate::data::ToolSpec| (tool.bytes() + tool.parameters.to_string().len()) as u64;
    let bytes = bytes + request.tools.iter().map(of_tools).sum::<u64>();
    let answer = request.config.max_tokens.map_or(USUAL_ANSWER, u64::from);
    let answers = answer.saturating_mul(request.config.n.unwrap_or(1).max(1).into());
    bytes.div_ceil(BYTES_PER_TOKEN).saturating_add(answers)
}

impl Layer for Limits {
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            let permit = self.enter(next.name(), request).await?;
            let outcome = next.call(request, sink).await;
            permit.end(&outcome);
            outcome
        })
    }
}
