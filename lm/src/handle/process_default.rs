//! The LM of predictors that have none of their own.

use std::{
    borrow::Borrow,
    sync::{PoisonError, RwLock},
};

use super::Lm;

/// The process default; see [`configure`].
static DEFAULT: RwLock<Option<Lm>> = RwLock::new(None);

/// Sets the LM of every predictor that has none of its own, for the whole process.
///
/// It is looked up when a predictor is called. Programs with several LMs set them on their modules instead.
pub fn configure(lm: impl Borrow<Lm>) {
    *DEFAULT.write().unwrap_or_else(PoisonError::into_inner) = Some(lm.borrow().clone());
}

/// The process default, if one is set.
pub fn configured() -> Option<Lm> {
    DEFAULT.read().unwrap_or_else(PoisonError::into_inner).clone()
}
