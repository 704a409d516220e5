//! Collects the items' results, and decides when they end the batch.

use std::{collections::BTreeMap, time::Duration};

use karat_lm::{Usage, internal::shortened};
use tokio::time::Instant;

use super::{progress::Bar, report::BatchStop, settings::BatchSettings};
use crate::{Error, ErrorKind, Prediction, Result, run::Tracer};

/// The most characters of an error's text that are repeated in the error of each item that did not run because of it.
const CAUSE_CAP: usize = 300;

/// How one item ended.
pub(super) struct Ending<O> {
    pub(super) result: Result<Prediction<O>>,
    pub(super) usage: Usage,
    pub(super) elapsed: Duration,
}

impl<O> Ending<O> {
    /// An item that never ran.
    pub(super) fn not_run(error: Error) -> Self {
        Self { result: Err(error), usage: Usage::default(), elapsed: Duration::ZERO }
    }
}

/// An item that has started, with all that its report needs should it be dropped.
pub(super) struct RunningItem {
    /// The tracer of the run around the batch, if there is one.
    pub(super) outer: Option<Tracer>,
    pub(super) tracer: Tracer,
    pub(super) start: Instant,
}

impl RunningItem {
    fn end<O>(self, result: Result<Prediction<O>>) -> Ending<O> {
        let Self { outer, tracer, start } = self;
        let mut usage = tracer.usage();
        if usage == Usage::default() {
            // A module without predictors may have set its own usage.
            usage = result.as_ref().map_or_else(Error::usage, Prediction::usage);
        }
        let trace = tracer.trace();
        if let Some(outer) = &outer {
            outer.append(&trace);
        }
        let result = match result {
            Ok(prediction) => Ok(prediction.with_usage(usage).with_trace(trace)),
            // The error of a part may yet become that of the whole, which adds its own run.
            Err(error) if outer.is_some() => Err(error),
            Err(error) => Err(error.with_run(trace, usage)),
        };
        Ending { result, usage, elapsed: start.elapsed() }
    }
}

/// The items that ended so far.
pub(super) struct Items<O> {
    endings: Vec<Option<Ending<O>>>,
    max_errors: Option<usize>,
    is_shared: fn(&Error) -> bool,
    failed: usize,
    /// What ended the batch, in words, and the error of the item that did.
    cause: Option<(String, Error)>,
    bar: Bar,
}

impl<O> Items<O> {
    pub(super) fn new(count: usize, settings: &BatchSettings, is_shared: fn(&Error) -> bool) -> Self {
        Self {
            endings: std::iter::repeat_with(|| None).take(count).collect(),
            max_errors: settings.max_errors,
            is_shared,
            failed: 0,
            cause: None,
            bar: Bar::new(settings.progress, count, settings.unit),
        }
    }

    /// Adds an item's result. `Some`: the batch has to end. What ended it first stays the cause.
    pub(super) fn add(
        &mut self,
        index: usize,
        item: RunningItem,
        result: Result<Prediction<O>>,
    ) -> Option<BatchStop> {
        let error = result.as_ref().err().filter(|_| self.cause.is_none());
        let stop = error.and_then(|error| self.count(index, error));
        self.bar.advance(result.is_err());
        self.put(index, item.end(result));
        stop
    }

    /// Counts a failure. `Some`: one too many, or one that all others would share.
    fn count(&mut self, index: usize, error: &Error) -> Option<BatchStop> {
        self.failed += 1;
        let text = || shortened(&error.to_string(), CAUSE_CAP);
        let (why, stop) = if (self.is_shared)(error) {
            (format!("item {index} failed as every other item would: {}", text()), BatchStop::SharedError)
        } else {
            let tolerated = self.max_errors.filter(|most| self.failed > *most)?;
            let failed = self.failed;
            (
                format!(
                    "{failed} items failed, {tolerated} are tolerated; the last one, item {index}: {}",
                    text()
                ),
                BatchStop::TooManyErrors,
            )
        };
        self.cause = Some((why, error.clone()));
        Some(stop)
    }

    /// Notes that the batch was cancelled: by the user's future, or by a panic of it.
    pub(super) fn cancel(&mut self, end: Result<()>) -> BatchStop {
        self.cause = end.err().map(|panic| (shortened(&panic.to_string(), CAUSE_CAP), panic));
        BatchStop::Cancelled
    }

    fn put(&mut self, index: usize, ending: Ending<O>) {
        if let Some(place) = self.endings.get_mut(index) {
            *place = Some(ending);
        }
    }

    /// All items, those included that were still running (by index) or never ran.
    pub(super) fn finish(mut self, running: BTreeMap<usize, RunningItem>) -> Vec<Ending<O>> {
        self.bar.finish();
        let (why, source) = match self.cause.take() {
            Some((why, error)) => (why, Some(error)),
            None => ("it was cancelled".to_owned(), None),
        };
        let cancelled = |what: &str| {
            let error = Error::new(ErrorKind::Cancelled, format!("{what}: {why}"));
            match &source {
                Some(source) => error.with_source(source.clone()),
                None => error,
            }
        };
        let midway = cancelled("the batch ended while this item was running");
        let not_run = cancelled("the batch ended before this item was run");
        for (index, item) in running {
            self.put(index, item.end(Err(midway.clone())));
        }
        let end = |ending: Option<Ending<O>>| ending.unwrap_or_else(|| Ending::not_run(not_run.clone()));
        self.endings.into_iter().map(end).collect()
    }
}
