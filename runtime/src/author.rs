//! For authors of wrappers.

#[doc(inline)]
pub use crate::{
    prediction::Added,
    reward::{BoxReward, IntoScore, RewardFn, Sourced},
    run::Tracer,
};
