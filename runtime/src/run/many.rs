//! The engine: starts runs in order, as many at a time as allowed, and hands each output on as it arrives.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::{
    FutureExt, StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};

use super::caught;
use crate::Result;

/// What the other runs do after the output of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow<S> {
    /// They go on.
    Continue,
    /// Those that run go on, no other starts.
    Finish,
    /// All end, for this reason.
    Stop(S),
}

/// Why a set of runs ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<S, E> {
    /// Every run that was to start has ended.
    All,
    /// The output of a run stopped it.
    Stopped(S),
    /// The future `end` came first.
    Over(E),
}

/// Runs `jobs`, at most `concurrency` of them at once, until `end`. Each job is a future and a note on it; `take` gets the
/// index, the note and the output of each run in the order of arrival. Also returns the notes, by index, of the runs that were
/// dropped midway.
///
/// A run that panics gives an error. At the end, or when `take` stops it, no further run begins, and runs that are done at that
/// same moment are taken too, so that the order of arrival decides nothing.
pub async fn run_many<N, T, S, E, F: Future<Output = Result<T>>>(
    jobs: impl ExactSizeIterator<Item = (N, F)>,
    concurrency: usize,
    end: impl Future<Output = E>,
    mut take: impl FnMut(usize, N, Result<T>) -> Flow<S>,
) -> (Ended<S, E>, BTreeMap<usize, N>) {
    let mut jobs = jobs.enumerate();
    let mut may_start = true;
    let mut end = pin!(end);
    // True from the end on: a future that was not polled by then is not run.
    let over = AtomicBool::new(false);
    let mut running = FuturesUnordered::new();
    let mut notes: BTreeMap<usize, N> = BTreeMap::new();
    let mut why = loop {
        // Polled before anything starts: runs that never wait leave no other moment for it.
        if let Some(end) = end.as_mut().now_or_never() {
            break Ended::Over(end);
        }
        while may_start && running.len() < concurrency {
            let Some((index, (note, run))) = jobs.next() else { break };
            notes.insert(index, note);
            let over = &over;
            running.push(async move {
                let begins = !over.load(Ordering::Relaxed);
                (index, if begins { Some(caught("the module", run).await) } else { None })
            });
        }
        // The end is polled second: a run that is done by then counts.
        let (index, output) = match select(running.next(), end.as_mut()).await {
            Either::Left((Some(ended), _)) => ended,
            Either::Left((None, _)) => break Ended::All,
            Either::Right((end, _)) => break Ended::Over(end),
        };
        if let (Some(note), Some(output)) = (notes.remove(&index), output) {
            match take(index, note, output) {
                Flow::Continue => {}
                Flow::Finish => may_start = false,
                Flow::Stop(stop) => break Ended::Stopped(stop),
            }
        }
        // Yields the thread to other tasks now and then, even if no run ever waits.
        tokio::task::consume_budget().await;
    };
    over.store(true, Ordering::Relaxed);
    let mut left_out = may_start && jobs.len() > 0;
    while let Some(Some((index, output))) = running.next().now_or_never() {
        let (Some(note), Some(output)) = (notes.remove(&index), output) else {
            left_out = true;
            continue;
        };
        if let (Flow::Stop(stop), Ended::Over(_)) = (take(index, note, output), &why) {
            why = Ended::Stopped(stop);
        }
    }
    if matches!(why, Ended::Over(_)) && !left_out && notes.is_empty() {
        why = Ended::All;
    }
    (why, notes)
}
