//! The limits of a handle.

use std::borrow::Borrow;

use super::Lm;
use crate::layers::Limits;

impl Lm {
    /// Limits of its endpoint, shared by all clones of this handle and by all other LMs that get a clone of the same
    /// [`Limits`]. Each sent request counts, so each attempt of a retried call.
    ///
    /// ```
    /// use karat::{Limits, Lm};
    ///
    /// # fn main() -> karat::Result<()> {
    /// let lm = Lm::new("openai/gpt-4o-mini")?.limits(Limits::new().concurrency(8).requests_per_minute(500));
    /// # Ok(())
    /// # }
    /// ```
    pub fn limits(self, limits: impl Borrow<Limits>) -> Self {
        let limits = limits.borrow().clone();
        let lm = limits.mistake().into_iter().fold(self, Self::with_mistake);
        lm.with_layers(|layers| layers.set_limits(limits))
    }
}
