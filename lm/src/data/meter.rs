//! The meter of a request: counts what a call sends, request by request, and asks the caller's budget before each.

use std::{
    fmt, iter, ptr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::report::Result;

/// Payer for the requests of a call, within a budget.
pub trait Payer: Send + Sync {
    /// Whether one more request would be within the budget.
    ///
    /// # Errors
    /// [`is_budget`](crate::Error::is_budget): it would not.
    fn check(&self) -> Result<()>;

    /// Counts one more request, which is about to be sent.
    ///
    /// # Errors
    /// As [`check`](Payer::check)'s; nothing is counted then.
    fn pay(&self) -> Result<()>;

    /// Corrects the count after the fact, up or down.
    fn correct(&self, difference: i64);
}

/// Counts the requests that a call sends: each right before its bytes leave, so that the requests of a dropped call count too.
///
/// Every call of an [`Lm`](crate::Lm) has its own meter, nested in the meter that its request came with. So if a
/// [`Layer`](crate::Layer) or a [`LanguageModel`](crate::LanguageModel) asks another LM with a clone of its request, that LM's
/// requests are counted in the outer call and paid from its `Budget`. Clones share one count.
#[derive(Clone, Default)]
pub struct Meter(Option<Arc<Dial>>);

struct Dial {
    /// The meter of the call around this one.
    outer: Meter,
    /// Weak: a request that is stored somewhere keeps no run alive.
    payer: Option<Weak<dyn Payer>>,
    sent: AtomicU64,
    /// Of these, the requests of custom models that have not asked another LM yet.
    open: AtomicU64,
}

impl Dial {
    fn payer(&self) -> Option<Arc<dyn Payer>> {
        self.payer.as_ref()?.upgrade()
    }

    /// Takes one of the open requests, if there is one.
    fn take_open(&self) -> bool {
        self.open.fetch_update(Relaxed, Relaxed, |open| open.checked_sub(1)).is_ok()
    }
}

impl Meter {
    fn new(outer: Meter, payer: Option<Weak<dyn Payer>>) -> Self {
        let (sent, open) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Some(Arc::new(Dial { outer, payer, sent, open })))
    }

    /// A meter whose requests this payer pays for.
    #[doc(hidden)]
    pub fn paid_by<P: Payer + 'static>(payer: Weak<P>) -> Self {
        Self::new(Self::default(), Some(payer))
    }

    /// A nested meter, for a call within this one's.
    pub(crate) fn part(&self) -> Self {
        Self::new(self.clone(), None)
    }

    /// The dial of this meter, that of the one around it, and so on.
    fn dials(&self) -> impl Iterator<Item = &Dial> {
        iter::successors(self.0.as_deref(), |dial| dial.outer.0.as_deref())
    }

    /// How many requests were sent so far.
    pub fn sent(&self) -> u64 {
        self.0.as_ref().map_or(0, |dial| dial.sent.load(Relaxed))
    }

    /// Checks that one more request is within the budget: before a wait that would otherwise be for nothing.
    ///
    /// # Errors
    /// [`is_budget`](crate::Error::is_budget): it is not.
    #[doc(hidden)]
    pub fn check(&self) -> Result<()> {
        self.dials().filter_map(Dial::payer).try_for_each(|payer| payer.check())
    }

    /// Counts a request that is about to be sent.
    ///
    /// # Errors
    /// As [`check`](Meter::check)'s; it is not to be sent then.
    pub(crate) fn pay(&self) -> Result<()> {
        // A custom model that asks this LM was already counted for this request, in its own meter and in those around it.
        let model = self.dials().find(|dial| dial.take_open());
        let new = || self.dials().take_while(|dial| !model.is_some_and(|model| ptr::eq(model, *dial)));
        new().filter_map(Dial::payer).try_for_each(|payer| payer.pay())?;
        for dial in new() {
            dial.sent.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// Raises the count to the number that an answer reports; returns the count.
    pub(crate) fn at_least(&self, sent: u64) -> u64 {
        self.correct(i64::try_from(sent.saturating_sub(self.sent())).unwrap_or(i64::MAX));
        self.sent()
    }

    fn correct(&self, difference: i64) {
        if difference == 0 {
            return;
        }
        for dial in self.dials() {
            let corrected = |sent: u64| Some(sent.saturating_add_signed(difference));
            let _ = dial.sent.fetch_update(Relaxed, Relaxed, corrected);
            dial.payer().into_iter().for_each(|payer| payer.correct(difference));
        }
    }

    /// Counts a request for a custom model, which may pass it on to other LMs.
    ///
    /// # Errors
    /// As [`pay`](Meter::pay)'s.
    pub(crate) fn pay_for_model(&self) -> Result<ModelRequest<'_>> {
        let before = self.sent();
        self.pay()?;
        if let Some(dial) = &self.0 {
            dial.open.fetch_add(1, Relaxed);
        }
        Ok(ModelRequest { meter: self, before, is_over: false })
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.sent()).finish()
    }
}

/// A request that a custom model works on.
pub(crate) struct ModelRequest<'a> {
    meter: &'a Meter,
    before: u64,
    is_over: bool,
}

impl ModelRequest<'_> {
    /// Ends the request; `said` is the number of requests that the model reports.
    pub(crate) fn end(mut self, said: u64) {
        self.is_over = true;
        let is_open = self.take_open();
        let counted = self.meter.sent().saturating_sub(self.before);
        match said {
            0 if is_open => self.meter.correct(-1),
            said => self.meter.correct(i64::try_from(said.saturating_sub(counted)).unwrap_or(i64::MAX)),
        }
    }

    fn take_open(&self) -> bool {
        self.meter.0.as_deref().is_some_and(Dial::take_open)
    }
}

impl Drop for ModelRequest<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.take_open();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::report::{Error, ErrorKind};

    /// Payer for so many requests.
    struct Purse(Mutex<i64>);

    impl Payer for Purse {
        fn check(&self) -> Result<()> {
            let refusal = || Error::new(ErrorKind::Budget, "empty");
            (*self.0.lock().unwrap() > 0).then_some(()).ok_or_else(refusal)
        }

        fn pay(&self) -> Result<()> {
            self.check()?;
            self.correct(1);
            Ok(())
        }

        fn correct(&self, difference: i64) {
            *self.0.lock().unwrap() -= difference;
        }
    }

    fn purse(requests: i64) -> (Arc<Purse>, Meter) {
        let purse = Arc::new(Purse(Mutex::new(requests)));
        (purse.clone(), Meter::paid_by(Arc::downgrade(&purse)))
    }

    #[test]
    fn a_nested_meter_counts_in_all_around_it_and_is_refused_with_them() {
        let (_purse, outer) = purse(3);
        let (one, other) = (outer.part(), outer.part().part());
        one.pay().unwrap();
        other.pay().unwrap();
        other.pay().unwrap();
        assert!(one.pay().unwrap_err().is_budget() && one.check().is_err());
        assert_eq!((outer.sent(), one.sent(), other.sent()), (3, 1, 2));
    }

    #[test]
    fn a_model_that_asks_another_lm_is_counted_once() {
        let (_purse, outer) = purse(3);
        let call = outer.part();
        let request = call.pay_for_model().unwrap();
        let inner = call.part();
        inner.pay().unwrap();
        assert_eq!((call.sent(), inner.sent()), (1, 1));
        // A second one is one more.
        inner.pay().unwrap();
        request.end(1);
        assert_eq!((outer.sent(), call.sent(), inner.sent()), (2, 2, 2));
    }

    #[test]
    fn a_models_own_count_of_its_requests_is_believed() {
        let (purse, outer) = purse(9);
        let call = outer.part();
        call.pay_for_model().unwrap().end(3);
        call.pay_for_model().unwrap().end(0);
        drop(call.pay_for_model().unwrap());
        assert_eq!((call.sent(), outer.sent(), *purse.0.lock().unwrap()), (4, 4, 5));
        call.part().pay().unwrap();
        assert_eq!((call.sent(), call.at_least(7), call.at_least(2)), (5, 7, 7));
    }

    #[test]
    fn a_meter_outlives_its_payer() {
        let (payer, outer) = purse(1);
        drop(payer);
        outer.part().pay().unwrap();
        assert_eq!((outer.sent(), Meter::default().sent()), (1, 0));
        Meter::default().pay().unwrap();
    }
}
