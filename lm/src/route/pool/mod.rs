//! A pool of endpoints of one model: the least busy one is asked.

mod endpoints;
mod race;

use std::time::Duration;

use self::endpoints::{Cooldown, Endpoints};
use super::members;
use crate::{
    data::{Request, Response, ResponseFormat, Sink, Support},
    handle::Lm,
    model::{BoxFuture, LanguageModel},
    report::Result,
};

/// Several endpoints of one model, with options; [`Lm::pool`] is one without.
///
/// * **The endpoint to ask** is the one with the fewest requests of this pool in flight; equally busy ones take turns.
/// * **A failed endpoint** cools down, and the request goes to the next one, to each at most once. Failures are: no connection, an
///   untrusted certificate, too slow, a failing server, a rate limit, an answer that its API does not promise, a used-up quota, a missing or
///   refused key, a model that is unknown there. It cools down for as long as the server asked ([`retry_after`](crate::Error::retry_after)), else for
///   10 s, twice as long each time it fails again right away, up to 5 minutes. Simultaneous failures count once.
/// * **If all remaining endpoints cool down**, they are asked all the same, the one that is back first before the others, unless
///   [`strict`](Pool::strict) says otherwise.
/// * **An error of the request itself**, a refusal or a filtered answer goes to the caller at once.
///
/// Each endpoint keeps its own settings, retries, limits and history; retries around the pool are set on the LM that
/// [`lm`](Pool::lm) returns. Settings of that LM override the endpoints'. A cache takes answers of different endpoints for the same.
/// A response format is asked for if all endpoints take it. No part of a stream is sent twice: once an endpoint has sent a part, its
/// error is the call's.
///
/// Cancel safe: dropping the call drops all its requests. Time is tokio's.
///
/// ```
/// use std::time::Duration;
///
/// use karat::{Lm, lm::Pool};
///
/// # fn main() -> karat::Result<()> {
/// let server = |port| Ok::<_, karat::Error>(Lm::new("vllm/qwen3")?.base_url(format!("http://127.0.0.1:{port}/v1")));
/// let lm = Pool::new([server(8000)?, server(8001)?])
///     .cooldown(Duration::from_secs(5))
///     .hedge(Duration::from_secs(2))
///     .lm()
///     .temperature(0.7);
/// assert_eq!(lm.name(), "pool(vllm/qwen3, vllm/qwen3)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "its setters take it by value and return it"]
pub struct Pool {
    members: Vec<Lm>,
    cooldown: Cooldown,
    hedge: Option<Duration>,
    strict: bool,
}

impl Pool {
    /// These endpoints. None at all is an [`is_config`](crate::Error::is_config) error of the first call.
    pub fn new(endpoints: impl IntoIterator<Item = Lm>) -> Self {
        let cooldown = Cooldown { first: Duration::from_secs(10), longest: Duration::from_secs(300) };
        Self { members: endpoints.into_iter().collect(), cooldown, hedge: None, strict: false }
    }

    /// How long an endpoint cools down after its first failure, where the server does not say; 10 s if not set.
    pub fn cooldown(mut self, time: Duration) -> Self {
        self.cooldown.first = time;
        self
    }

    /// The longest that an endpoint cools down, whatever the server says; 5 minutes if not set.
    pub fn longest_cooldown(mut self, time: Duration) -> Self {
        self.cooldown.longest = time;
        self
    }

    /// Asks a second endpoint as well if the first one has not answered after this time (for a stream: has not sent its first part).
    /// The first answer wins, and the other request is dropped. The usage counts both calls, but not the dropped one's tokens, which
    /// are unknown. An endpoint that cools down is not asked as the second.
    pub fn hedge(mut self, after: Duration) -> Self {
        self.hedge = Some(after);
        self
    }

    /// Whether endpoints that cool down are never asked. If all do, a call then fails at once, with the error kind of the endpoint that
    /// is back first, and the time until then as [`retry_after`](crate::Error::retry_after).
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// The LM that asks these endpoints.
    pub fn lm(self) -> Lm {
        let Self { members, cooldown, hedge, strict } = self;
        let name = members::name("pool", &members);
        let endpoints = Endpoints::new(members.len(), cooldown);
        members::combined("pool", &members.clone(), Pooled { name, members, endpoints, hedge, strict })
    }
}

impl From<Pool> for Lm {
    fn from(pool: Pool) -> Self {
        pool.lm()
    }
}

impl Lm {
    /// Several endpoints of one model: the least busy one is asked, and a failed one cools down. [`Pool`] has the rules, and options
    /// such as hedging.
    ///
    /// ```
    /// use karat::{Lm, ScriptedLm, lm::{Message, Request}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> karat::Result<()> {
    /// let (one, other) = (ScriptedLm::new(["hello"]), ScriptedLm::new(["hello"]));
    /// let lm = Lm::pool([one.lm(), other.lm()]);
    /// for _ in 0..2 {
    ///     lm.complete(Request::new(vec![Message::user("hi")])).await?;
    /// }
    /// assert_eq!((one.calls(), other.calls()), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn pool(endpoints: impl IntoIterator<Item = Lm>) -> Lm {
        Pool::new(endpoints).lm()
    }
}

struct Pooled {
    name: String,
    members: Vec<Lm>,
    endpoints: Endpoints,
    hedge: Option<Duration>,
    strict: bool,
}

impl LanguageModel for Pooled {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        // The same whatever their order and number, as it is one model.
        let mut identities = members::identities(&self.members);
        identities.sort_unstable();
        identities.dedup();
        format!("pool({})", identities.join(", "))
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.send(request, sink))
    }

    fn supports(&self, format: &ResponseFormat) -> Support {
        members::supports(&self.members, format)
    }
}
