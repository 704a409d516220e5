//! Prices of tokens, from a table of the user's.

use std::{collections::BTreeMap, sync::Arc};

use crate::report::{Cost, Usage};

/// What a model's tokens cost.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "its setters take it by value and return it"]
pub struct Price {
    read: Cost,
    written: Cost,
    cached: Cost,
}

impl Price {
    /// The prices of a million tokens read and of a million written, as providers state them.
    pub fn per_million(read: f64, written: f64) -> Self {
        let token = |million: f64| Cost::new(million / 1e6);
        Self { read: token(read), written: token(written), cached: token(read) }
    }

    /// The price of a million tokens that come from the provider's prompt cache; that of others read if not set.
    pub fn cached(mut self, cached: f64) -> Self {
        self.cached = Cost::new(cached / 1e6);
        self
    }

    /// The cost of this usage.
    pub fn of(&self, usage: &Usage) -> Cost {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let parts = [
            Cost::of(usage.prompt_tokens - cached, self.read),
            Cost::of(cached, self.cached),
            Cost::of(usage.completion_tokens, self.written),
        ];
        parts.into_iter().sum()
    }
}

/// The prices of models, by name: your own table, since prices change. Set it on an LM with [`Lm::prices`](crate::Lm::prices); what is spent is then
/// in every [`Usage`].
///
/// ```
/// use karat::{Module, Predict, Reply, ScriptedLm, Usage, lm::{Price, Prices}, signature};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let prices = Prices::new()
///     .model("openai/gpt-4o-mini", Price::per_million(0.15, 0.60).cached(0.075))
///     .model("scripted", Price::per_million(1.0, 2.0));
/// let reply = Reply::fields([("answer", "Paris")]);
/// let usage = Usage::new().calls(1).prompt_tokens(1_000).completion_tokens(10);
/// let lm = ScriptedLm::new([reply.usage(usage)]).lm().prices(&prices);
/// let answer = Predict::<Qa>::new().lm(&lm).call(QaInput { question: "Capital of France?".into() }).await?;
/// assert_eq!(answer.usage().cost.amount(), 0.00102);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "its setters take it by value and return it"]
pub struct Prices {
    models: Arc<BTreeMap<String, Price>>,
}

impl Prices {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model by the name of its [`Lm`](crate::Lm), e.g. `openai/gpt-4o-mini`.
    pub fn model(mut self, name: impl Into<String>, price: Price) -> Self {
        Arc::make_mut(&mut self.models).insert(name.into(), price);
        self
    }

    /// The price of a model.
    pub fn of(&self, model: &str) -> Option<&Price> {
        self.models.get(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_have_their_own_price() {
        let usage = Usage {
            calls: 1,
            prompt_tokens: 1_000_000,
            cached_tokens: 400_000,
            completion_tokens: 10,
            ..Usage::default()
        };
        assert_eq!(Price::per_million(1.0, 0.0).of(&usage), Cost::new(1.0));
        assert_eq!(Price::per_million(1.0, 100.0).cached(0.5).of(&usage), Cost::new(0.801));
    }
}
