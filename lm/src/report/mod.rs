//! What calls and runs leave behind: errors, usage, limits, traces, rollouts. The ground floor: it knows no LM and no module.

mod causes;
mod error;
mod rate_limit;
pub(crate) mod rollout;
mod trace;
mod usage;

pub use self::{
    causes::causes,
    error::{Context, Error, ErrorKind, Fact, Result},
    rate_limit::{Allowance, RateLimit},
    rollout::{Advice, Rollout},
    trace::{CallRecord, Step, Trace},
    usage::{Cost, Usage},
};
