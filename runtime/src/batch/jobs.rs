//! Runs the items of a batch.

use std::{future::Future, time::Duration};

use futures_util::future;
use tokio::time::Instant;

use super::{
    items::{Ending, Items, RunningItem},
    report::BatchStop,
    settings::BatchSettings,
};
use crate::{
    Error, ErrorKind, Prediction, Result,
    run::{Ended, Flow, Tracer, run_many},
};

/// A call that has not begun, and its tracer.
pub(super) struct Job<F> {
    outer: Option<Tracer>,
    tracer: Tracer,
    call: F,
}

impl<F> Job<F> {
    /// A call that writes to the tracer that `call` is given: a part of the outer run, if there is one.
    pub(super) fn new(outer: Option<Tracer>, call: impl FnOnce(Tracer) -> F) -> Self {
        let tracer = outer.as_ref().map_or_else(Tracer::new, Tracer::child);
        Self { call: call(tracer.clone()), tracer, outer }
    }
}

/// Runs all jobs, in order; returns how each ended and why the batch did. An error for which `is_shared` is true ends it.
pub(super) async fn run<O, F: Future<Output = Result<Prediction<O>>>>(
    jobs: impl ExactSizeIterator<Item = Job<F>>,
    mut settings: BatchSettings,
    is_shared: fn(&Error) -> bool,
) -> (Vec<Ending<O>>, BatchStop) {
    if let Err(mistake) = settings.check() {
        let endings = jobs.map(|_| Ending::not_run(mistake.clone())).collect();
        return (endings, BatchStop::SharedError);
    }
    let cancel = settings.cancel.take().unwrap_or_else(|| Box::pin(future::pending()));
    let (concurrency, timeout) = (settings.concurrency, settings.timeout);
    let mut items = Items::new(jobs.len(), &settings, is_shared);
    let jobs = jobs.map(|Job { outer, tracer, call }| {
        (RunningItem { outer, tracer, start: Instant::now() }, in_time(call, timeout))
    });
    let (ended, running) = run_many(jobs, concurrency, cancel, |index, item, result| {
        items.add(index, item, result).map_or(Flow::Continue, Flow::Stop)
    })
    .await;
    let stop = match ended {
        Ended::All => BatchStop::Completed,
        Ended::Stopped(stop) => stop,
        Ended::Over(end) => items.cancel(end),
    };
    (items.finish(running), stop)
}

/// Runs the call within its timeout.
async fn in_time<O>(
    call: impl Future<Output = Result<Prediction<O>>>,
    limit: Option<Duration>,
) -> Result<Prediction<O>> {
    let Some(limit) = limit else { return call.await };
    let in_time = match limit.is_zero() {
        // Before any LM call.
        true => None,
        false => tokio::time::timeout(limit, call).await.ok(),
    };
    in_time.unwrap_or_else(|| {
        Err(Error::new(ErrorKind::Timeout, format!("the item was not done within its timeout of {limit:?}")))
    })
}
