//! Prices of tokens, from a table of the user's.

use std::{borrow::Borrow, collections::BTreeMap, fmt, iter::Sum, ops::AddAssign, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Lm, Usage};

/// An amount of money in the unit of the [`Prices`], exact to a millionth of a millionth, so that sums do not depend on their
/// order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cost(u64);

/// How many of [`Cost`]'s steps make a unit.
const UNIT: f64 = 1e12;

impl Cost {
    pub(super) const NOTHING: Self = Self(0);

    /// An amount of money. NaN and negative amounts count as 0; beyond 18 million it saturates.
    pub fn new(amount: f64) -> Self {
        // `as` saturates, and takes NaN to 0.
        Self((amount * UNIT).round() as u64)
    }

    /// The amount.
    pub fn amount(self) -> f64 {
        self.0 as f64 / UNIT
    }

    fn of(tokens: u64, price: Cost) -> Self {
        Self(tokens.saturating_mul(price.0))
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |mut sum, cost| {
            sum += cost;
            sum
        })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.amount().fmt(f)
    }
}

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

/// The prices of models, by name: your own table, since prices change. Set it on an LM with [`Lm::prices`]; what is spent is then
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

    /// Adds a model by the name of its [`Lm`], e.g. `openai/gpt-4o-mini`.
    pub fn model(mut self, name: impl Into<String>, price: Price) -> Self {
        Arc::make_mut(&mut self.models).insert(name.into(), price);
        self
    }

    /// The price of a model.
    pub fn of(&self, model: &str) -> Option<&Price> {
        self.models.get(model)
    }
}

impl Lm {
    /// Sets the prices of its tokens, if the table has its name: every usage then has a [`cost`](Usage::cost). For a fallback or a
    /// pool set them on the members, each of which has its own price.
    pub fn prices(mut self, prices: impl Borrow<Prices>) -> Self {
        Arc::make_mut(&mut self.inner).price = prices.borrow().of(self.name()).copied();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_exact_and_saturate() {
        assert_eq!([Cost::new(0.1), Cost::new(0.2)].into_iter().sum::<Cost>(), Cost::new(0.3));
        for nothing in [f64::NAN, -1.0, f64::NEG_INFINITY, 0.0] {
            assert_eq!(Cost::new(nothing), Cost::default());
        }
        let mut most = Cost::new(f64::INFINITY);
        most += Cost::new(1.0);
        assert_eq!(most, Cost::new(f64::MAX));
    }

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
