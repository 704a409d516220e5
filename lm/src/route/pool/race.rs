//! One call of a pool: endpoint after endpoint, or two side by side.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Pooled,
    endpoints::{Choice, Seat},
};
use crate::{
    data::{Delta, Request, Response, Sink},
    handle::Lm,
    model::BoxFuture,
    report::{Error, Fact, Result},
    route::members,
};

/// No endpoint has sent a part yet.
const NOBODY: usize = usize::MAX;

/// Passes on the stream of the endpoint that sends first, and of no other.
struct FirstToWrite<'a, 'b> {
    sink: Mutex<&'a mut Sink<'b>>,
    first: AtomicUsize,
}

impl FirstToWrite<'_, '_> {
    fn hear(&self, index: usize, delta: Delta<'_>) {
        let first = self.first.compare_exchange(NOBODY, index, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() || first == Err(index) {
            let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
            (*sink)(delta);
        }
    }
}

/// A request in flight.
struct Runner<'a> {
    seat: Seat<'a>,
    lm: &'a Lm,
    answer: BoxFuture<'a, Result<Response>>,
}

impl Pooled {
    /// Asks endpoints until one answers.
    pub(super) async fn send(&self, request: &Request, sink: Option<&mut Sink<'_>>) -> Result<Response> {
        let writer =
            sink.map(|sink| FirstToWrite { sink: Mutex::new(sink), first: AtomicUsize::new(NOBODY) });
        let streaming =
            || writer.as_ref().map(|writer| writer.first.load(Ordering::Relaxed)).filter(|by| *by != NOBODY);
        let mut asked = Vec::new();
        let mut errors: Vec<(&str, Error)> = Vec::new();
        let mut runners: Vec<Runner<'_>> = Vec::new();
        let mut timer = None;
        loop {
            if runners.is_empty() {
                let Some(seat) = self.next(&asked)? else {
                    return Err(members::all_failed(&self.name, errors));
                };
                members::check(request, &self.name, &mut errors)?;
                timer = self.timer();
                runners.extend(self.begin(seat, request, writer.as_ref(), &mut asked));
            }
            let event = poll_fn(|context| race(&mut runners, timer.as_mut(), streaming, context)).await;
            let Some((runner, outcome)) = event else {
                timer = None;
                let second = match (self.endpoints.choose(&asked), streaming()) {
                    (Choice::Ask(seat), None) => Some(seat),
                    _ => None,
                };
                if let Some(seat) = second.filter(|_| request.meter.check().is_ok()) {
                    tracing::debug!(model = self.name, "no answer yet; a second endpoint is asked as well");
                    runners.extend(self.begin(seat, request, writer.as_ref(), &mut asked));
                }
                continue;
            };
            match outcome {
                Ok(mut response) => {
                    runner.seat.answered();
                    response.usage += members::spent(&errors);
                    return Ok(response);
                }
                Err(error) if error.kind().is(Fact::Endpoint) => {
                    runner.seat.failed(&error);
                    tracing::warn!(model = runner.lm.name(), endpoint = runner.seat.index, %error, "an endpoint of a pool failed");
                    if streaming() == Some(runner.seat.index) {
                        return Err(members::after(error, &errors));
                    }
                    errors.push((runner.lm.name(), error));
                }
                // The budget was used up meanwhile, and the first request is still in flight.
                Err(error) if error.is_budget() && !runners.is_empty() => {}
                Err(error) => {
                    runner.seat.answered();
                    return Err(members::after(error, &errors));
                }
            }
        }
    }

    /// The endpoint to ask next; `None` if there is none left.
    fn next(&self, asked: &[usize]) -> Result<Option<Seat<'_>>> {
        match self.endpoints.choose(asked) {
            Choice::Ask(seat) => Ok(Some(seat)),
            Choice::Cooling(index, ..) if !self.strict => Ok(Some(self.endpoints.take(index))),
            Choice::Cooling(_, until, cause) if asked.is_empty() => {
                let wait = until.saturating_duration_since(Instant::now());
                let message = format!(
                    "`{}`: all endpoints cool down after failures, the first of them for another {wait:?}. It failed so: {cause}",
                    self.name
                );
                Err(Error::new(cause.kind(), message).with_retry_after(wait).with_source(cause))
            }
            Choice::Cooling(..) | Choice::None => Ok(None),
        }
    }

    /// The timer for asking a second endpoint.
    fn timer(&self) -> Option<Pin<Box<Sleep>>> {
        let at = Instant::now().checked_add(self.hedge?)?;
        tokio::runtime::Handle::try_current().ok()?;
        Some(Box::pin(sleep_until(at)))
    }

    fn begin<'a>(
        &'a self,
        seat: Seat<'a>,
        request: &'a Request,
        writer: Option<&'a FirstToWrite<'_, '_>>,
        asked: &mut Vec<usize>,
    ) -> Option<Runner<'a>> {
        let index = seat.index;
        let lm = self.members.get(index)?;
        asked.push(index);
        let answer: BoxFuture<'a, _> = match writer {
            None => Box::pin(members::ask(lm, request, None)),
            Some(writer) => Box::pin(async move {
                let mut noting = |delta: Delta<'_>| writer.hear(index, delta);
                members::ask(lm, request, Some(&mut noting)).await
            }),
        };
        Some(Runner { seat, lm, answer })
    }
}

/// Polls the runners: returns the first that ends, or `None` when it is time for another one. Once one of them has sent a part of
/// a stream, the others are dropped.
fn race<'a>(
    runners: &mut Vec<Runner<'a>>,
    timer: Option<&mut Pin<Box<Sleep>>>,
    streaming: impl Fn() -> Option<usize>,
    context: &mut Context<'_>,
) -> Poll<Option<(Runner<'a>, Result<Response>)>> {
    let mut index = 0;
    while let Some(runner) = runners.get_mut(index) {
        if let Poll::Ready(outcome) = runner.answer.as_mut().poll(context) {
            return Poll::Ready(Some((runners.remove(index), outcome)));
        }
        index += 1;
        if let Some(first) = streaming().filter(|_| runners.len() > 1) {
            runners.retain(|runner| runner.seat.index == first);
            index = 1;
        }
    }
    match timer.map(|timer| timer.as_mut().poll(context)) {
        Some(Poll::Ready(())) => Poll::Ready(None),
        _ => Poll::Pending,
    }
}
