//! The parts of `BestOfN` and `Refine`: a module, its reward, the rules for its rollouts, and the setters of these.

use std::time::Duration;

use crate::{Error, ErrorKind, Module, Result, author::BoxReward};

/// A module, the reward that scores its rollouts, and the rules for them.
#[derive(Clone, Debug)]
pub(super) struct Wrapped<M: Module> {
    pub(super) module: M,
    pub(super) reward: BoxReward<M::Input, M::Output>,
    pub(super) rules: RolloutRules,
}

/// The rules for rollouts that the user chose.
#[derive(Clone, Debug)]
pub(super) struct RolloutRules {
    pub(super) n: usize,
    pub(super) threshold: Option<f64>,
    pub(super) fail_count: Option<usize>,
    pub(super) deadline: Option<Duration>,
    pub(super) temperature: Option<f64>,
}

impl RolloutRules {
    pub(super) fn new(n: usize) -> Self {
        Self { n, threshold: None, fail_count: None, deadline: None, temperature: None }
    }

    /// Checks the rules; called before any LM call.
    pub(super) fn check(&self) -> Result<()> {
        if self.n == 0 {
            return Err(config("`n` is 0, so that there is no rollout to choose from: use at least 1"));
        }
        if self.threshold.is_some_and(f64::is_nan) {
            return Err(config(
                "the threshold is NaN, which no reward reaches: use a number, or no threshold to run all",
            ));
        }
        if self.temperature.is_some_and(|temperature| !(temperature.is_finite() && temperature >= 0.0)) {
            return Err(config("the temperature of the rollouts is not a number from 0 up"));
        }
        Ok(())
    }

    pub(super) fn passes(&self, reward: f64) -> bool {
        self.threshold.is_some_and(|threshold| reward >= threshold)
    }
}

pub(super) fn config(message: &str) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// The setters and the traversal of a wrapper: a struct with a field `wrapped` and others with these defaults.
macro_rules! wrapper {
    ($name:ident { $($field:ident: $default:expr),* }) => {
        impl<M: Module> $name<M> {
            /// At most `n` rollouts of the module, scored by a closure or a [`#[reward]`](macro@crate::reward) function that
            /// returns a `bool`, `f64`, `(f64, feedback)`, [`Score`](crate::Score), or a `Result` of one. A reward that is a type
            /// goes to [`with_reward`](Self::with_reward).
            ///
            /// An `n` of 0 is an [`is_config`](crate::Error::is_config) error of the call.
            pub fn new<R: IntoScore + 'static>(
                module: M,
                n: usize,
                reward: impl RewardFn<M::Input, M::Output, R>,
            ) -> Self {
                Self::of(module, n, BoxReward::from_fn(reward))
            }

            /// At most `n` rollouts of the module, scored by a type, such as an LM judge.
            pub fn with_reward(module: M, n: usize, reward: impl Reward<M::Input, M::Output>) -> Self {
                Self::of(module, n, BoxReward::new(reward))
            }

            fn of(module: M, n: usize, reward: BoxReward<M::Input, M::Output>) -> Self {
                Self { wrapped: Wrapped { module, reward, rules: RolloutRules::new(n) }, $($field: $default),* }
            }

            /// Ends the call at the first reward that is at least this; NaN is an
            /// [`is_config`](crate::Error::is_config) error of the call.
            pub fn threshold(mut self, reward: f64) -> Self {
                self.wrapped.rules.threshold = Some(reward);
                self
            }

            /// Tolerates so many failed rollouts in one call; the next one ends it with an error. Default: `n`, so that only
            /// a call without any success fails. 0 fails fast.
            pub fn fail_count(mut self, failures: usize) -> Self {
                self.wrapped.rules.fail_count = Some(failures);
                self
            }

            /// Ends the call after this time, rewards and advice included, with the best prediction until then, or with an
            /// [`is_timeout`](crate::Error::is_timeout) error if there is none. Needs a tokio runtime with its timer on.
            pub fn deadline(mut self, time: Duration) -> Self {
                self.wrapped.rules.deadline = Some(time);
                self
            }

            /// The rollouts' temperature in place of 1.0. It replaces the LM's; one that a predictor fixed for itself stays.
            pub fn temperature(mut self, temperature: f64) -> Self {
                self.wrapped.rules.temperature = Some(temperature);
                self
            }

            /// The module that is run.
            pub fn module(&self) -> &M {
                &self.wrapped.module
            }
        }

        impl<M: Module> Traverse for $name<M> {
            fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
                walker.module(self);
                walker.repeated(self.wrapped.rules.n, "module", &self.wrapped.module);
            }

            fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
                walker.field("module", &mut self.wrapped.module);
            }
        }
    };
}

pub(super) use wrapper;
