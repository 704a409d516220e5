//! Who pays for what a call sends beyond its first request: retries, other members, second endpoints.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use super::Request;
use crate::error::Result;

/// Bears the cost of a call, within a budget.
pub(crate) trait Pays: Send + Sync {
    /// Whether one more request would be within the budget.
    ///
    /// # Errors
    /// [`is_budget`](crate::Error::is_budget): it would not.
    fn check(&self) -> Result<()>;

    /// Counts one more request, which is about to be sent.
    ///
    /// # Errors
    /// As [`check`](Pays::check)'s; nothing is counted then.
    fn pay(&self) -> Result<()>;
}

/// A part of a [`Caller`](super::Caller). It keeps nothing of the call alive, wherever the caller is noted down.
#[derive(Clone)]
pub(super) struct Payer(Weak<dyn Pays>);

impl Payer {
    pub(super) fn new<P: Pays + 'static>(payer: &Arc<P>) -> Self {
        let payer = Arc::downgrade(payer);
        Self(payer)
    }
}

/// It tells no caller from another one.
impl PartialEq for Payer {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Payer {}

impl fmt::Debug for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payer").finish_non_exhaustive()
    }
}

impl Request {
    fn payer(&self) -> Option<Arc<dyn Pays>> {
        self.caller.as_ref()?.payer.as_ref()?.0.upgrade()
    }

    /// Whether it may be sent once more; before a wait that would else be for nothing.
    ///
    /// # Errors
    /// [`is_budget`](crate::Error::is_budget): its budget is used up.
    pub(super) fn check_budget(&self) -> Result<()> {
        self.payer().map_or(Ok(()), |payer| payer.check())
    }

    /// Counts that it is sent once more, by whoever does so. The first time is counted by the caller.
    ///
    /// # Errors
    /// As [`check_budget`](Request::check_budget)'s.
    pub(super) fn pay(&self) -> Result<()> {
        self.payer().map_or(Ok(()), |payer| payer.pay())
    }
}
