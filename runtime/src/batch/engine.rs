//! The engine: starts items, as many at a time as allowed, and takes them in as they end.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt,
    future::{self, Either},
    stream::FuturesUnordered,
};
use tokio::time::Instant;

use super::{
    ending::{Ending, Started, Tally},
    report::BatchStop,
    settings::Settings,
};
use crate::{Error, ErrorKind, Prediction, Result, Tracer};

/// One item: a call that has not begun, and where it writes what it does.
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

/// Runs all jobs, in order, and says how each ended and why the whole did. An error for which `is_shared` is true ends it.
pub(super) async fn run<O, F: Future<Output = Result<Prediction<O>>>>(
    jobs: impl ExactSizeIterator<Item = Job<F>>,
    mut settings: Settings,
    is_shared: fn(&Error) -> bool,
) -> (Vec<Ending<O>>, BatchStop) {
    if let Err(mistake) = settings.check() {
        let endings = jobs.map(|_| Ending::not_run(mistake.clone())).collect();
        return (endings, BatchStop::SharedError);
    }
    let mut cancel = settings.cancel.take().unwrap_or_else(|| Box::pin(future::pending()));
    let mut tally = Tally::new(jobs.len(), &settings, is_shared);
    let mut jobs = jobs.enumerate();
    // True when the batch has ended: what has not begun by then does not begin.
    let over = AtomicBool::new(false);
    let mut running = FuturesUnordered::new();
    let mut started: BTreeMap<usize, Started> = BTreeMap::new();
    let stop = loop {
        // Looked at before anything starts, since items that never wait leave no other moment for it.
        if let Some(end) = cancel.as_mut().now_or_never() {
            break tally.cancel(end);
        }
        while running.len() < settings.concurrency {
            let Some((index, Job { outer, tracer, call })) = jobs.next() else { break };
            started.insert(index, Started { outer, tracer, start: Instant::now() });
            let call = guarded(call, settings.timeout);
            let over = &over;
            running.push(async move {
                let begun = !over.load(Ordering::Relaxed);
                (index, if begun { Some(call.await) } else { None })
            });
        }
        // What ends the batch is looked at second: an item that is done by then counts.
        let (index, result) = match future::select(running.next(), cancel.as_mut()).await {
            Either::Left((Some((index, result)), _)) => (index, result),
            Either::Left((None, _)) => break BatchStop::Completed,
            Either::Right((end, _)) => break tally.cancel(end),
        };
        if let (Some(started), Some(result)) = (started.remove(&index), result) {
            if let Some(stop) = tally.add(index, started, result) {
                break stop;
            }
        }
        // Lets others have the thread now and then, though no item ever waits.
        tokio::task::consume_budget().await;
    };
    // Others that are done at the same moment are kept too, so that the order of arrival decides nothing.
    over.store(true, Ordering::Relaxed);
    while let Some(Some((index, result))) = running.next().now_or_never() {
        if let (Some(started), Some(result)) = (started.remove(&index), result) {
            tally.keep(index, started, result);
        }
    }
    drop(running);
    tally.finish(stop, started)
}

/// The call within its time, a panic of it turned into its error.
async fn guarded<O>(
    call: impl Future<Output = Result<Prediction<O>>>,
    limit: Option<Duration>,
) -> Result<Prediction<O>> {
    // Inside of a block of its own, since a `forward` written by hand may panic before there is a future.
    let call = async {
        let Some(limit) = limit else { return call.await };
        let in_time = match limit.is_zero() {
            // Before any LM call.
            true => None,
            false => tokio::time::timeout(limit, call).await.ok(),
        };
        in_time.unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Timeout,
                format!("the item was not done within its timeout of {limit:?}"),
            ))
        })
    };
    AssertUnwindSafe(call)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(Error::from_panic("the module", panic)))
}
