//! How to generate: the values that a request and a handle share.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::setters::setters;

/// How to generate. Every value is optional; what is absent is left to the provider.
///
/// ```
/// use karat::lm::Config;
///
/// let config = Config::new().temperature(0.2).max_tokens(300).stop(["\n\n"]).param("top_k", 5);
/// assert_eq!(config.temperature, Some(0.2));
/// assert_eq!(config.temperature(None).temperature, None);
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Config {
    /// Sampling temperature, 0.0 for greedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How many completions to return.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// The sampler's seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Texts at which generation ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Distinguishes equal requests: part of a cache's key, never sent to the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_id: Option<u64>,
    /// How a [cache](crate::Cache) is used for the request; [`CacheUse::Use`] if it is not set. Never sent to the provider, no
    /// part of a cache's key, and not serialized.
    #[serde(skip)]
    pub cache: Option<CacheUse>,
    /// Any further parameter of the provider, sent as it is.
    #[serde(flatten)]
    pub params: BTreeMap<String, Value>,
}

setters!(Config {
    /// Sampling temperature, 0.0 for greedy.
    temperature: impl Into<Option<f64>>,
    /// The most tokens to generate.
    max_tokens: impl Into<Option<u32>>,
    /// How many completions to return.
    n: impl Into<Option<u32>>,
    /// The sampler's seed.
    seed: impl Into<Option<u64>>,
    /// Distinguishes equal requests: part of a cache's key, never sent to the provider.
    rollout_id: impl Into<Option<u64>>,
    /// Any further parameter of the provider, sent as it is.
    params: BTreeMap<String, Value>,
    /// How a [cache](crate::Cache) is used for the request; [`CacheUse::Use`] if it is not set. Never sent to the provider, no
    /// part of a cache's key, and not serialized.
    cache: impl Into<Option<CacheUse>>,
});

impl Config {
    /// A config that leaves everything to the provider.
    pub fn new() -> Self {
        Self::default()
    }

    /// Texts at which generation ends, in place of those before.
    #[must_use]
    pub fn stop<T: Into<String>>(mut self, stop: impl IntoIterator<Item = T>) -> Self {
        self.stop = stop.into_iter().map(Into::into).collect();
        self
    }

    /// One further parameter of the provider, sent as it is.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// This config, with each value that `over` sets replaced by it.
    #[must_use]
    pub fn overridden_by(&self, over: &Config) -> Config {
        let mut config = self.clone();
        config.temperature = over.temperature.or(config.temperature);
        config.max_tokens = over.max_tokens.or(config.max_tokens);
        config.n = over.n.or(config.n);
        config.seed = over.seed.or(config.seed);
        config.rollout_id = over.rollout_id.or(config.rollout_id);
        config.cache = over.cache.or(config.cache);
        if !over.stop.is_empty() {
            config.stop.clone_from(&over.stop);
        }
        for (name, value) in &over.params {
            config.params.insert(name.clone(), value.clone());
        }
        config
    }
}

/// Shows only the names of further parameters: a value may be a secret, such as a header's.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { temperature, max_tokens, n, seed, stop, rollout_id, cache, params } = self;
        f.debug_struct("Config")
            .field("temperature", temperature)
            .field("max_tokens", max_tokens)
            .field("n", n)
            .field("seed", seed)
            .field("stop", stop)
            .field("rollout_id", rollout_id)
            .field("cache", cache)
            .field("params", &params.keys())
            .finish()
    }
}

/// How a request uses the [`Cache`](crate::Cache) of its [`Lm`](crate::Lm); set with [`Lm::cache_use`](crate::Lm::cache_use) or, for one call, in the
/// [`Config`](super::Config) of `Predict::call_with`.
///
/// ```
/// use karat::{Cache, ScriptedLm, lm::{CacheUse, Config, Message, Request}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let lm = ScriptedLm::new(["old", "new"]).lm().cache(Cache::memory());
/// let mut request = Request::new(vec![Message::user("news?")]);
/// assert_eq!(lm.complete(request.clone()).await?.completions[0].text, "old");
/// request.config.cache = Some(CacheUse::Refresh);
/// assert_eq!(lm.complete(request.clone()).await?.completions[0].text, "new");
/// request.config.cache = None;
/// assert_eq!(lm.complete(request).await?.completions[0].text, "new");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheUse {
    /// Takes a cached answer; without one, asks the model and stores the answer.
    #[default]
    Use,
    /// Ignores the cache: nothing is taken from it and nothing is stored.
    Bypass,
    /// Asks the model, and replaces the cached answer.
    Refresh,
}
