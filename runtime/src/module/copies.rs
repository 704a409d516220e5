//! Configured copies: finding the predictors of a module, and setting on a copy's what one run needs.

use super::{Module, Node, Traverse, Walker, WalkerMut};
use crate::{predict::Predictor, run::Tracer};

/// The tracer of the run of which this copy is a part; `None` outside of any run.
pub fn tracer<M: Traverse + ?Sized>(module: &M) -> Option<&Tracer> {
    // Every call asks, so that no paths are written for it.
    let mut found = None;
    Walker::run(module, &mut |_, node| match node {
        Node::Parameter(parameter) if found.is_none() => {
            found = parameter.as_predictor().and_then(Predictor::tracer);
        }
        _ => {}
    });
    found
}

/// A copy whose predictors write to this tracer.
#[must_use]
pub fn traced<M: Module>(module: &M, tracer: &Tracer) -> M {
    let mut copy = module.clone();
    // Every call does this, so there is no list of paths.
    WalkerMut::run(&mut copy, &mut |site, parameter| {
        if let Some(predictor) = parameter.as_predictor_mut() {
            predictor.set_tracer(tracer, site.path());
        }
    });
    copy
}

/// Every predictor with its path, those in a [`Frozen`](crate::Frozen) included: what a run has to reach.
pub fn all_predictors<M: Traverse + ?Sized>(module: &M) -> Vec<(String, &Predictor)> {
    let mut found = Vec::new();
    Walker::run(module, &mut |site, node| {
        if let Node::Parameter(parameter) = node {
            found.extend(parameter.as_predictor().map(|predictor| (site.path().to_owned(), predictor)));
        }
    });
    found
}

/// Every predictor with its path, those in a [`Frozen`](crate::Frozen) included. Set on them what one run needs; what a frozen
/// one has learned is to stay.
pub fn all_predictors_mut<M: Traverse + ?Sized>(module: &mut M) -> Vec<(String, &mut Predictor)> {
    let mut found = Vec::new();
    WalkerMut::run(module, &mut |site, parameter| {
        found.extend(parameter.as_predictor_mut().map(|predictor| (site.path().to_owned(), predictor)));
    });
    found
}

/// How many rollout ids one run of the module uses: 1, times the `n` of each wrapper inside of it. A wrapper spaces the ids of its
/// own rollouts by it, so that nested rollouts never share one.
pub fn rollout_width<M: Traverse + ?Sized>(module: &M) -> u64 {
    let mut width = 1;
    Walker::run(module, &mut |site, _| width = site.repeats().max(width));
    width
}

/// True if what one of the module's LMs writes [may be recorded](crate::Lm::record_content); then so may what is said about it.
pub fn records_content<M: Traverse + ?Sized>(module: &M) -> bool {
    let predictors = all_predictors(module);
    predictors.iter().any(|(_, predictor)| predictor.resolve_lm().is_ok_and(|lm| lm.records_content()))
}
