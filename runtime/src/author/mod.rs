//! For authors of wrappers: what [`BestOfN`](crate::BestOfN) and [`Refine`](crate::Refine) are written with.

mod spans;

pub use self::spans::{RewardSpan, RolloutSpan};
#[doc(inline)]
pub use crate::{
    module::{all_predictors, all_predictors_mut, records_content, rollout_width, run, traced, tracer},
    prediction::Added,
    reward::{BoxReward, IntoScore, RewardFn, Sourced},
    run::{Deadline, Ended, Flow, Tracer, caught, run_many},
    text::causes,
    text::shortened,
};
