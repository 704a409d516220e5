//! The prices of a handle's tokens.

use std::{borrow::Borrow, sync::Arc};

use super::Lm;
use crate::data::Prices;

impl Lm {
    /// Sets the prices of its tokens, if the table has its name: every usage then has a [`cost`](crate::Usage::cost). For a fallback or a
    /// pool set them on the members, each of which has its own price.
    pub fn prices(mut self, prices: impl Borrow<Prices>) -> Self {
        Arc::make_mut(&mut self.inner).price = prices.borrow().of(self.name()).copied();
        self
    }
}
