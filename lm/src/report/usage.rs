//! What calls cost: calls, tokens, money.

use std::{fmt, iter::Sum, ops::AddAssign};

use serde::{Deserialize, Serialize};

use crate::setters::setters;

/// Calls and tokens spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// LM calls, those that a cache answered included.
    pub calls: u64,
    /// How many of the calls a [cache](crate::Cache) answered: they cost no tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_calls: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written, reasoning included.
    pub completion_tokens: u64,
    /// How many of the tokens read came from the provider's prompt cache.
    pub cached_tokens: u64,
    /// How many of the tokens written were reasoning.
    pub reasoning_tokens: u64,
    /// The cost by the LM's [`Prices`](crate::Prices); 0 if none are set.
    pub cost: Cost,
    /// How many of the calls to the provider have a known price, so that their cost is in [`cost`](Usage::cost).
    #[serde(skip_serializing_if = "is_zero")]
    pub priced_calls: u64,
}

/// The usage in words: `2 calls, 812 tokens read (512 cached), 96 written, cost 0.0012`. The cost is in the unit of the
/// [`Prices`](crate::Prices); `cost unknown` where the LM has none, and `cost at least ..` where only some calls have a price.
///
/// ```
/// use karat::{Usage, lm::Cost};
///
/// let usage = Usage::new().calls(2).prompt_tokens(812).completion_tokens(96);
/// assert_eq!(usage.to_string(), "2 calls, 812 tokens read, 96 written, cost unknown");
/// let usage = usage.priced_calls(2).cost(Cost::new(0.5));
/// assert_eq!(usage.to_string(), "2 calls, 812 tokens read, 96 written, cost 0.5");
/// ```
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, cached_calls, prompt_tokens, completion_tokens, .. } = self;
        let unit = if *calls == 1 { "call" } else { "calls" };
        write!(f, "{calls} {unit}")?;
        of_which(f, *cached_calls, "from a cache")?;
        write!(f, ", {prompt_tokens} tokens read")?;
        of_which(f, self.cached_tokens, "cached")?;
        write!(f, ", {completion_tokens} written")?;
        of_which(f, self.reasoning_tokens, "reasoning")?;
        match (self.cost_is_known(), self.priced_calls) {
            (true, _) => write!(f, ", cost {}", self.cost),
            (false, 0) => f.write_str(", cost unknown"),
            (false, _) => write!(f, ", cost at least {}", self.cost),
        }
    }
}

/// Writes a part of the number before it, unless the part is 0.
fn of_which(f: &mut fmt::Formatter<'_>, part: u64, what: &str) -> fmt::Result {
    if part > 0 {
        write!(f, " ({part} {what})")?;
    }
    Ok(())
}

setters!(Usage {
    /// LM calls, those that a cache answered included.
    calls: u64,
    /// How many of the calls a cache answered.
    cached_calls: u64,
    /// Tokens read.
    prompt_tokens: u64,
    /// Tokens written, reasoning included.
    completion_tokens: u64,
    /// How many of the tokens read came from the provider's prompt cache.
    cached_tokens: u64,
    /// How many of the tokens written were reasoning.
    reasoning_tokens: u64,
    /// What it cost.
    cost: Cost,
    /// How many of the calls to the provider have a known price.
    priced_calls: u64,
});

impl Usage {
    /// Nothing spent.
    pub const fn new() -> Self {
        Self {
            calls: 0,
            cached_calls: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            cached_tokens: 0,
            reasoning_tokens: 0,
            cost: Cost::NOTHING,
            priced_calls: 0,
        }
    }

    /// Calls that went to the provider.
    pub fn sent_calls(&self) -> u64 {
        self.calls.saturating_sub(self.cached_calls)
    }

    /// True if a [cache](crate::Cache) answered every call.
    pub fn is_cached(&self) -> bool {
        self.cached_calls > 0 && self.sent_calls() == 0
    }

    /// True if the price of every call that went to the provider is known, so that [`cost`](Usage::cost) is the cost of all of them;
    /// otherwise it is the cost of those with a price, and zero if there is none.
    pub fn cost_is_known(&self) -> bool {
        self.priced_calls >= self.sent_calls()
    }

    /// Tokens read and written.
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cost += other.cost;
        for (sum, more) in [
            (&mut self.calls, other.calls),
            (&mut self.cached_calls, other.cached_calls),
            (&mut self.priced_calls, other.priced_calls),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.cached_tokens, other.cached_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), |mut sum, usage| {
            sum += usage;
            sum
        })
    }
}

/// An amount of money in the unit of the [`Prices`](crate::Prices), exact to a millionth of a millionth, so that sums do not depend on their
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

    pub(crate) fn of(tokens: u64, price: Cost) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_says_in_words_what_was_spent_and_whether_the_cost_is_known() {
        let free =
            Usage { calls: 1, prompt_tokens: 5, completion_tokens: 2, priced_calls: 1, ..Usage::default() };
        assert_eq!(free.to_string(), "1 call, 5 tokens read, 2 written, cost 0");
        assert_eq!(Usage::default().to_string(), "0 calls, 0 tokens read, 0 written, cost 0");
        let cached = Usage { calls: 1, cached_calls: 1, ..Usage::default() };
        assert_eq!(cached.to_string(), "1 call (1 from a cache), 0 tokens read, 0 written, cost 0");
        let dear = Usage {
            calls: 2,
            priced_calls: 2,
            prompt_tokens: 1000,
            cached_tokens: 400,
            completion_tokens: 90,
            reasoning_tokens: 70,
            cost: Cost::new(0.0125),
            ..Usage::default()
        };
        let expected = "2 calls, 1000 tokens read (400 cached), 90 written (70 reasoning), cost 0.0125";
        assert_eq!(dear.to_string(), expected);
        let unknown = Usage { calls: 1, ..Usage::default() };
        assert!(unknown.to_string().ends_with("cost unknown"));
        let sum: Usage = [dear, unknown, cached].into_iter().sum();
        assert!(sum.to_string().ends_with("cost at least 0.0125"), "{sum}");
        assert!(!sum.cost_is_known() && dear.cost_is_known());
    }

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
}
