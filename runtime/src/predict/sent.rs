//! The requests of one LM call, counted one by one as they are sent: whatever becomes of the call, the run knows of them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    error::Result,
    lm::{Pays, Usage},
    trace::Tracer,
};

/// What was sent so far.
pub(super) struct Sent {
    tracer: Option<Tracer>,
    count: AtomicU64,
}

impl Sent {
    /// Nothing yet; outside of a run nobody counts.
    pub(super) fn new(tracer: Option<Tracer>) -> Self {
        Self { tracer, count: AtomicU64::new(0) }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Tells the run what the call cost in all. Calls that were counted already are not counted again.
    pub(super) fn settle(&self, usage: Usage) {
        if let Some(tracer) = &self.tracer {
            tracer.add_usage(Usage { calls: usage.calls.saturating_sub(self.count()), ..usage });
        }
    }
}

impl Pays for Sent {
    fn check(&self) -> Result<()> {
        self.tracer.as_ref().map_or(Ok(()), Tracer::check_budget)
    }

    fn pay(&self) -> Result<()> {
        self.tracer.as_ref().map_or(Ok(()), Tracer::begin_call)?;
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
