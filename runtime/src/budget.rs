//! A budget: bounds what a call and everything below it may spend.

use std::fmt;

use karat_lm::{Cost, Error, ErrorKind, Usage};

/// A bound on what a call tree may spend: LM calls, tokens, money. Set it with [`Module::budget`](crate::Module::budget).
///
/// The next LM call is refused with an [`is_budget`](Error::is_budget) error once a bound is reached: also a retry, another member
/// of a fallback, and a second endpoint of a pool, which is then left out. Calls are counted when they are sent, so their number
/// is kept exactly. The cost of a call is unknown before its answer, so tokens and money may be exceeded by the calls in flight at
/// that moment: by one, unless several run at once.
///
/// ```
/// use karat::Budget;
///
/// let budget = Budget::new().tokens(20_000).calls(30).cost(0.05);
/// assert_eq!(budget.to_string(), "30 LM calls, 20000 tokens, 0.05 in money");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "its setters take it by value and return it"]
pub struct Budget {
    tokens: Option<u64>,
    calls: Option<u64>,
    cost: Option<Cost>,
}

impl Budget {
    /// A budget without any bound, for setting others than tokens.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many tokens, read and written.
    pub fn tokens(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// At most so many LM calls, including failed calls, retries and repeated questions, but not those that a cache answers.
    pub fn calls(mut self, calls: u64) -> Self {
        self.calls = Some(calls);
        self
    }

    /// At most so much money, in the unit of the [`Prices`](crate::lm::Prices) that were set on the LMs; without prices every call
    /// costs 0. NaN and negative amounts count as 0.
    pub fn cost(mut self, cost: f64) -> Self {
        self.cost = Some(Cost::new(cost));
        self
    }

    /// The error that refuses a further LM call after this usage, if a bound is reached.
    pub(crate) fn refusal(&self, used: Usage) -> Option<Error> {
        let is_used_up = self.calls.is_some_and(|calls| used.sent_calls() >= calls)
            || self.tokens.is_some_and(|tokens| used.total_tokens() >= tokens)
            || self.cost.is_some_and(|cost| used.cost >= cost);
        is_used_up.then(|| {
            let (calls, tokens, cost) = (used.sent_calls(), used.total_tokens(), used.cost);
            let message = format!(
                "the budget of {self} is used up: {calls} LM calls, {tokens} tokens, {cost} in money so far; give it more, or ask for less"
            );
            Error::new(ErrorKind::Budget, message)
        })
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.calls.map(|calls| format!("{calls} LM calls"));
        let tokens = self.tokens.map(|tokens| format!("{tokens} tokens"));
        let cost = self.cost.map(|cost| format!("{cost} in money"));
        let bounds: Vec<_> = [calls, tokens, cost].into_iter().flatten().collect();
        f.write_str(if bounds.is_empty() { "no bound" } else { "" })?;
        f.write_str(&bounds.join(", "))
    }
}
