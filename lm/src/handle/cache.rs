//! The cache of a handle.

use std::borrow::Borrow;

use super::Lm;
use crate::{data::CacheUse, layers::Cache};

impl Lm {
    /// Sets the cache of answers, in place of the LM's former one; see [`Cache`].
    pub fn cache(self, cache: impl Borrow<Cache>) -> Self {
        self.with_layers(|layers| layers.set_cache(cache.borrow().clone()))
    }

    /// How the requests of this handle use its cache; without a cache it has no effect.
    pub fn cache_use(self, cache_use: CacheUse) -> Self {
        self.with_config(|config| config.cache = Some(cache_use))
    }
}
