//! What `BestOfN` and `Refine` are made of: a module, the reward that judges it, and the rules for its rollouts.

use std::time::Duration;

use crate::{Error, ErrorKind, Module, Result, author::BoxReward};

/// A module, the reward that judges its rollouts, and the rules for them.
#[derive(Clone, Debug)]
pub(super) struct Judged<M: Module> {
    pub(super) module: M,
    pub(super) reward: BoxReward<M::Input, M::Output>,
    pub(super) settings: Settings,
}

/// What the user chose.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) n: usize,
    pub(super) threshold: Option<f64>,
    pub(super) fail_count: Option<usize>,
    pub(super) deadline: Option<Duration>,
    pub(super) temperature: Option<f64>,
}

impl Settings {
    pub(super) fn new(n: usize) -> Self {
        Self { n, threshold: None, fail_count: None, deadline: None, temperature: None }
    }

    /// Mistakes are told before any LM call.
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

/// What all wrappers offer, on a struct with a field `judged` and others with these defaults.
macro_rules! wrapper {
    ($name:ident { $($field:ident: $default:expr),* }) => {
        impl<M: Module> $name<M> {
            /// At most `n` rollouts of the module, judged by a closure or a [`#[reward]`](macro@crate::reward) function that
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

            /// At most `n` rollouts of the module, judged by a type, such as an LM judge.
            pub fn with_reward(module: M, n: usize, reward: impl Reward<M::Input, M::Output>) -> Self {
                Self::of(module, n, BoxReward::new(reward))
            }

            fn of(module: M, n: usize, reward: BoxReward<M::Input, M::Output>) -> Self {
                Self { judged: Judged { module, reward, settings: Settings::new(n) }, $($field: $default),* }
            }

            /// Ends the call at the first reward that is at least this; NaN is an
            /// [`is_config`](crate::Error::is_config) error of the call.
            pub fn threshold(mut self, reward: f64) -> Self {
                self.judged.settings.threshold = Some(reward);
                self
            }

            /// Tolerates so many failed rollouts in one call; the next one ends it with an error. Default: `n`, so that only
            /// a call without any success fails. 0 fails fast.
            pub fn fail_count(mut self, failures: usize) -> Self {
                self.judged.settings.fail_count = Some(failures);
                self
            }

            /// Ends the call after this time, rewards and advice included, with the best prediction until then, or with an
            /// [`is_timeout`](crate::Error::is_timeout) error if there is none. Needs a tokio runtime with its timer on.
            pub fn deadline(mut self, time: Duration) -> Self {
                self.judged.settings.deadline = Some(time);
                self
            }

            /// The rollouts' temperature in place of 1.0. It replaces the LM's; one that a predictor fixed for itself stays.
            pub fn temperature(mut self, temperature: f64) -> Self {
                self.judged.settings.temperature = Some(temperature);
                self
            }

            /// The module that is run.
            pub fn module(&self) -> &M {
                &self.judged.module
            }
        }

        impl<M: Module> Traverse for $name<M> {
            fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
                walker.module(self);
                walker.repeated(self.judged.settings.n, "module", &self.judged.module);
            }

            fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
                walker.field("module", &mut self.judged.module);
            }
        }
    };
}

pub(super) use wrapper;
