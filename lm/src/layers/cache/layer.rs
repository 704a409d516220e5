//! The cache's layer: looks an answer up, waits for an equal request, or asks the model.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    FlightOutcome, Shared, count,
    flight::{Awaited, Join, Leader},
    key::{self, Key},
};
use crate::{
    data::{CacheUse, Delta, DeltaPart, Request, Response, Sink},
    layers::Cache,
    model::{BoxFuture, Layer, Next},
    report::{Result, Usage},
};

/// The cache around one handle's model.
pub(crate) struct Cached {
    shared: Arc<Shared>,
    /// The model's identity at the last miss: computing it takes as long as all the rest of a hit.
    identity: Mutex<Option<Arc<str>>>,
}

impl Cache {
    /// The layer around a handle's model.
    pub(crate) fn layer(&self) -> Cached {
        Cached { shared: self.shared.clone(), identity: Mutex::default() }
    }
}

impl Layer for Cached {
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            match self.hit(request) {
                Some(response) => {
                    if let Some(sink) = sink {
                        stream_whole(&response, sink);
                    }
                    Ok(response)
                }
                None => self.miss(request, sink, next).await,
            }
        })
    }
}

/// A call: the request, the sink of its stream, and the next layer.
type CallParts<'a> = (&'a Request, Option<&'a mut Sink<'a>>, Next<'a>);

impl Cached {
    fn identity(&self) -> Option<Arc<str>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The model's current identity. Its address may come from the environment, and be set late.
    fn identity_now(&self, next: Next<'_>) -> Arc<str> {
        let now: Arc<str> = next.identity().into();
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.clone());
        now
    }

    /// The answer in memory.
    fn hit(&self, request: &Request) -> Option<Response> {
        if request.config.cache.unwrap_or_default() != CacheUse::Use {
            return None;
        }
        let identity = self.identity()?;
        let key = self.shared.key(&identity, request);
        self.shared.in_memory(&key, &identity, request)
    }

    /// Boxed by itself, so that the future of a hit stays small.
    fn miss<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            let cache_use = request.config.cache.unwrap_or_default();
            if cache_use == CacheUse::Bypass {
                return next.call(request, sink).await;
            }
            let identity = self.identity_now(next);
            let key = self.shared.key(&identity, request);
            if cache_use == CacheUse::Refresh {
                let response = next.call(request, sink).await?;
                self.shared.store(key, &identity, request, &response);
                return Ok(response);
            }
            let is_same =
                |(other, asked): &(Arc<str>, Request)| *other == identity && key::is_same(asked, request);
            let asked = || (identity.clone(), request.clone());
            let leader = match self.shared.flights.join(&key, is_same, asked) {
                Join::Lead(leader) => leader,
                Join::Apart => {
                    count(&self.shared.counts.misses, 1);
                    return next.call(request, sink).await;
                }
                Join::Follow(follower) => match follower.await {
                    Awaited::Lead(leader) => leader,
                    Awaited::Landed(outcome) => {
                        count(&self.shared.counts.joined, 1);
                        return outcome.map(|response| joined(&response, sink));
                    }
                },
            };
            self.lead(leader, key, identity, (request, sink, next)).await
        })
    }

    async fn lead<'a>(
        &'a self,
        leader: Leader<'a, Key, (Arc<str>, Request), FlightOutcome>,
        key: Key,
        identity: Arc<str>,
        (request, sink, next): CallParts<'a>,
    ) -> Result<Response> {
        // An answer may have come between the lookup in memory and the lead.
        let there = self.shared.in_memory(&key, &identity, request);
        if let Some(response) = there.or_else(|| self.shared.on_disk(&key, &identity, request)) {
            let response = Arc::new(response);
            leader.land(Ok(response.clone()));
            return Ok(joined(&response, sink));
        }
        count(&self.shared.counts.misses, 1);
        match next.call(request, sink).await {
            Ok(response) => {
                // Stored first, so that requests after the landing find it.
                self.shared.store(key, &identity, request, &response);
                leader.land(Ok(Arc::new(response.clone())));
                Ok(response)
            }
            // This caller's budget is used up; another one's may not be.
            Err(error) if error.is_budget() => Err(error),
            Err(error) => {
                // Only this request paid.
                let alone = Err(error.alone().with_usage(Usage::default()));
                if error.is_permanent() {
                    leader.land(alone)
                } else {
                    leader.fail(alone)
                }
                Err(error)
            }
        }
    }
}

/// Another call's answer, sent to the sink at once.
fn joined(response: &Response, sink: Option<&mut Sink<'_>>) -> Response {
    let response = cached(response);
    if let Some(sink) = sink {
        stream_whole(&response, sink);
    }
    response
}

/// The answer with a usage of one cached call.
pub(super) fn cached(response: &Response) -> Response {
    Response {
        completions: response.completions.clone(),
        usage: Usage { calls: 1, cached_calls: 1, ..Usage::default() },
        model: response.model.clone(),
        // The server's limits of that time are outdated.
        rate_limit: None,
    }
}

/// Sends a whole answer to the sink.
pub(crate) fn stream_whole(response: &Response, sink: &mut Sink<'_>) {
    for (index, completion) in response.completions.iter().enumerate() {
        if let Some(reasoning) = completion.reasoning.as_deref().filter(|reasoning| !reasoning.is_empty()) {
            sink(Delta::reasoning(index, reasoning));
        }
        if !completion.text.is_empty() {
            sink(Delta::text(index, &completion.text));
        }
        for (at, call) in completion.tool_calls().enumerate() {
            for (part, text) in
                [(DeltaPart::ToolName(at), &call.name), (DeltaPart::ToolArguments(at), &call.arguments)]
            {
                if !text.is_empty() {
                    sink(Delta::new(index, part, text));
                }
            }
        }
    }
}
